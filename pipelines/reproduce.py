"""Makes a picture again from what its file says, compares the pixels, and says what may be the cause of a difference.

It reads ours, AUTOMATIC1111's and Forge's, and ComfyUI's, InvokeAI's and NovelAI's where `metadata.read` can.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.images import open_image
from pipelines.loading import loras
from pipelines.loading.record import changes, environment
from pipelines.metadata import Read, read
from pipelines.ranking.likeness import psnr
from pipelines.spec.errors import FieldError, ImageFileError, RequestError, StudioError
from pipelines.spec.events import Emit, Note
from pipelines.spec.request import GenerationRequest, merge

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipelines.engine import Finished
    from pipelines.queue import Job
    from pipelines.studio import Studio

KIND = "reproduce"
LOSSY = {"JPEG": "jpeg", "WEBP": "webp"}
HASHES = ("Lora hashes", "TI hashes", "Hires Model hash", "Hires upscaler hash", "Upscaler hash")


@dataclass(frozen=True)
class Recipe:
    """What a file says of its picture, ready to be run.

    request: whole and checked.   picture: the file's pixels, by the name under which `archive.inputs` keeps them.
    format: "PNG", "JPEG" or "WEBP".   made: what was recorded of machine and files.   source: the program that wrote it.
    reasons: why it cannot come out the same, as far as that is known before it is run.
    """

    request: GenerationRequest
    picture: str
    format: str = "PNG"
    made: Mapping[str, Any] = field(default_factory=dict, hash=False)
    source: str = "Atelier"
    reasons: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Everything but the request, which travels beside it."""
        data = {key: value for key, value in asdict(self).items() if key != "request"}
        return json.dumps(data, separators=(",", ":"), default=str)

    @classmethod
    def of_json(cls, request: GenerationRequest, text: str) -> Recipe:
        """Raises RequestError for what `to_json` did not write."""
        try:
            data = json.loads(text)
            return cls(request, **(data | {"reasons": tuple(data["reasons"])}))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise RequestError([FieldError("Job", text, f"cannot be read any more ({error})")]) from None


@dataclass(frozen=True)
class Verdict:
    """psnr: dB, infinite when every pixel is the same, None when the sizes differ.   reasons: in order of likelihood."""

    psnr: float | None
    reasons: tuple[str, ...] = ()
    sizes: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))

    @property
    def same(self) -> bool:
        return self.psnr is not None and math.isinf(self.psnr)

    @property
    def text(self) -> str:
        """"Identical.", or "Different: PSNR 31.20 dB, because: torch 2.13.0 → 2.14.0; …"."""
        if self.same:
            return "Identical: every pixel is the same."
        (width, height), (now_width, now_height) = self.sizes
        how = (f"PSNR {self.psnr:.2f} dB" if self.psnr is not None
               else f"it was {width}×{height} pixels, now {now_width}×{now_height}")
        why = "; ".join(self.reasons) or "nothing that is recorded differs"
        return f"Different: {how}, because: {why}."


def recipe(studio: Studio, file: str | Path | bytes, model: str = "") -> Recipe:
    """What is to be run to make `file` again; `model` paints instead of the one it names.

    Raises ImageFileError for what is no picture or says nothing, FieldError and RequestError for what is not there.
    """
    found, name = read(file), "the picture" if isinstance(file, bytes) else Path(file).name
    if not found.found:
        raise ImageFileError(name, "no generation data in this file", "pictures that carry the settings they were made with")
    if "Script" in found.made:
        raise ImageFileError(name, "the sheet of a grid, not one picture", "a cell of it")
    reasons: list[str] = []
    request = _request(studio, found, model, reasons)
    picture = open_image(file)
    kind = _format(file)
    if not isinstance(file, bytes):
        studio.inputs.fetch(request.pictures(), Path(file))
    if kind in LOSSY and found.full is None:
        reasons.append(f"saved as {kind}, which keeps no pixel as it was")
    checked = studio.check(request)
    return Recipe(checked, studio.inputs.keep(picture), kind, _told(found), found.source, tuple(reasons))


def _told(found: Read) -> dict[str, Any]:
    """What is recorded of machine and files, short values only: a stranger's file may hold anything."""
    told = {**{key: found.unknown[key] for key in HASHES if key in found.unknown}, **found.made}
    return {str(key): value for key, value in told.items() if isinstance(value, (str, int, float)) and len(str(value)) < 500}


def _format(file: str | Path | bytes) -> str:
    from PIL import Image

    with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file) as opened:
        return str(opened.format)


def _request(studio: Studio, found: Read, model: str, reasons: list[str]) -> GenerationRequest:
    """The whole request: ours as it is, another program's over the defaults of the family of its model."""
    recorded = str((found.full.model_hash if found.full else "") or found.made.get("Model hash", ""))
    named = str(found.request.get("model", ""))
    chosen = model or _model(studio, named, recorded)
    file = studio.model(chosen)
    if recorded and not file.short_hash().startswith(recorded[:10].lower()):
        reasons.append(f"model hash {recorded} ({named}) → {file.short_hash()} ({file.name})")
    elif model and model != named:
        reasons.append(f"model {named or 'not named'} → {file.name}")
    if found.full is not None:
        return found.full.merged({"model": file.name, "batch_count": 1, "batch_size": 1})
    reasons += [note.rstrip(".") for note in found.notes]
    reasons += _habits(found)
    prompt = loras.at_home(str(found.request.get("prompt", "")), str(found.unknown.get("Lora hashes", "")), studio.library)
    return GenerationRequest.parse(merge(merge(dict(file.family.default_request), found.request),
                                         {"prompt": prompt, "model": file.name, "batch_count": 1, "batch_size": 1}))


def _model(studio: Studio, name: str, digest: str) -> str:
    """By name where its hash is the recorded one; else any file with that hash; else by name. Raises FieldError."""
    try:
        file = studio.model(name)
        if not digest or file.short_hash().startswith(digest[:10].lower()):
            return file.name
    except StudioError:
        file = None
    alike = next((m.name for m in studio.library.models() if digest and m.short_hash().startswith(digest[:10].lower())), "")
    return alike or (file.name if file else studio.model(name or digest).name)


def _habits(found: Read) -> list[str]:
    """What other programs do otherwise, whatever the settings."""
    habits = [] if found.source == "Atelier" else [f"painted by {found.source}, another program"]
    if found.source == "AUTOMATIC1111" and "RNG" not in found.made:
        habits.append("its noise came from a graphics card's generator (RNG: GPU), ours from the CPU's")
    return habits


def compared(studio: Studio, told: Recipe, finished: Finished) -> Verdict:
    """How like `finished` is to the picture of the recipe; of a JPEG or WebP of ours both go through the same compression."""
    from pipelines.studio import VERSION

    before, now = studio.inputs.open(told.picture), finished.image
    if told.format in LOSSY and told.source == "Atelier":
        now = _compressed(now, finished.request, LOSSY[told.format], studio.settings.output_quality)
    sizes = (before.width, before.height), (now.width, now.height)
    reasons = [*changes(told.made, environment(studio.engine.residency.device)), *told.reasons]
    reasons += [f"{key} {told.made[key]} → {finished.extra.get(key, 'none')}" for key in HASHES
                if key in told.made and told.made[key] != finished.extra.get(key)]
    if told.format in LOSSY and told.source == "Atelier":
        reasons.append(f"compared as {told.format} of quality {studio.settings.output_quality}; the file may have had another")
    together = told.made.get("together", 1)
    if isinstance(together, int) and together > 1:
        reasons.append(f"it was a cell of a grid, sampled with {together - 1} other{'s' * (together > 2)}: equal up to rounding")
    if told.source == "Atelier" and "torch" not in told.made:
        reasons.append("the machine that made it is not recorded")
    version = str(told.made.get("Version", ""))
    if version.startswith("Atelier") and version != f"Atelier {VERSION}":
        reasons.append(f"{version} → Atelier {VERSION}")
    return Verdict(psnr(before, now), tuple(reasons), sizes)


def _compressed(picture: Image, request: GenerationRequest, format: str, quality: int) -> Image:
    from pipelines.metadata import write

    data = io.BytesIO()
    write(picture, data, request, None, format, quality)
    return open_image(data.getvalue())


# -- as a job of the queue ---------------------------------------------------------------------------------------------

def submit(studio: Studio, told: Recipe, owner: str = "") -> str:
    """Queue it; the verdict will be the last of the job's notes. Raises QueueFull, StorageError."""
    return studio.queue.submit(told.request, KIND, None, owner, (told.to_json(), 1))


def run(studio: Studio, job: Job, emit: Emit) -> None:
    """Paint, keep the picture, say the verdict."""
    told = Recipe.of_json(job.request, job.payload)
    for finished in studio.engine.run(job.request, emit, done=job.finished):
        verdict = compared(studio, told, finished)
        studio.keep(finished, emit, job.id)
        emit(Note(verdict.text))
