"""How many steps a denoising strength leaves to run: arithmetic only.

diffusers runs the last int(steps × strength) of `steps` steps. "Exact steps" lays more levels, so that as many as the user
asked for lie in that last part.
"""

from __future__ import annotations

LEVELS = 1000       # a model was trained on so many noise levels; a finer grid than that repeats itself


def steps_laid(steps: int, strength: float, exact: bool) -> int:
    """How many steps the whole schedule must have, from pure noise on."""
    if not exact or strength <= 0:
        return steps
    laid = min(LEVELS - 1, max(steps, int(steps / strength)))
    while laid < LEVELS - 1 and int(laid * strength) < steps:
        laid += 1
    return laid


def steps_run(steps: int, strength: float, exact: bool = False) -> int:
    """How many of them are run; 0 means that nothing would change."""
    laid = steps_laid(steps, strength, exact)
    return min(laid, int(laid * strength), steps if exact else laid)
