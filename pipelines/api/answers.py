"""What was painted, and how far a job has come, as AUTOMATIC1111 answers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.api.pictures import encoded, png, preview
from pipelines.metadata import Read, read
from pipelines.queue import Progress, Status
from pipelines.spec.errors import StudioError
from pipelines.spec.request import GenerationRequest

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines.studio import Studio

NO_SEED = -1


@dataclass(frozen=True)
class Kept:
    """A finished picture. file: relative to the outputs folder."""

    file: str
    path: Path
    said: Read

    @property
    def request(self) -> GenerationRequest:
        return self.said.full or GenerationRequest()


def kept(studio: Studio, files: Iterable[str]) -> list[Kept]:
    """Those that are still there: somebody may have thrown one away since."""
    found = []
    for file in files:
        with suppress(StudioError):
            path = studio.archive.open(file)
            found.append(Kept(file, path, read(path)))
    return found


def images(made: Sequence[Kept]) -> list[str]:
    return [encoded(png(one.path)) for one in made]


def painted(made: Sequence[Kept], body: Mapping[str, Any], ignored: Sequence[str], progress: Progress) -> dict[str, Any]:
    """The answer of txt2img and img2img."""
    echo = dict(body)
    if not body.get("include_init_images"):
        echo |= {key: None for key in ("init_images", "mask") if key in body}
    told = {"ignored": list(ignored), "notes": list(progress.notes), "status": str(progress.status),
            "files": [one.file for one in made]}
    return {"images": [] if body.get("send_images") is False else images(made), "parameters": echo,
            "info": json.dumps(info(made) | told)}


def info(made: Sequence[Kept]) -> dict[str, Any]:
    """What theirs says of the pictures; of none only that there is none."""
    requests = [one.request for one in made]
    first = requests[0] if requests else GenerationRequest()
    part = first.hires or first.init
    own_vae = first.vae != "Automatic"
    return {
        "prompt": first.prompt, "all_prompts": [r.prompt for r in requests],
        "negative_prompt": first.negative_prompt, "all_negative_prompts": [r.negative_prompt for r in requests],
        "seed": first.seed, "all_seeds": [r.seed for r in requests],
        "subseed": subseed(first), "all_subseeds": [subseed(r) for r in requests],
        "subseed_strength": first.variation.strength if first.variation else 0.0,
        "width": first.width, "height": first.height, "sampler_name": first.sampler, "cfg_scale": first.cfg_scale,
        "steps": first.steps, "batch_size": len(made), "restore_faces": False, "face_restoration_model": None,
        "sd_model_name": first.model, "sd_model_hash": first.model_hash, "sd_vae_name": first.vae if own_vae else None,
        "sd_vae_hash": first.vae_hash if own_vae else None, "seed_resize_from_w": -1, "seed_resize_from_h": -1,
        "denoising_strength": part.denoising_strength if part else None, "extra_generation_params": {},
        "index_of_first_image": 0, "infotexts": [one.said.infotext for one in made], "styles": list(first.styles),
        "job_timestamp": time.strftime("%Y%m%d%H%M%S"), "clip_skip": first.clip_skip, "is_using_inpainting_conditioning": False,
        "version": str(made[0].said.made.get("Version", "")) if made else ""}


def subseed(request: GenerationRequest) -> int:
    return request.variation.seed if request.variation else NO_SEED


def standing(progress: Progress | None, picture: bool = True) -> dict[str, Any]:
    """The answer of /progress. Nothing of this client's is going: progress 0 and job_count 0, which is what clients wait for."""
    if progress is None or progress.ended:
        progress = Progress("", Status.DONE)
    busy = not progress.ended
    return {
        "progress": max(0.01, progress.fraction) if busy else 0.0, "eta_relative": progress.eta_s or 0.0,
        "state": {"skipped": False, "interrupted": False, "stopping_generation": False, "job": progress.id,
                  "job_count": max(1, progress.images) if busy else 0, "job_timestamp": time.strftime("%Y%m%d%H%M%S"),
                  "job_no": max(0, progress.image - 1), "sampling_step": progress.step, "sampling_steps": progress.steps},
        "current_image": preview(progress.preview) if picture else None,
        "textinfo": progress.stage or (f"waiting, {progress.position + 1}. in the queue" if progress.position >= 0 else None),
        "current_task": progress.id or None}
