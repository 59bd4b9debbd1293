"""Where the levels lie, against the definitions."""

import numpy as np
import pytest

from pipelines.samplers import SCHEDULES
from pipelines.samplers.schedules import Noise
from pipelines.spec.errors import FieldError
from tests.samplers.fidelity import EPSILON, V_PREDICTION, training_noise

NOISE = training_noise(EPSILON)
PLACED = [s for s in SCHEDULES if s.place]


def levels(name: str, steps: int, noise: Noise = NOISE) -> np.ndarray:
    return SCHEDULES.get(name).place(noise, steps)


@pytest.mark.parametrize("steps", [1, 2, 7, 20, 150])
@pytest.mark.parametrize("schedule", PLACED, ids=lambda s: s.name)
def test_a_schedule_gives_falling_levels_above_zero(schedule, steps: int) -> None:
    laid = schedule.place(NOISE, steps)
    assert laid.shape == (steps,)
    assert (laid > 0).all()
    assert (np.diff(laid) <= 0).all()


@pytest.mark.parametrize("schedule", [s for s in PLACED if s.name != "DDIM"], ids=lambda s: s.name)
def test_all_but_ddim_begin_at_the_largest_level(schedule) -> None:
    assert schedule.place(NOISE, 20)[0] == pytest.approx(14.6146, rel=1e-4)


@pytest.mark.parametrize(("name", "timesteps"), [
    ("Uniform", np.linspace(999, 0, 20)), ("SGM Uniform", np.linspace(999, 0, 21)[:-1]),
    ("Simple", 999 - 50 * np.arange(20)), ("DDIM", 951 - 50 * np.arange(20)),
], ids=lambda v: v if isinstance(v, str) else "")
def test_even_schedules_stand_at_their_timesteps(name: str, timesteps: np.ndarray) -> None:
    assert np.allclose(NOISE.timestep(levels(name, 20)), timesteps, atol=1e-3)


def test_karras_is_even_in_the_seventh_root() -> None:
    assert np.ptp(np.diff(levels("Karras", 20) ** (1 / 7))) < 1e-12


def test_exponential_is_even_in_the_logarithm_and_polyexponential_equals_it() -> None:
    assert np.ptp(np.diff(np.log(levels("Exponential", 20)))) < 1e-12
    assert (levels("Exponential", 20) == levels("Polyexponential", 20)).all()


def test_beta_is_dense_at_both_ends() -> None:
    gaps = -np.diff(levels("Beta", 21))
    assert gaps[0] < gaps[10] > gaps[-1]
    assert gaps[10] == pytest.approx(gaps[9], rel=0.02)


def test_align_your_steps_has_a_list_for_sd_and_one_for_sdxl() -> None:
    assert levels("AYS", 10)[1] == pytest.approx(6.475)
    assert levels("AYS", 10, Noise(NOISE.sigmas, "sdxl"))[1] == pytest.approx(6.315)


def test_align_your_steps_refuses_a_model_with_another_noise_range() -> None:
    with pytest.raises(FieldError, match="Align Your Steps - its levels were found for SD 1.x"):
        levels("AYS", 10, training_noise(V_PREDICTION))
