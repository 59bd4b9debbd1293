"""From the names in a request to a scheduler that is ready for one run. Knows no pipeline and no model weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pipelines.samplers.rows import SAMPLERS, Sampler
from pipelines.samplers.schedules import SCHEDULES, Noise, Schedule
from pipelines.spec.errors import FieldError, unknown

OF_THE_MODEL = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "prediction_type")
SPACINGS = MappingProxyType({"DDIM": {}, "Simple": {"timestep_spacing": "trailing", "steps_offset": 0}})
AUTOMATIC = "Automatic"
MOST_ASKED = 150        # steps a request may ask for; a run over the last part of the levels lays more of them


def split(label: str) -> tuple[str, str | None]:
    """Sampler and schedule named by `label`; the schedule is None when the label names none.

    Takes "Euler a", the old joint labels ("DPM++ 2M SDE Heun Karras") and short aliases ("k_dpmpp_2m_ka"). A broken
    row is named like any other. Raises FieldError with the nearest names.
    """
    text = " ".join(str(label).split())
    if text in SAMPLERS:
        return SAMPLERS.get(text).name, None
    for schedule in SCHEDULES:
        for ending in (schedule.name, *schedule.aliases):
            head = text[: -len(ending)].rstrip(" _")
            if text.lower().endswith((" " + ending.lower(), "_" + ending.lower())) and head in SAMPLERS:
                return SAMPLERS.get(head).name, schedule.name
    raise unknown("Sampler", label, SAMPLERS.names())


def check(sampler: str, schedule: str = AUTOMATIC, steps: int = 1) -> tuple[Sampler, Schedule]:
    """The two rows. Raises FieldError for an unknown or broken name, a pair that cannot be, or too many steps."""
    row, place = SAMPLERS.get(sampler), SCHEDULES.get(schedule)
    if row.broken:
        raise FieldError("Sampler", row.name, row.broken, fix=f"Use {row.instead} instead")
    if place.broken:
        raise FieldError("Schedule type", place.name, place.broken, fix=f"Use {place.instead} instead")
    if place.name not in row.schedules:
        raise FieldError("Schedule type", place.name, f"{row.name} has its own levels", ", ".join(row.schedules))
    if steps > row.most_steps:
        raise FieldError("Steps", steps, f"too many for {row.name}", f"1-{row.most_steps}")
    return row, place


def canonical(sampler: str, schedule: str = AUTOMATIC, steps: int = 1) -> tuple[str, str]:
    """Both names in their own spelling, an old joint label taken apart: ("DPM++ 2M Karras", "Automatic") gives
    ("DPM++ 2M", "Karras"). Raises FieldError as `check` does.
    """
    name, joined = split(sampler)
    row, place = check(name, joined if joined and schedule == AUTOMATIC else schedule, steps)
    return row.name, place.name


def schedules_for(sampler: str) -> tuple[str, ...]:
    """Names of the schedules that a form may offer beside this sampler; empty for a broken row."""
    row = SAMPLERS.get(sampler)
    return () if row.broken else row.schedules


def resolved(sampler: str, schedule: str = AUTOMATIC) -> str:
    """The schedule that is really used: what "Automatic" stands for with this sampler."""
    row, place = check(sampler, schedule)
    return row.automatic if place.name == AUTOMATIC else place.name


def model_calls(sampler: str, steps: int) -> int:
    """How often the model runs in `steps` steps (with CFG each is one batch of both prompts)."""
    row = SAMPLERS.get(sampler)
    extra = row.extra_calls if steps > 1 else min(row.extra_calls, 0)
    return row.calls_per_step * steps + extra


def callback_count(sampler: str, steps: int) -> int:
    """How often a diffusers pipeline reports a step: once a model call."""
    return model_calls(sampler, steps)


def call_of_step(sampler: str, step: int) -> int:
    """Which model call (0-based) begins step `step` (0-based): there a prompt that changes at that step changes."""
    row = SAMPLERS.get(sampler)
    return row.calls_per_step * step + (max(row.extra_calls, 0) if step else 0)


def build(sampler: str, schedule: str, base_config: Mapping[str, Any], steps: int, seeds: Sequence[int] = (),
          family: str = "") -> tuple[Any, dict[str, Any]]:
    """A fresh scheduler for one run, and the arguments to call the pipeline with.

    base_config: the checkpoint's scheduler config; its noise and prediction type are taken, its spacing is not.
    seeds: one a picture of the batch; DPM++ SDE draws each picture's noise from them, so that a batch equals its
    single runs (other samplers do so when the pipeline gets one generator a picture). family: name, for schedules that
    were tuned for one. Raises FieldError as `check` does, and where the model's noise range does not fit.
    """
    from pipelines.samplers.placed import placed

    row, place = check(sampler, schedule, min(steps, MOST_ASKED))
    settings = {**row.settings, **{key: base_config[key] for key in OF_THE_MODEL if base_config.get(key) is not None},
                **_zero_snr(row, base_config)}
    call = {"num_inference_steps": steps, **row.call}
    if place.name == AUTOMATIC:
        place = SCHEDULES.get(row.automatic)
    if row.scheduler == "DPMSolverSDEScheduler":
        if not seeds:
            raise ValueError(f"{row.name} needs one seed a picture")
        settings["noise_sampler_seed"] = [int(seed) for seed in seeds]
    if not row.takes_levels:
        return placed(row.scheduler or "", {**settings, **SPACINGS.get(place.name, {})}), call
    scheduler = placed(row.scheduler or "", settings)
    noise = Noise(_training_levels(scheduler), family)
    scheduler.last_level = row.last_level
    scheduler.timestep_of = noise.timestep
    scheduler.lay = lambda count: _levels(row, place, noise, count)
    scheduler.set_timesteps(steps)
    return scheduler, call


def _levels(row: Sampler, place: Schedule, noise: Noise, steps: int) -> Any:
    import numpy as np
    if place.place is None:
        raise ValueError(f"{place.name} lays no levels")
    levels = place.place(noise, steps + 1)[:-1] if row.drop_last_level else place.place(noise, steps)
    return np.ascontiguousarray(levels, dtype=np.float64)


def _training_levels(scheduler: Any) -> Any:
    alphas = scheduler.alphas_cumprod.double().numpy()
    return ((1 - alphas) / alphas) ** 0.5


def _zero_snr(row: Sampler, base_config: Mapping[str, Any]) -> dict[str, bool]:
    """Passes on "the last level is pure noise". Raises FieldError where the diffusers class cannot."""
    if not base_config.get("rescale_betas_zero_snr"):
        return {}
    if not _takes_zero_snr(row):
        able = [other.name for other in SAMPLERS if not other.broken and _takes_zero_snr(other)]
        raise FieldError("Sampler", row.name, "cannot begin at pure noise, as this model must", ", ".join(able))
    return {"rescale_betas_zero_snr": True}


def _takes_zero_snr(row: Sampler) -> bool:
    import inspect

    import diffusers
    return "rescale_betas_zero_snr" in inspect.signature(getattr(diffusers, row.scheduler or "").__init__).parameters
