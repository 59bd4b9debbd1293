"""Advice on a second pass (the study's chapter on hires fix), on faces painted again, on tiles. None while the part is off."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from pipelines.advice.case import Case
from pipelines.advice.numbers import on_scale
from pipelines.advice.verdict import Verdict
from pipelines.spec.larger import larger
from pipelines.spec.parts import Init

LATENT_AT_LEAST = 0.5       # below it what was stretched in latent space stays blurred
TILES_AT_MOST = 0.5         # above it every tile begins to paint the whole prompt
NARROW = 16                 # px of padding below which neighbours hardly know each other


def hires_scale(case: Case) -> Verdict | None:
    """Against the study's rule: at least one side at twice the training size."""
    hires, first = case.request.hires, case.request.size
    if hires is None:
        return None
    last, limit = larger(first, hires).final, 2 * int(case.family.native_px)
    if min(last) <= limit:
        return _say(case, "hires.scale", "recommended", "fine", last=str(last))
    scale = max(1.0, math.floor(limit / min(first) * 20) / 20)
    change = {"scale": scale, "width": 0, "height": 0}
    return _say(case, "hires.scale", "less_recommended", "double", {"hires": change}, last=str(last), limit=limit)


def hires_steps(case: Case) -> Verdict | None:
    """On the scale of steps; the study's own number is 25."""
    if case.request.hires is None:
        return None
    best = int(case.book.study["hires_fix"]["params"]["hires_steps"])
    found = on_scale(case, "steps", case.request.hires.steps or case.request.steps, [case.book.say("hires.steps.run")])
    changes = {"hires": {"steps": best}} if found.changes else {}
    return replace(found, field="hires.steps", recommended=best, changes=changes)


def hires_strength(case: Case) -> Verdict | None:
    """On the scale of denoising strengths; a latent mode needs more."""
    hires = case.request.hires
    if hires is None:
        return None
    if hires.upscaler.startswith("Latent") and hires.denoising_strength < LATENT_AT_LEAST:
        return _say(case, "hires.denoising_strength", "not_recommended", "latent",
                    {"hires": {"denoising_strength": 0.55}}, least=LATENT_AT_LEAST)
    best = float(case.book.study["hires_fix"]["params"]["denoising_strength"])
    found = on_scale(case, "denoising_strength", hires.denoising_strength, [])
    changes = {"hires": {"denoising_strength": best}} if found.changes else {}
    return replace(found, field="hires.denoising_strength", recommended=best, changes=changes)


def detailer_strength(case: Case) -> Verdict | None:
    """On a scale of its own: a face is a part, and what is around it tells the model little."""
    detailer = case.request.detailer
    if detailer is None:
        return None
    found = on_scale(case, "detailer_strength", detailer.denoising_strength, [])
    changes = {"detailer": {"denoising_strength": found.recommended}} if found.changes else {}
    return replace(found, field="detailer.denoising_strength", changes=changes)


def tiled_method(case: Case) -> Verdict | None:
    """What a way of tiling is good for; first of all whether the tiles will stay one picture."""
    tiled, init = case.request.tiled, case.request.init or Init()       # a form whose fields are all at their defaults has none
    if tiled is None:
        return None
    if init.denoising_strength > TILES_AT_MOST:
        return _say(case, "tiled.method", "not_recommended", "strong", {"init": {"denoising_strength": 0.3}}, most=TILES_AT_MOST)
    if tiled.method == "Blended":
        return _say(case, "tiled.method", "recommended", "blended")
    if tiled.method == "Feathered":
        return _say(case, "tiled.method", "acceptable", "feathered")
    return _say(case, "tiled.method", "acceptable", "separate" if tiled.seam_fix == "None" else "seams")


def tiled_tile(case: Case) -> Verdict | None:
    """A tile is a picture of its own to the model: its training size is right for it too."""
    tiled, native = case.request.tiled, int(case.family.native_px)
    if tiled is None:
        return None
    if not tiled.tile or abs(tiled.tile / native - 1) <= 0.25:
        return _say(case, "tiled.tile", "recommended", "native", native=native)
    key = "small" if tiled.tile < native else "large"
    return _say(case, "tiled.tile", "less_recommended", key, {"tiled": {"tile": 0}}, native=native)


def tiled_padding(case: Case) -> Verdict | None:
    tiled = case.request.tiled
    if tiled is None:
        return None
    best = int(case.book.study["ultimate_sd_upscale"]["params"]["padding"])
    if tiled.padding < NARROW:
        return _say(case, "tiled.padding", "less_recommended", "narrow", {"tiled": {"padding": best}})
    return _say(case, "tiled.padding", "recommended" if tiled.padding >= best else "acceptable", "enough", padding=best)


def _say(case: Case, field: str, level: str, key: str, changes: dict[str, Any] | None = None, **values: object) -> Verdict:
    return Verdict(field, level, case.book.label(f"{field}.{key}"), case.book.say(f"{field}.{key}", **values),
                   changes=changes or {}, source="practice" if field.startswith("tiled") else "study")
