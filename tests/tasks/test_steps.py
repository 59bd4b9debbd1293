"""Steps that a denoising strength leaves to run, against what diffusers runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.tasks.steps import LEVELS, steps_laid, steps_run


@pytest.mark.parametrize(("steps", "strength", "exact", "run"), [
    (20, 0.75, False, 15), (20, 1.0, False, 20), (25, 0.2, False, 5), (25, 0.03, False, 0), (25, 0.2, True, 25),
    (25, 0.29, True, 25), (1, 0.01, True, 1), (20, 0.0, True, 0),
], ids=["A1111's 0.75", "all", "a fifth", "none", "hires", "a fraction that rounds down", "one", "nothing"])
def test_steps_really_run(steps: int, strength: float, exact: bool, run: int) -> None:
    assert steps_run(steps, strength, exact) == run


@given(st.integers(1, 150), st.integers(1, 100).map(lambda n: n / 100))
def test_exact_steps_are_run_wherever_the_model_has_levels_enough(steps: int, strength: float) -> None:
    laid = steps_laid(steps, strength, True)
    assert steps <= laid < LEVELS
    assert steps_run(steps, strength, True) == steps or laid == LEVELS - 1
