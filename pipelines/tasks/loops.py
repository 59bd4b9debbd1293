"""The denoising strengths of a loopback: arithmetic only."""

from __future__ import annotations

import math

from pipelines.spec.request import GenerationRequest


def loops_of(request: GenerationRequest) -> int:
    """How many pictures in a row are made of each start; 1 without a loopback."""
    return request.loopback.loops if request.loopback else 1


def level(first: float, last: float, curve: str, part: float) -> float:
    """The denoising strength at `part` (0 to 1) of the way. "Aggressive" has most of the way behind it early, "Lazy" late."""
    moved = {"Aggressive": math.sin(part * math.pi / 2), "Lazy": 1 - math.cos(part * math.pi / 2)}.get(curve, part)
    return first + (last - first) * moved


def strengths(request: GenerationRequest) -> list[float]:
    """That of every loop, rounded to what a request says; one without a loopback, none without a picture."""
    if request.init is None:
        return []
    first, loop, count = request.init.denoising_strength, request.loopback, loops_of(request)
    if loop is None or count == 1:
        return [first]
    return [round(level(first, loop.final_denoising_strength, loop.curve, n / (count - 1)), 4) for n in range(count)]
