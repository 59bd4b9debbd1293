"""ILVR (arXiv 2108.02938) in latent space: the coarse part of the picture stays that of a reference, the rest is free.

After a step the latents' low pass is replaced by that of the reference at the same noise level. The low pass is a
projection (box mean, nearest repeat), so it is met exactly and nothing finer is touched; bicubic would not (methods.md 2.3).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pipelines.spec.errors import FieldError

if TYPE_CHECKING:
    from torch import Tensor

FREE_END = 0.2      # the last fifth of the steps is never touched: there the details settle


def cells(realism: float, height: int, width: int) -> tuple[int, int] | None:
    """Rows and columns of the low-pass picture of a latent, or None for "off".

    realism: 0 keeps every second latent pixel's colour, towards 1 only the mean colour of the whole, 1 switches off.
    The cells divide the latent: of the sizes that do, the finest that is not finer than asked. Raises FieldError.
    """
    if not 0 <= realism <= 1:
        raise FieldError("Realism", realism, "outside its range", "0-1")
    if realism == 1:
        return None
    asked = (max(height, width) / 2) ** (1 - realism)
    common = math.gcd(height, width)
    fitting = [(height // d, width // d) for d in range(2, common + 1) if common % d == 0] + [(1, 1)]
    return next((size for size in fitting if max(size) <= asked + 1e-6), (1, 1))


def low_pass(x: Tensor, size: tuple[int, int]) -> Tensor:
    """(b, c, h, w) -> the same shape with every cell at its mean; `size` (rows, columns) divides (h, w)."""
    from torch.nn.functional import adaptive_avg_pool2d

    rows, columns = size
    small = adaptive_avg_pool2d(x.float(), size)
    return small.repeat_interleave(x.shape[-2] // rows, -2).repeat_interleave(x.shape[-1] // columns, -1).to(x.dtype)


class LowPass:
    """Pass `on_step` on. `reference`: (1, c, h, w) VAE-scaled latent of the strokes.   `noise`: the pictures' first noise.

    where: (1, 1, h, w) 0-1, the part that was drawn on; the rest is free. None: all of it.   hold: share of the run in which
    not the low pass but all of the reference is kept there, so that the rest of the picture forms round it.
    The reference is brought to each level with the pictures' own first noise, so no random number is drawn and a
    deterministic sampler stays on its path. Samplers with two model calls a step (Heun, DPM2) are refused.
    """

    call_args: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, reference: Tensor, noise: Tensor, realism: float, where: Tensor | None = None, hold: float = 0.0) -> None:
        self._reference, self._noise, self._where, self._hold = reference, noise, where, hold
        self._cells = cells(realism, *reference.shape[-2:])

    def __enter__(self) -> LowPass:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was changed."""

    def on_step(self, pipe: Any, step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """`tensors["latents"]` with the reference's low pass, in the first four fifths of the run; `step` from 0."""
        times, steps = pipe.scheduler.timesteps, pipe.num_timesteps
        at = len(times) - steps + step     # a run that begins on a picture leaves the first ones out
        whole = step + 1 <= self._hold * steps
        if at + 1 >= len(times) or not whole and (self._cells is None or step >= (1 - FREE_END) * steps):
            return tensors
        if getattr(pipe.scheduler, "order", 1) != 1:
            raise FieldError("Sampler", type(pipe.scheduler).__name__, "asks the model twice a step, realism needs once",
                             "Euler, DPM++ 2M, DDIM, …")
        x = tensors["latents"]
        noised = pipe.scheduler.add_noise(self._reference.to(x), self._noise.to(x), times[at + 1].reshape(1))
        if whole:
            kept = noised
        else:
            assert self._cells is not None
            kept = x - low_pass(x, self._cells) + low_pass(noised, self._cells)
        tensors["latents"] = kept if self._where is None else x + self._where.to(x) * (kept - x)
        return tensors
