"""What a run does with a built scheduler: calls of the model, seeds, batches, any number of steps."""

import pytest
import torch

from pipelines import samplers
from pipelines.samplers import SAMPLERS, build
from pipelines.spec.errors import FieldError
from tests.samplers.fidelity import EPSILON, V_PREDICTION, Model, sample

ROWS = [row for row in SAMPLERS if not row.broken]
STOCHASTIC = [row for row in ROWS if row.stochastic]
name = pytest.mark.parametrize("row", ROWS, ids=lambda r: r.name)


def run(row, seeds, steps: int = 6, config=EPSILON, schedule: str = "Automatic", model=None):
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return sample(build(row.name, schedule, config, steps, seeds), model or Model(config), generators, (len(seeds), 2,
                                                                                                        4, 4))


@name
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7, 20, 50])
def test_the_model_runs_as_often_as_the_row_says(row, steps: int) -> None:
    model = Model(V_PREDICTION)
    picture = run(row, (1,), steps, V_PREDICTION, model=model)
    assert model.calls == samplers.model_calls(row.name, steps) == samplers.callback_count(row.name, steps)
    assert torch.isfinite(picture).all()


@name
def test_every_schedule_of_a_row_gives_a_finite_picture(row) -> None:
    for schedule in set(row.schedules) - {"Align Your Steps"}:
        for steps in (1, 2, 5, *([row.most_steps] if schedule in ("Automatic", "Beta") else [])):
            assert torch.isfinite(run(row, (1,), steps, V_PREDICTION, schedule)).all(), (schedule, steps)


@name
def test_each_picture_of_a_batch_equals_its_single_run(row) -> None:
    together = run(row, (11, 12, 13))
    for index, seed in enumerate((11, 12, 13)):
        assert torch.allclose(together[index], run(row, (seed,))[0], rtol=0, atol=1e-6), index
    assert row.batch_exact


@pytest.mark.parametrize("row", STOCHASTIC, ids=lambda r: r.name)
def test_a_stochastic_sampler_repeats_with_its_seed_and_differs_with_another(row) -> None:
    assert torch.equal(run(row, (5,)), run(row, (5,)))
    first = torch.ones(1, 2, 4, 4, dtype=torch.float64)
    one, other = (sample(build(row.name, "Automatic", EPSILON, 6, (seed,)), Model(EPSILON),
                         [torch.Generator().manual_seed(seed)], first=first) for seed in (5, 6))
    assert not torch.allclose(one, other)


@pytest.mark.parametrize("row", [r for r in ROWS if not r.stochastic], ids=lambda r: r.name)
def test_a_deterministic_sampler_asks_for_no_noise(row) -> None:
    generator = torch.Generator().manual_seed(1)
    before = generator.get_state()
    sample(build(row.name, "Automatic", EPSILON, 6), Model(EPSILON), generator, first=torch.ones(1, 2, 4, 4).double())
    assert torch.equal(before, generator.get_state())


@name
def test_the_models_noise_is_taken_and_its_spacing_is_not(row) -> None:
    spaced = {**EPSILON, "timestep_spacing": "trailing", "steps_offset": 0, "set_alpha_to_one": True,
              "clip_sample": True}
    one, other = (build(row.name, "Automatic", config, 6, (1,))[0] for config in (EPSILON, spaced))
    one.set_timesteps(6)
    other.set_timesteps(6)
    assert torch.equal(one.timesteps, other.timesteps)
    assert other.config.beta_end == 0.012
    assert not other.config.get("clip_sample")


@name
def test_a_scheduler_built_from_a_built_one_is_the_same(row) -> None:
    first = build(row.name, "Automatic", V_PREDICTION, 6, (1,))[0]
    again = build(row.name, "Automatic", first.config, 6, (1,))[0]
    assert dict(first.config) == dict(again.config)
    assert again.config.prediction_type == "v_prediction"


def test_pure_noise_at_the_end_is_kept_or_refused() -> None:
    config = {**V_PREDICTION, "rescale_betas_zero_snr": True}
    assert float(build("Euler", "Automatic", config, 6)[0].sigmas[0]) > 4000
    with pytest.raises(FieldError, match="Sampler: Heun - cannot begin at pure noise.* Allowed: Euler"):
        build("Heun", "Automatic", config, 6)


def test_dpmpp_sde_asks_for_the_seeds() -> None:
    with pytest.raises(ValueError, match="one seed a picture"):
        build("DPM++ SDE", "Karras", EPSILON, 6)


@pytest.mark.parametrize(("sampler", "step", "call"), [("Euler", 7, 7), ("Heun", 7, 14), ("PLMS", 0, 0), ("PLMS", 7, 8),
                                                      ("DPM++ SDE", 0, 0)])
def test_a_step_begins_at_this_call(sampler: str, step: int, call: int) -> None:
    assert samplers.call_of_step(sampler, step) == call


def test_dpmpp_2m_and_euler_begin_with_the_same_noise() -> None:
    euler, dpm = (build(s, "Karras", EPSILON, 6)[0] for s in ("Euler", "DPM++ 2M"))
    level = float(euler.sigmas[0])
    assert float(euler.init_noise_sigma) / (1 + level**2) ** 0.5 == pytest.approx(float(dpm.init_noise_sigma), rel=1e-6)


@name
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_stays_half_and_finite(row, kind: torch.dtype) -> None:
    scheduler, _ = build(row.name, "Automatic", V_PREDICTION, 8, (1,))
    scheduler.set_timesteps(8)
    model, x = Model(V_PREDICTION), torch.randn(1, 2, 4, 4, generator=torch.Generator().manual_seed(1)).to(kind)
    x = x * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        x = scheduler.step(model(scheduler.scale_model_input(x, t), t).to(kind), t, x, return_dict=False)[0]
        assert x.dtype == kind
    assert torch.isfinite(x).all()
