"""diffusers schedulers whose noise levels are laid by our schedules. The step itself stays diffusers' own.

Why: each diffusers class knows only some schedule types, several round the timesteps that the model is asked at, and
the same type lies elsewhere from class to class (`performance.md` P15). Laid here, every sampler takes every schedule
at AUTOMATIC1111's levels, unrounded. The parts are mixed with a diffusers class in `placed`, so this file is read
without torch. Two more parts mend what the analytic model showed to be off (`docs/samplers.md`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import ndarray
    from torch import Tensor

Levels = Callable[[int], "ndarray"]     # steps -> that many descending levels, all above zero


class _Laid:
    """What both layouts share. `lay` is set after construction; until then the parent's own levels stand."""

    lay: Levels | None = None
    last_level = 0.0
    timestep_of: Callable[[ndarray], ndarray]

    def set_timesteps(self, num_inference_steps: int, device: Any = None, *args: Any, **kwargs: Any) -> None:
        # Some constructors lay out all 1000 training steps (0.1 s), for nothing here.
        count = 2 if self.lay is None else num_inference_steps
        super().set_timesteps(count, device, *args, **kwargs)                   # type: ignore[misc]
        if self.lay is not None:
            self._place(self.lay(num_inference_steps), device)
            # Levels may round to equal timesteps; without a begin index diffusers would look the first one up and
            # take the second of two. An image-to-image pipeline sets its own afterwards.
            self.set_begin_index(0)                                             # type: ignore[attr-defined]

    def _place(self, levels: ndarray, device: Any) -> None:
        """Nothing more to do when the parent took the levels in."""


class _OneCall(_Laid):
    """Schedulers that hold one level and one timestep a step."""

    def _place(self, levels: ndarray, device: Any) -> None:
        import numpy as np
        import torch

        self.sigmas = torch.from_numpy(np.append(levels, self.last_level).astype(np.float32))
        self.timesteps = torch.from_numpy(self.timestep_of(levels).astype(np.float32)).to(device)
        if isinstance(getattr(type(self), "init_noise_sigma", None), property):
            return
        # These count in variance-preserving scale and begin at 1; this is the same noise as the others begin with.
        self.init_noise_sigma = float(levels[0] / np.sqrt(levels[0] ** 2 + 1))


class _TwoCalls(_Laid):
    """Schedulers that interleave a second evaluation: they build their layout from the levels we hand them here."""

    def _convert_to_exponential(self, in_sigmas: Any, num_inference_steps: int) -> ndarray:
        if self.lay is None:
            return super()._convert_to_exponential(in_sigmas, num_inference_steps)      # type: ignore[misc]
        return self.lay(num_inference_steps)


class _WiderPath:
    """DPM++ SDE: a Brownian path that reaches a little beyond the levels.

    diffusers' ends exactly on them, and rounding then asks it for a point outside (a warning a step, noise cut off).
    """

    sigmas: Any
    noise_sampler: Any
    noise_sampler_seed: Any

    def step(self, model_output: Tensor, timestep: Any, sample: Tensor, *args: Any, **kwargs: Any) -> Any:
        from diffusers.schedulers.scheduling_dpmsolver_sde import BrownianTreeNoiseSampler

        if self.noise_sampler is None:
            low, high = path_ends([level for level in self.sigmas.tolist() if level > 0])
            self.noise_sampler = BrownianTreeNoiseSampler(sample, low, high, self.noise_sampler_seed)
        return super().step(model_output, timestep, sample, *args, **kwargs)    # type: ignore[misc]


class _MendedThirdOrder:
    """DPM++ 3M SDE: diffusers 0.42.1 gives the second difference's weight the wrong sign at its constant 1/2.

    With it the term does not vanish for small steps; the paper's weight (arXiv 2211.01095, as in k-diffusion) does.
    """

    def multistep_dpm_solver_third_order_update(self, outputs: list[Tensor], *args: Any, **kwargs: Any) -> Tensor:
        result = super().multistep_dpm_solver_third_order_update(outputs, *args, **kwargs)      # type: ignore[misc]
        levels = self.sigmas[self.step_index - 2:self.step_index + 2]           # type: ignore[attr-defined]
        older, old, gap = (levels[:-1] / levels[1:]).log()
        recent, before = (outputs[-1] - outputs[-2]) * gap / old, (outputs[-2] - outputs[-3]) * gap / older
        return result + (recent - before) * gap / (old + older) / (levels[-1] ** 2 + 1) ** 0.5


class _PlmsOnNoise:
    """PLMS averages the predicted noise. diffusers' class averages v when the model predicts v: another algorithm."""

    alphas_cumprod: Any
    final_alpha_cumprod: Any
    config: Any

    def step_plms(self, model_output: Tensor, timestep: Any, sample: Tensor, return_dict: bool = True) -> Any:
        alpha = self.alphas_cumprod[int(timestep)]
        if self.config.prediction_type == "v_prediction":
            model_output = alpha**0.5 * model_output + (1 - alpha) ** 0.5 * sample
        return super().step_plms(model_output, timestep, sample, return_dict)   # type: ignore[misc]

    def _get_prev_sample(self, sample: Tensor, timestep: Any, prev_timestep: Any, noise: Tensor) -> Tensor:
        now = self.alphas_cumprod[int(timestep)]
        following = self.alphas_cumprod[int(prev_timestep)] if prev_timestep >= 0 else self.final_alpha_cumprod
        picture = (sample - (1 - now) ** 0.5 * noise) / now**0.5
        return following**0.5 * picture + (1 - following) ** 0.5 * noise


PARTS: Mapping[str, tuple[type, ...]] = MappingProxyType({
    "HeunDiscreteScheduler": (_TwoCalls,),
    "KDPM2DiscreteScheduler": (_TwoCalls,),
    "KDPM2AncestralDiscreteScheduler": (_TwoCalls,),
    "DPMSolverSDEScheduler": (_WiderPath, _TwoCalls),
    "DPMSolverMultistepScheduler": (_MendedThirdOrder, _OneCall),
    "PNDMScheduler": (_PlmsOnNoise,),
    "DDIMScheduler": (), "DDPMScheduler": (), "LCMScheduler": (), "TCDScheduler": (),
})


def placed(name: str, settings: Mapping[str, Any]) -> Any:
    """A scheduler of diffusers' class `name`; when it is a `_Laid` one it waits for its `lay` and `timestep_of`."""
    import diffusers

    parts = PARTS.get(name, (_OneCall,))
    kind = type(f"Placed{name}", (*parts, getattr(diffusers, name)), {})
    return kind(**settings, **({"use_exponential_sigmas": True} if _TwoCalls in parts else {}))


def path_ends(levels: list[float]) -> tuple[float, float]:
    """The interval of a Brownian path for these levels, with room for rounding."""
    return min(levels) * 0.999, max(levels) * 1.001
