"""The steps of all passes of one picture as one count, so that its progress runs once from 0 to 1. Arithmetic only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image

from pipelines import samplers
from pipelines.archive.inputs import Inputs
from pipelines.families.family import Family
from pipelines.spec.events import Emit, Step
from pipelines.spec.geometry import Size
from pipelines.spec.larger import larger
from pipelines.spec.request import GenerationRequest
from pipelines.tasks import detailer, tiles
from pipelines.tasks.repeated import calls
from pipelines.tasks.steps import steps_run

Tick = Callable[[int], None]
"""Tells that this many steps of one pass are done. Raises what `emit` raises inward."""


@dataclass(frozen=True)
class Pass:
    """calls: how often the model is asked.   cost: of one call beside those of the other passes (pixels will do)."""

    calls: int
    cost: float = 1.0


@dataclass(frozen=True)
class Course:
    """Picture `image` (1-based) of `images`, made in these passes one after another."""

    image: int
    images: int
    passes: tuple[Pass, ...]
    emit: Emit

    def tick(self, number: int) -> Tick:
        """For pass `number` (0-based)."""
        before, mine = self.passes[:number], self.passes[number]
        steps, calls = sum(p.calls for p in self.passes), sum(p.calls for p in before)
        work = sum(p.calls * p.cost for p in self.passes) or 1.0
        spent = sum(p.calls * p.cost for p in before)

        def tell(done: int) -> None:
            part = (spent + done * mine.cost) / work
            self.emit(Step(self.image, self.images, calls + done, steps, part))

        return tell


def passes(requests: Sequence[GenerationRequest], family: Family, inputs: Inputs) -> tuple[Pass, ...]:
    """What the progress of a group counts: the first pass of all its pictures at once, then a second one of each, and
    that of each one's faces."""
    first = requests[0]
    if first.tiled is not None and first.init is not None:
        with Image.open(inputs.path(first.init.image)) as picture:
            shown = tiles.calls(first, Size(*picture.size), family) * len(requests)
        return (Pass(shown, tiles.tile_side(first.tiled, family) ** 2), *_faces(requests, family))
    steps = max(one.steps if one.init is None else steps_run(one.steps, one.init.denoising_strength, one.init.exact_steps)
                for one in requests)
    calls_first = samplers.callback_count(first.sampler, steps) if steps else 0
    if first.inpaint and (seam := steps_run(first.steps, first.inpaint.seam_strength)):
        calls_first += samplers.callback_count(first.sampler, seam)
    found = [Pass(calls_first, first.size.pixels * len(requests))]
    if first.hires:
        found += [Pass(calls(first), larger(first.size, first.hires).final.pixels)] * len(requests)
    return (*found, *_faces(requests, family))


def work(request: GenerationRequest, family: Family, inputs: Inputs) -> float:
    """Pixels that the model sees in all calls for one picture, twice where CFG asks it twice. Raises StudioError, OSError for a
    tiled upscale whose picture is gone."""
    return sum(one.calls * one.cost for one in passes([request], family, inputs)) * (1 + request.guided_share)


def _faces(requests: Sequence[GenerationRequest], family: Family) -> list[Pass]:
    """How many faces there will be nobody knows: that of a picture count as one."""
    return [Pass(detailer.calls(requests[0]), family.native_px ** 2)] * len(requests) if requests[0].detailer else []
