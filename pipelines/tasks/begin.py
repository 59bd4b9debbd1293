"""Where a sampling run begins when it does not begin at pure noise: on a picture's latents, part of the way down.

The text pipeline asks its scheduler for the timesteps, then makes the first latents. Both answers are given here, for one
run's own scheduler and pipeline object, so that every task is painted by the same pipeline and every feature of it (CFG
rescale, prompt schedules, patches) works in all of them.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.spec.geometry import Size
from pipelines.tasks.steps import steps_laid, steps_run

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Begin:
    """latents: (n, channels, height, width) clean, in the UNet's scale.   strength: 0 < s <= 1.   exact: run all steps.

    kept: latents that must come out outside `mask`, or None.   mask: (1, 1, height, width), 1 is painted anew.
    soft: a grey mask frees a pixel late (differential diffusion, arXiv 2306.00950); else every pixel above 0 is free.
    earlier: steps of the pass before, which a prompt's own timing counts on from.
    noise: of the shape of the latents, instead of what the request's seed draws (a tile's part of the whole picture's noise).
    strengths: one for each picture of a batch in which they differ; () when all have `strength`.
    place: for a tile the size of the whole picture (pixels), and which part of it these latents are (latent pixels).
    shows: which part of the user's picture is painted, in shares of it (`feature.Window`).
    """

    latents: Tensor
    strength: float
    exact: bool = False
    kept: Tensor | None = None
    mask: Tensor | None = None
    soft: bool = False
    earlier: int = 0
    noise: Tensor | None = None
    place: tuple[Size, tuple[int, int, int, int]] | None = None
    strengths: tuple[float, ...] = ()
    shows: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)

    def laid(self, steps: int) -> int:
        return steps_laid(steps, self.strength, self.exact)

    def run(self, steps: int) -> int:
        """Of the picture that begins first."""
        return max(steps_run(steps, strength, self.exact) for strength in self.strengths or (self.strength,))


class Beginning:
    """Lays one `Begin` over a pipeline object and its scheduler, which belong to this run alone."""

    def __init__(self, begin: Begin, noise: Tensor, steps: int) -> None:
        """noise: unit noise of the shape of the latents.   steps: as the user counts them."""
        self._begin, self._noise = begin, noise
        self._skipped = begin.laid(steps) - begin.run(steps)
        self._first = 0                 # place of the first that is run among all
        self.timesteps: Any = None      # those that are run

    def lay_over(self, pipe: Any) -> None:
        """From now on `pipe` starts here."""
        self.lay_on(pipe.scheduler)
        pipe.prepare_latents = self.first_latents

    def lay_on(self, scheduler: Any) -> None:
        """From now on `scheduler` shows only the levels from here on."""
        self._scheduler, self._lay = scheduler, scheduler.set_timesteps
        scheduler.set_timesteps = self._set_timesteps
        if hasattr(scheduler, "set_begin_index"):       # SDXL's pipeline sets it to 0 itself, behind the levels
            inner = scheduler.set_begin_index
            scheduler.set_begin_index = lambda index=0: inner(self._first + index)

    def lift_off(self, pipe: Any) -> None:
        """The run is over: `pipe` no longer holds these latents while what it painted is decoded."""
        del pipe.prepare_latents
        self.lift_from(pipe.scheduler)

    def lift_from(self, scheduler: Any) -> None:
        for name in ("set_timesteps", "set_begin_index"):
            vars(scheduler).pop(name, None)

    def attended(self, _unet: Any) -> AbstractContextManager[None]:
        """All pictures begin at once: nothing is to be done while it runs."""
        return nullcontext()

    def _set_timesteps(self, *args: Any, **kwargs: Any) -> None:
        """All levels are laid as always; the pipeline is shown the last of them."""
        self._lay(*args, **kwargs)
        self._all = self._scheduler.timesteps
        self._first = self._skipped * self._scheduler.order
        self.timesteps = self._scheduler.timesteps = self._all[self._first:]
        if hasattr(self._scheduler, "set_begin_index"):
            self._scheduler.set_begin_index()

    def first_latents(self, *_: Any, **__: Any) -> Tensor:
        self._scheduler.timesteps = self._all       # schedulers look neighbours up by their place among all levels
        return self._noised(self._begin.latents, self.timesteps[:1])

    def _noised(self, latents: Tensor, timestep: Tensor) -> Tensor:
        latents, noise = latents.to(self._noise), self._noise
        return self._scheduler.add_noise(latents.expand_as(noise), noise, timestep.expand(len(noise)))

    def kept_apart(self, done: int, latents: Tensor) -> Tensor:
        """`latents` after `done` calls with what the mask protects put back, as noisy as the next call wants it."""
        import torch

        begin = self._begin
        if begin.mask is None or begin.kept is None:
            return latents
        calls = len(self.timesteps)
        kept = (self._noised(begin.kept, self.timesteps[done:done + 1]) if done < calls
                else begin.kept.to(latents).expand_as(latents))
        free = begin.mask.to(latents.device) > (1 - done / calls if begin.soft else 0)
        return torch.where(free, latents, kept.to(latents))
