"""The schedule types: where between pure noise and the picture the levels of the steps lie. Arithmetic only, no torch.

A level is sigma, the noise's standard deviation beside a picture of unit scale; a model was trained at the ascending
levels `noise.sigmas`, one a training timestep. Each rule returns `steps` levels, descending, without the final zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from pipelines.spec.errors import FieldError
from pipelines.spec.registry import Registry

if TYPE_CHECKING:
    from numpy import ndarray

KARRAS_RHO = 7.0            # arXiv 2206.00364, table 1
BETA_SHAPE = 0.6            # arXiv 2407.12173: alpha = beta = 0.6
AYS_LARGEST = 14.615        # the level at which the lists of Align Your Steps (arXiv 2404.14507) begin
AYS_LISTS = MappingProxyType({"sdxl": "StableDiffusionXLSigmas"})


@dataclass(frozen=True)
class Noise:
    """The levels a model was trained at (ascending), and its family's name where a rule was tuned for one."""

    sigmas: ndarray
    family: str = ""

    def at(self, timesteps: ndarray) -> ndarray:
        """Levels at fractional training timesteps, interpolated in log sigma."""
        import numpy as np
        return np.exp(np.interp(timesteps, np.arange(len(self.sigmas)), np.log(self.sigmas)))

    def timestep(self, levels: ndarray) -> ndarray:
        """The fractional training timesteps of these levels: the inverse of `at`."""
        import numpy as np
        return np.interp(np.log(levels), np.log(self.sigmas), np.arange(len(self.sigmas)))


Place = Callable[[Noise, int], "ndarray"]


@dataclass(frozen=True)
class Schedule:
    """One row. `place` is None for "Automatic" (the sampler's own) and for a row that is `broken`."""

    name: str
    place: Place | None = None
    aliases: tuple[str, ...] = ()
    note: str = ""
    broken: str = ""
    instead: str = ""


def uniform(noise: Noise, steps: int) -> ndarray:
    """Evenly spaced training timesteps from the last to 0."""
    import numpy as np
    return noise.at(np.linspace(len(noise.sigmas) - 1, 0, steps))


def sgm_uniform(noise: Noise, steps: int) -> ndarray:
    """Evenly spaced training timesteps from the last, of which 0 would be the next."""
    import numpy as np
    return noise.at(np.linspace(len(noise.sigmas) - 1, 0, steps + 1)[:-1])


def simple(noise: Noise, steps: int) -> ndarray:
    """Every (timesteps / steps)-th training level, counted from the last."""
    import numpy as np
    count = len(noise.sigmas)
    return noise.sigmas[count - 1 - (np.arange(steps) * count / steps).astype(int)]


def ddim(noise: Noise, steps: int) -> ndarray:
    """Every (timesteps // steps)-th training level, counted up from 1."""
    import numpy as np
    count = len(noise.sigmas)
    stride = max(count // steps, 1)
    return noise.sigmas[np.minimum(1 + np.arange(steps) * stride, count - 1)][::-1]


def karras(noise: Noise, steps: int) -> ndarray:
    """Evenly spaced in sigma^(1/7): most steps go where the details are."""
    import numpy as np
    first, last = noise.sigmas[-1] ** (1 / KARRAS_RHO), noise.sigmas[0] ** (1 / KARRAS_RHO)
    return np.linspace(first, last, steps) ** KARRAS_RHO


def exponential(noise: Noise, steps: int) -> ndarray:
    """Evenly spaced in log sigma."""
    import numpy as np
    return np.exp(np.linspace(np.log(noise.sigmas[-1]), np.log(noise.sigmas[0]), steps))


def beta(noise: Noise, steps: int) -> ndarray:
    """Quantiles of a Beta(0.6, 0.6) distribution between the smallest and the largest level: dense at both ends."""
    import numpy as np
    from scipy.special import betaincinv
    low, high = noise.sigmas[0], noise.sigmas[-1]
    return low + betaincinv(BETA_SHAPE, BETA_SHAPE, 1 - np.linspace(0, 1, steps)) * (high - low)


def align_your_steps(noise: Noise, steps: int) -> ndarray:
    """The published list for 10 steps, interpolated in log sigma for others. FieldError for other noise ranges."""
    import numpy as np
    from diffusers.schedulers import AysSchedules
    if abs(noise.sigmas[-1] / AYS_LARGEST - 1) > 0.02:
        raise FieldError("Schedule type", "Align Your Steps",
                         "its levels were found for SD 1.x, SD 2.x and SDXL; this model "
                         f"begins at noise {noise.sigmas[-1]:.1f}, not {AYS_LARGEST}", "Automatic, Karras, SGM Uniform")
    published: list[float] = dict(AysSchedules)[AYS_LISTS.get(noise.family, "StableDiffusionSigmas")]  # type: ignore
    levels = [*published[:-1], noise.sigmas[0]]
    wanted = np.linspace(0, len(levels) - 1, steps + 1)[:-1]
    return np.exp(np.interp(wanted, np.arange(len(levels)), np.log(levels)))


SCHEDULES: Registry[Schedule] = Registry("Schedule type", (
    Schedule("Automatic", None, ("automatic", "use same scheduler"), "The sampler's own, as in AUTOMATIC1111."),
    Schedule("Uniform", uniform, (), "Even training timesteps down to the smallest level."),
    Schedule("Karras", karras, ("ka",), "More steps at low noise; good from 15 steps on."),
    Schedule("Exponential", exponential, (), "Even in log noise; spends the most steps on fine detail."),
    Schedule("Polyexponential", exponential, ("poly_exponential",),
             "At AUTOMATIC1111's default exponent (1) exactly Exponential; other exponents are not offered."),
    Schedule("SGM Uniform", sgm_uniform, ("sgm_uniform",),
             "Even training timesteps that stop one step above the smallest "
             "level; for few steps and for turbo or lightning weights."),
    Schedule("KL Optimal", None, ("kl_optimal",),
             broken="it ends above zero noise, which the diffusers solvers of order 2 "
             "and 3 treat otherwise", instead="Exponential"),
    Schedule("Align Your Steps", align_your_steps, ("align_your_steps", "ays"),
             "Found by optimisation for SD 1.x and SDXL "
             "(two lists); for about 10 steps."),
    Schedule("Simple", simple, ("trailing",), "Every n-th training level, counted from the noisiest."),
    Schedule("Normal", uniform, (), "The same levels as Uniform, under ComfyUI's name."),
    Schedule("DDIM", ddim, ("ddim_uniform", "leading"),
             "Every n-th training level counted up from 1; does not begin at pure noise."),
    Schedule("Beta", beta, (), "Dense at both ends (arXiv 2407.12173)."),
))
