"""The one request that travels: everything that makes an image, frozen, as JSON.

The same request makes the same image on the same machine. The form builds one, the queue keeps one, the engine runs
one, the PNG carries one, a preset is a partial one. An absent part (`None`) means that the feature is off. This room
knows no torch, no file and no list of models or samplers: whoever owns such a list checks names against it.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import ValidationError, field_validator

from pipelines.spec.errors import FieldError, RequestError
from pipelines.spec.geometry import Size
from pipelines.spec.param import Param
from pipelines.spec.parts import (
    EMPHASES,
    LAST_SEED,
    PROMPT_LIMIT,
    RANDOM_SEED,
    UNITS,
    ControlUnit,
    Detailer,
    Hires,
    Identity,
    Init,
    Inpaint,
    Loopback,
    Outpaint,
    Part,
    Sketch,
    Tiled,
    Variation,
)

PICTURE = re.compile(r'"([0-9a-f]{64})"')       # a sha256 that is a value of its own


class GenerationRequest(Part):
    """One job: `batch_count × batch_size` images. Field order is the order of the form, the flags and the JSON."""

    prompt: Annotated[str, Param(
        "Prompt", "What to paint: subject, traits, style, details, quality, light.", "prompt", max_length=PROMPT_LIMIT)
    ] = ""
    negative_prompt: Annotated[str, Param(
        "Negative prompt", "What must not be in the picture.", "prompt", max_length=PROMPT_LIMIT)] = ""
    styles: Annotated[tuple[str, ...], Param(
        "Styles", "Ready-made words, added to prompt and negative prompt when the picture is painted.",
        "prompt", source="styles")] = ()
    model: Annotated[str, Param(
        "Model", "The checkpoint that paints: what it was trained on decides what it can show and in which look.",
        "model", source="models", infotext="Model", cost=1.0, max_length=500)
    ] = "mini"
    vae: Annotated[str, Param(
        "VAE", "The network that turns the model's latents into pixels; Automatic takes the model's own, which is mostly right.",
        "model", source="vaes", infotext="VAE",
        cost=0.7, max_length=500)] = "Automatic"
    clip_skip: Annotated[int, Param(
        "Clip skip", "At which layer, counted from the end, the prompt is read: 1 is the last. Some models (anime) were trained "
        "with 2.", "model", 1, 12, 1,
        infotext="Clip skip")] = 1
    emphasis: Annotated[str, Param(
        "Emphasis", "How (weights:1.2) act: Original is the usual way, No norm does not even them out (may help SDXL), Ignore "
        "drops them, "
        "None reads brackets as plain characters.", "prompt", choices=EMPHASES, infotext="Emphasis")] = "Original"
    sampler: Annotated[str, Param(
        "Sampler", "The rule by which noise becomes a picture step by step. It changes details and how many steps are needed.",
        "sampling", source="samplers", infotext="Sampler",
        max_length=80)] = "DPM++ 2M"
    schedule: Annotated[str, Param(
        "Schedule type", "How much noise each step takes away; Automatic takes what suits the sampler.",
        "sampling", source="schedules",
        infotext="Schedule type", max_length=80)] = "Automatic"
    steps: Annotated[int, Param(
        "Steps", "How many steps from noise to picture: more take longer, and beyond some number change little.",
        "sampling", 1, 150, 1, infotext="Steps")] = 25
    cfg_scale: Annotated[float, Param(
        "CFG scale", "How strongly the prompt is followed: low is freer and softer, too high gives harsh colours and contrast.",
        "sampling", 1, 30, 0.5, infotext="CFG scale")] = 7.0
    cfg_rescale: Annotated[float, Param(
        "CFG rescale", "Takes back the harsh contrast of a high CFG scale; 0 is off (arXiv 2305.08891, eq. 15-16).",
        "sampling", 0, 1, 0.05,
        infotext="CFG rescale")] = 0.0
    cfg_start: Annotated[float, Param(
        "CFG start", "From which share of the steps on CFG works: 0 is from the beginning; before it the prompt alone paints, in "
        "half the time.", "sampling", 0, 1, 0.05, infotext="Skip Early CFG")] = 0.0
    cfg_end: Annotated[float, Param(
        "CFG end", "At which share of the steps CFG ends: 1 is the end; the steps that are left take half the time.",
        "sampling", 0, 1, 0.05, infotext="CFG end")] = 1.0
    width: Annotated[int, Param(
        "Width", "How wide the picture is, in pixels. Best near the size the model was trained at.",
        "size", 64, 4096, 8, multiple=True)] = 256
    height: Annotated[int, Param(
        "Height", "How high the picture is, in pixels. Best near the size the model was trained at.",
        "size", 64, 4096, 8, multiple=True)] = 256
    tiling: Annotated[bool, Param(
        "Seamless tiling", "The left edge continues the right and the top the bottom, so that copies side by side show no seam.",
        "size", infotext="Tiling")] = False
    seed: Annotated[int, Param(
        "Seed", "The number of the noise a picture begins with: same seed and settings, same picture; -1 draws a new one.",
        "seed", RANDOM_SEED, LAST_SEED, 1, infotext="Seed")] = RANDOM_SEED
    variation: Variation | None = None
    batch_count: Annotated[int, Param(
        "Batch count", "How many times in a row to paint; with it the number of pictures grows, not the memory.",
        "batch", 1, 1000, 1)] = 1
    batch_size: Annotated[int, Param(
        "Batch size", "How many pictures at once; more needs more memory.", "batch", 1, 64, 1)] = 1
    init: Init | None = None
    inpaint: Inpaint | None = None
    outpaint: Outpaint | None = None
    loopback: Loopback | None = None
    hires: Hires | None = None
    tiled: Tiled | None = None
    detailer: Detailer | None = None
    control: tuple[ControlUnit, ...] = ()
    identity: Identity | None = None
    sketch: Sketch | None = None

    # Written by the studio before queueing, so that what is stored is what was made; not fields of a form.
    model_hash: str = ""        # first 10 hex digits of the checkpoint's sha256
    vae_hash: str = ""
    control_hashes: tuple[str, ...] = ()    # of the units' nets, "" for a unit that did nothing

    @field_validator("control", mode="before")
    @classmethod
    def _few_units(cls, value: Any) -> Any:
        if isinstance(value, (list, tuple)) and len(value) > UNITS:
            raise FieldError("ControlNet units", len(value), "too many", f"0-{UNITS}", "Take some of them away")
        return value

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """A request from untrusted values. Raises RequestError with one line a refused field."""
        try:
            return cls.model_validate(dict(data))
        except ValidationError as error:
            raise RequestError(_refusals(error)) from None

    @property
    def size(self) -> Size:
        return Size(self.width, self.height)

    @property
    def count(self) -> int:
        """Pictures in all."""
        return self.batch_count * self.batch_size

    @property
    def guided_share(self) -> float:
        """Share of the steps in which CFG works, and so asks the model twice: 0 at a CFG scale of 1."""
        return max(0.0, self.cfg_end - self.cfg_start) if self.cfg_scale > 1 else 0.0

    def merged(self, changes: Mapping[str, Any]) -> Self:
        """This request with `changes` (a partial request, parts merged field by field), checked again."""
        return type(self).parse(merge(self.model_dump(), changes))

    def drawn(self, rng: random.Random | None = None) -> Self:
        """This request with every random seed drawn, so that it can be made again."""
        rng = rng or random.SystemRandom()
        changes: dict[str, Any] = {}
        if self.seed == RANDOM_SEED:
            changes["seed"] = rng.randrange(LAST_SEED + 1)
        if self.variation and self.variation.seed == RANDOM_SEED:
            changes["variation"] = {"seed": rng.randrange(LAST_SEED + 1)}
        return self.merged(changes) if changes else self

    def undrawn(self) -> Self:
        """This request with its seed to be drawn anew; where a variation is on, with that seed: another of these."""
        varied = self.variation and self.variation.strength > 0
        return self.merged({"variation": {"seed": RANDOM_SEED}} if varied else {"seed": RANDOM_SEED})

    def image(self, index: int) -> Self:
        """The request of picture `index` alone (0-based): what its file carries.

        As in AUTOMATIC1111 the seed counts up with the pictures, unless a variation is on: then its seed does.
        """
        changes: dict[str, Any] = {"batch_count": 1, "batch_size": 1}
        if self.variation and self.variation.strength > 0:
            changes["variation"] = {"seed": (self.variation.seed + index) % (LAST_SEED + 1)}
        else:
            changes["seed"] = (self.seed + index) % (LAST_SEED + 1)
        return self.merged(changes)

    def to_json(self) -> str:
        """Compact ASCII JSON (so a lone surrogate survives too) without absent parts; `from_json` gives it back."""
        return json.dumps(self.model_dump(mode="json", exclude_none=True), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises RequestError; unknown keys are refused by name."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise RequestError([FieldError("Request", text, f"not JSON ({error})")]) from None
        if not isinstance(data, dict):
            raise RequestError([FieldError("Request", text, "not a JSON object")])
        return cls.parse(data)

    def pictures(self) -> list[str]:
        """The names of all kept pictures it speaks of: sources, masks, conditions, drawings, photos."""
        return PICTURE.findall(self.to_json())

    def digest(self) -> str:
        """sha256 of the canonical JSON: equal requests, equal digests."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it; a mapping merges into a mapping, anything else replaces."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        result[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def _refusals(error: ValidationError) -> list[FieldError]:
    refusals = []
    for item in error.errors():
        cause = item.get("ctx", {}).get("error")
        where = ".".join(str(p) for p in item["loc"])
        if isinstance(cause, FieldError):
            refusals.append(cause)
        elif item["type"] == "extra_forbidden":
            refusals.append(FieldError(where, item["input"], "no such field"))
        else:
            refusals.append(FieldError(where, item["input"], item["msg"]))
    return refusals
