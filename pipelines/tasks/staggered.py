"""Pictures of one batch that begin at different levels (unlike denoising strengths): each joins when its start comes.

Those of equal strength have one scheduler, with the state it would have in a run of their own: a multi-step sampler's first
step is its first step. Together the schedulers look like one to the pipeline. Knows nothing of prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from pipelines.patches.waiting import waiting
from pipelines.tasks.begin import Begin, Beginning

if TYPE_CHECKING:
    from torch import Tensor

Build = Callable[[Sequence[int]], Any]
"""A fresh scheduler for these pictures (0-based) of the batch."""


@dataclass(frozen=True)
class Group:
    """Pictures (0-based) of equal strength, where they begin, and their own scheduler."""

    rows: list[int]
    beginning: Beginning
    scheduler: Any

    @property
    def calls(self) -> int:
        return len(self.beginning.timesteps)


class Staggered:
    """What `Beginning` is to a batch of one strength. Lays several over one pipeline object of this run."""

    def __init__(self, begin: Begin, noise: Tensor, steps: int, build: Build) -> None:
        """begin: with a strength for each picture.   noise: unit noise of every picture.   steps: as the user counts them."""
        self._pictures = len(noise)
        self.groups = []
        for strength in dict.fromkeys(begin.strengths):
            rows = [i for i, own in enumerate(begin.strengths) if own == strength]
            alike = replace(begin, strength=strength, strengths=(), latents=_own(begin.latents, rows), kept=_own(begin.kept, rows))
            self.groups.append(Group(rows, Beginning(alike, noise[rows], steps), build(rows)))

    def lay_over(self, pipe: Any) -> None:
        """From now on `pipe` starts with those that begin first."""
        for group in self.groups:
            group.beginning.lay_on(group.scheduler)
        self._scheduler = pipe.scheduler = Schedulers(self.groups, self._pictures)
        pipe.prepare_latents = self._first_latents

    def lift_off(self, pipe: Any) -> None:
        """The run is over: `pipe` no longer holds these latents."""
        del pipe.prepare_latents
        for group in self.groups:
            group.beginning.lift_from(group.scheduler)

    def _first_latents(self, *_: Any, **__: Any) -> Tensor:
        return _joined([(group.rows, group.beginning.first_latents()) for group in self.groups])

    @contextmanager
    def attended(self, unet: Any) -> Iterator[None]:
        """While it runs the UNet is asked only for pictures that have begun."""
        with waiting(unet, self._pictures, self._scheduler.awake):
            yield

    def kept_apart(self, done: int, latents: Tensor) -> Tensor:
        """`latents` after `done` calls of the longest with what the mask protects put back, for those that have begun."""
        late = max(group.calls for group in self.groups)
        result = latents.clone()
        for group in self.groups:
            own = done - (late - group.calls)
            if own > 0:
                result[group.rows] = group.beginning.kept_apart(own, latents[group.rows])
        return result


class Schedulers:
    """Several schedulers as the pipeline's loop sees one. The levels of all end alike, so every call has one timestep."""

    def __init__(self, groups: Sequence[Group], pictures: int) -> None:
        self._groups, self._pictures, self._call = groups, pictures, 0
        first = groups[0].scheduler
        self.config, self.order = first.config, first.order
        # The pipeline reads from the signature whether a sampler takes eta and generators.
        self.step = wraps(first.step)(partial(self._step))

    def set_timesteps(self, *args: Any, **kwargs: Any) -> None:
        for group in self._groups:
            group.scheduler.set_timesteps(*args, **kwargs)
        self.timesteps = max((group.beginning.timesteps for group in self._groups), key=len)

    def awake(self) -> list[int]:
        """The pictures whose start has come."""
        return sorted(row for group in self._begun() for row in group.rows)

    def _begun(self) -> list[Group]:
        return [group for group in self._groups if self._call >= len(self.timesteps) - group.calls]

    def scale_model_input(self, sample: Tensor, timestep: Any = None) -> Tensor:
        """Of one batch, or of two stacked by guidance. Who has not begun stays as it is."""
        scaled = sample.clone()
        for group in self._begun():
            rows = [start + row for start in range(0, len(sample), self._pictures) for row in group.rows]
            scaled[rows] = group.scheduler.scale_model_input(sample[rows], timestep)
        return scaled

    def _step(self, answer: Tensor, timestep: Any, latents: Tensor, generator: Sequence[Any] | None = None,
              **more: Any) -> tuple[Tensor]:
        """Each group's own step; who has not begun stays as it is, and draws no noise."""
        after = latents.clone()
        for group in self._begun():
            rows = group.rows
            own = more if generator is None else more | {"generator": [generator[row] for row in rows]}
            after[rows] = group.scheduler.step(answer[rows], timestep, latents[rows], **own)[0]
        self._call += 1
        return (after,)


def begun(begin: Begin, noise: Tensor, steps: int, build: Build) -> Beginning | Staggered:
    """How a run begins: all its pictures at once, or each when its start comes."""
    return Staggered(begin, noise, steps, build) if begin.strengths else Beginning(begin, noise, steps)


def _own(tensor: Tensor | None, rows: Sequence[int]) -> Any:
    """What of a tensor for the batch belongs to `rows`; one for all stays."""
    return tensor if tensor is None or len(tensor) == 1 else tensor[list(rows)]


def _joined(parts: Sequence[tuple[list[int], Tensor]]) -> Tensor:
    first = parts[0][1]
    whole = first.new_empty((sum(len(rows) for rows, _ in parts), *first.shape[1:]))
    for rows, tensor in parts:
        whole[rows] = tensor
    return whole
