"""The samplers, one row each, under AUTOMATIC1111's names; data only, no torch.

A sampler is the rule for one step. Where the noise levels of the steps lie is the schedule's business (`schedules.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from pipelines.spec.registry import Registry

PLACED = ("Automatic", "Uniform", "Normal", "Karras", "Exponential", "Polyexponential", "SGM Uniform", "Simple", "DDIM",
          "Beta", "Align Your Steps")


@dataclass(frozen=True)
class Sampler:
    """One row.

    scheduler: the diffusers class that takes the step; None when diffusers has no equal (then `broken` says why and
    `instead` names what to use). settings: its constructor arguments beside the model's own noise and prediction type.
    automatic: the schedule that "Automatic" stands for. schedules: those it can be combined with.
    order: of the solver. calls_per_step, extra_calls: the model runs `calls_per_step * steps + extra_calls` times.
    stochastic: draws fresh noise in each step (from the request's seed, so it repeats exactly all the same).
    drop_last_level: leaves out the level before the last, as AUTOMATIC1111 does for this sampler.
    last_level: where it ends; a hair above zero for solvers that divide by it.
    batch_exact: each picture of a batch equals its single run. call: further arguments of the pipeline call.
    most_steps: where the scheduler has a limit.
    recommended_for: ids of `presets/recommendations.yaml`, best use first.
    """

    name: str
    scheduler: str | None
    aliases: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    automatic: str = "Uniform"
    schedules: tuple[str, ...] = PLACED
    order: int = 1
    calls_per_step: int = 1
    extra_calls: int = 0
    stochastic: bool = False
    drop_last_level: bool = False
    last_level: float = 0.0
    batch_exact: bool = True
    call: Mapping[str, Any] = field(default_factory=dict)
    most_steps: int = 150
    recommended_for: tuple[str, ...] = ()
    note: str = ""
    broken: str = ""
    instead: str = ""

    @property
    def takes_levels(self) -> bool:
        """Whether its levels are laid by a schedule; the others space themselves."""
        return self.schedules is PLACED

    def __post_init__(self) -> None:
        for name in ("settings", "call"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))


def _old(letters: str, *more: str) -> tuple[str, ...]:
    """AUTOMATIC1111's short alias (`k_` + letters) and the names that other programs use."""
    return ("k_" + letters, *more)


_LEADING = MappingProxyType({"timestep_spacing": "leading", "steps_offset": 1})
_DDIM = MappingProxyType({**_LEADING, "clip_sample": False})
_TO_ZERO = MappingProxyType({"lower_order_final": False, "final_sigmas_type": "zero"})
_SDE = MappingProxyType({**_TO_ZERO, "algorithm_type": "sde-dpmsolver++"})
_HAIR = 1e-5
_DISTILLED = "Only for weights that were distilled for it; with others the picture stays flat."

_ROWS = (
    Sampler("Euler", "EulerDiscreteScheduler", _old("euler", "euler"),
            recommended_for=("photorealism", "short_of_time"), note="Fast, plain, converges; the one to start with."),
    Sampler("Euler a", "EulerAncestralDiscreteScheduler", _old("euler_a", "k_euler_ancestral", "euler_ancestral"),
            stochastic=True, recommended_for=("photorealism", "short_of_time"),
            note="Adds noise in each step: never settles as steps grow, drifts from the prompt with people."),
    Sampler("Heun", "HeunDiscreteScheduler", _old("heun", "heun"), order=2, calls_per_step=2, extra_calls=-1,
            note="A more exact Euler; runs the model twice a step."),
    Sampler("LMS", "LMSDiscreteScheduler", _old("lms", "lms"), order=4,
            note="As fast as Euler; in its day it was run with 100-150 steps."),
    Sampler("DDIM", "DDIMScheduler", ("ddim",), settings={**_DDIM, "set_alpha_to_one": False}, automatic="DDIM",
            schedules=("Automatic", "DDIM", "Simple"), note="One of the first; superseded."),
    Sampler("DDPM", "DDPMScheduler", ("ddpm",), settings=_DDIM, automatic="DDIM",
            schedules=("Automatic", "DDIM", "Simple"), stochastic=True,
            note="The model's own reverse process; wants many steps."),
    Sampler("PLMS", "PNDMScheduler", ("plms", "pndm"), automatic="DDIM", schedules=("Automatic", "DDIM"), order=4,
            settings={**_LEADING, "skip_prk_steps": True, "set_alpha_to_one": False}, extra_calls=1,
            note="One of the first; superseded. Its second step is taken twice."),
    Sampler("DPM2", "KDPM2DiscreteScheduler", _old("dpm_2", "dpm_2"), automatic="Karras", order=2, calls_per_step=2,
            extra_calls=-1, drop_last_level=True, note="Runs the model twice a step."),
    Sampler("DPM2 a", "KDPM2AncestralDiscreteScheduler", _old("dpm_2_a", "dpm_2_ancestral"), automatic="Karras",
            order=2, calls_per_step=2, extra_calls=-1, stochastic=True, drop_last_level=True,
            note="Adds noise in each step; drifts from the prompt with people."),
    Sampler("DPM++ 2M", "DPMSolverMultistepScheduler", _old("dpmpp_2m", "dpmpp_2m"), automatic="Karras", order=2,
            settings=_TO_ZERO,
            recommended_for=("illustration", "fewer_than_20_steps", "people"),
            note="Good pictures from few steps at the price of Euler."),
    Sampler("DPM++ 2S", "DPMSolverSinglestepScheduler", ("dpmpp_2s",), automatic="Karras", order=2,
            settings={"lower_order_final": True, "final_sigmas_type": "zero"}, recommended_for=("people",),
            note="Steps in pairs, so a step costs what Euler's costs; the published 2S, without added noise."),
    Sampler("DPM++ SDE", "DPMSolverSDEScheduler", _old("dpmpp_sde", "dpmpp_sde", "dpmpp_sde_gpu"), automatic="Karras",
            order=2, calls_per_step=2, extra_calls=-1, stochastic=True,
            recommended_for=("illustration", "fewer_than_20_steps"),
            note="Runs the model twice a step; its noise is one Brownian path a picture (torchsde)."),
    Sampler("DPM++ 2M SDE", "DPMSolverMultistepScheduler", _old("dpmpp_2m_sde", "dpmpp_2m_sde", "dpmpp_2m_sde_gpu"),
            settings=_SDE, automatic="Exponential", order=2, stochastic=True,
            note="DPM++ SDE's quality at half its price."),
    Sampler("DPM++ 2M SDE Heun", "DPMSolverMultistepScheduler", _old("dpmpp_2m_sde_heun", "dpmpp_2m_sde_heun"),
            settings={**_SDE, "solver_type": "heun"}, automatic="Exponential", order=2, stochastic=True,
            note="DPM++ 2M SDE with the other correction term."),
    Sampler("DPM++ 3M SDE", "DPMSolverMultistepScheduler", _old("dpmpp_3m_sde", "dpmpp_3m_sde", "dpmpp_3m_sde_gpu"),
            settings={**_SDE, "solver_order": 3, "solver_type": "heun"}, automatic="Exponential", order=3,
            stochastic=True, drop_last_level=True, note="Wants 25 steps or more."),
    Sampler("UniPC", "UniPCMultistepScheduler", ("uni_pc", "k_unipc"), automatic="SGM Uniform", order=3,
            settings={"solver_order": 3, "solver_type": "bh1"}, last_level=_HAIR,
            note="Corrects each step with the next model run, free of charge."),
    Sampler("DEIS", "DEISMultistepScheduler", ("deis",), automatic="SGM Uniform", order=2,
            settings={"solver_order": 2}, last_level=_HAIR,
            note="Exponential integrator with a polynomial in log noise."),
    Sampler("LCM", "LCMScheduler", ("lcm", "k_lcm"), schedules=("Automatic",), automatic="Automatic", stochastic=True,
            most_steps=50, note=f"4-8 steps at CFG 1-2. {_DISTILLED}"),
    Sampler("TCD", "TCDScheduler", ("tcd",), schedules=("Automatic",), automatic="Automatic", stochastic=True,
            most_steps=50, call={"eta": 0.3}, note=f"4-8 steps at CFG 1-2, noise share 0.3. {_DISTILLED}"),
    Sampler("DPM++ 2S a", None, _old("dpmpp_2s_a", "dpmpp_2s_ancestral"), automatic="Karras", order=2, calls_per_step=2,
            extra_calls=-1, stochastic=True, broken="no equal in diffusers", instead="DPM++ 2S",
            note="Advised against for people anyway: it drifts from the prompt."),
    Sampler("DPM fast", None, _old("dpm_fast", "dpm_fast"), order=3, broken="no equal in diffusers",
            instead="DPM++ 2M"),
    Sampler("DPM adaptive", None, _old("dpm_ad", "dpm_adaptive"), order=3, broken="no equal in diffusers",
            instead="DPM++ 2M"),
    Sampler("Restart", None, ("restart",), automatic="Karras", order=2, stochastic=True, broken="no equal in diffusers",
            instead="DPM++ 2M SDE"),
)

SAMPLERS: Registry[Sampler] = Registry("Sampler", _ROWS)
