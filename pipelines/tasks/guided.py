"""In which part of a run classifier-free guidance works (`cfg_start`, `cfg_end`): arithmetic only."""

from __future__ import annotations

from pipelines import samplers
from pipelines.spec.errors import FieldError
from pipelines.spec.request import GenerationRequest


def guided_calls(request: GenerationRequest, steps: int) -> range:
    """The model calls (0-based) with guidance, of a run of `steps` steps.

    Step s of n is guided where cfg_start <= s/n < cfg_end, with all its calls: a sampler that asks twice a step mixes both
    answers.
    """
    inside = [s for s in range(steps) if request.cfg_start <= s / steps < request.cfg_end]
    if request.cfg_scale <= 1 or not inside:
        return range(0)
    first, after = (samplers.call_of_step(request.sampler, s) for s in (inside[0], inside[-1] + 1))
    return range(first, min(after, samplers.callback_count(request.sampler, steps)))


def check(request: GenerationRequest) -> None:
    """Raise FieldError for an interval that ends before it begins."""
    if request.cfg_start > request.cfg_end:
        raise FieldError("CFG start", request.cfg_start, f"guidance would end before it begins (CFG end is {request.cfg_end:g})",
                         f"0-{request.cfg_end:g}", "Lower it, or raise CFG end")
