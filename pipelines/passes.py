"""The passes of one group of pictures: a model is loaded, steered, asked step by step, and its latents are developed.

It knows no job, no count and no file: requests that differ only in their seeds come in, pictures go out.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from PIL.Image import Image

from pipelines.archive.inputs import Inputs
from pipelines.previews import Previews
from pipelines.spec.events import Emit, Note, Stage
from pipelines.spec.geometry import Size
from pipelines.spec.larger import larger
from pipelines.spec.parts import Detailer, Hires, Init
from pipelines.spec.request import GenerationRequest
from pipelines.tasks import repeated
from pipelines.tasks.condition import Conditions
from pipelines.tasks.control import Controls
from pipelines.tasks.course import Course, Tick
from pipelines.tasks.enlarge import Enlarger
from pipelines.tasks.identity import Identities
from pipelines.tasks.sketch import SketchPlan
from pipelines.tasks.start import task_of
from pipelines.upscalers import Upscalers

if TYPE_CHECKING:
    from pipelines.loading.residency import Residency
    from pipelines.prompt.embed import EmbeddingCache
    from pipelines.tasks.task import Task


@dataclass(frozen=True)
class Painted:
    """Pictures of one group after a pass. latents: theirs, where the picture is nothing but those.

    free: L, black where their pixels are those of the picture they started from; None: all of it was painted.
    """

    pictures: list[Image]
    latents: Any = None
    extra: dict[str, Any] = field(default_factory=dict)
    free: Image | None = None


class Passes:
    """What paints a group: once with `first`, again, larger, with `second`, and the faces of each picture with `detailed`."""

    def __init__(self, residency: Residency, inputs: Inputs, upscalers: Upscalers, conditions: Conditions) -> None:
        """inputs: where the pictures lie that requests start from.   conditions: what ControlNet units are shown."""
        self.residency, self.upscalers = residency, upscalers
        self._inputs, self._preprocessors = inputs, conditions.preprocessors
        self._controls = Controls(residency, conditions)
        self._identities = Identities(residency, inputs)

    @cached_property
    def _encoded(self) -> EmbeddingCache:
        """Prompts encoded so far, by encoder: a batch encodes its prompt once."""
        from pipelines.prompt.embed import EmbeddingCache

        return EmbeddingCache()

    def laid_out(self, requests: list[GenerationRequest]) -> list[GenerationRequest]:
        """The requests as they are painted: a drawing is a start and a control unit. What is kept says what was drawn."""
        drawn = SketchPlan.of(requests[0], self.residency.library, self._inputs)
        return drawn.laid_out(requests) if drawn else requests

    def first(self, requests: Sequence[GenerationRequest], course: Course, emit: Emit) -> Painted:
        """The only pass, or the first of two."""
        from pipelines.tasks import together
        from pipelines.tasks.image import ImageTask
        from pipelines.tasks.task import TextTask

        requests = [repeated.opening(request) for request in requests]
        first = requests[0]
        if first.init is None:
            words = together.task(TextTask(requests), self.residency.device.is_main_memory)
            painted = self._sampled(requests, words, course.tick(0), emit)
            return replace(painted, extra=painted.extra | words.said)
        if first.tiled is not None:
            return self._in_tiles(requests, course.tick(0), emit)
        task = ImageTask.of(requests, self._inputs.open)
        if not task.unchanged():
            begun = together.task(task, self.residency.device.is_main_memory)
            painted = self._sampled(requests, begun, course.tick(0), emit)
            return replace(painted, latents=None, extra=painted.extra | begun.said, free=task.canvas.free)
        if first.hires is None and first.detailer is None:
            emit(Note("Denoising strength: 0 - nothing would change; the picture is kept as it is."))
        return Painted([task.untouched()] * len(requests))

    def _in_tiles(self, requests: Sequence[GenerationRequest], tick: Tick, emit: Emit) -> Painted:
        """A picture enlarged and painted again, tile by tile."""
        from pipelines.tasks.canvas import over
        from pipelines.tasks.kept import Kept
        from pipelines.tasks.tiled import TiledTask

        first = requests[0]
        init = first.init or Init()
        picture = over(self._inputs.open(init.image), self._inputs.open(init.strokes) if init.strokes else None)
        task = TiledTask.of(requests, picture, self.residency.family(first.model), Enlarger(self.upscalers, self.residency, emit),
                            lambda request: Kept.of(self._inputs.folder.parent, request))
        if task.unchanged:
            return Painted([task.untouched()] * len(requests))
        painted = self._sampled(requests, task, tick, emit)
        return replace(painted, latents=None, extra=painted.extra | task.extra)

    def second(self, requests: Sequence[GenerationRequest], first: Painted, course: Course, emit: Emit) -> Painted:
        """One picture after another: the second pass is where memory is short."""
        from pipelines.tasks.hires import SecondPass

        enlarge = Enlarger(self.upscalers, self.residency, emit)
        pictures, extra = [], first.extra
        for number, (request, picture) in enumerate(zip(requests, first.pictures, strict=True)):
            wanted = repeated.second(request)
            sizes = larger(Size(*picture.size), request.hires or Hires(), self.residency.family(wanted.model).size_step)
            latents = None if first.latents is None else first.latents[number:number + 1]
            task = SecondPass.of(request, picture, latents, sizes, enlarge)
            if isinstance(task.start, Image) and task.unchanged:
                pictures.append(task.start)
                continue
            painted = self._sampled([wanted], task, course.tick(number + 1), emit)
            pictures += painted.pictures
            extra = extra | painted.extra
        return Painted(pictures, None, extra)

    def detailed(self, request: GenerationRequest, finished: Painted, tick: Tick, emit: Emit) -> Painted:
        """The one picture of `finished` with its faces painted again, each at the size that the model knows best.

        request: of the whole picture.   tick: of as many calls as one face takes, however many there are.
        """
        from pipelines.tasks import detailer

        begun, [picture], wanted = time.monotonic(), finished.pictures, request.detailer or Detailer()
        emit(Stage("Looking for faces"))
        family = self.residency.family(detailer.base(request).model)
        found = detailer.finder(self.residency.library, self._preprocessors, family)(picture)
        faces = detailer.chosen(found, Size(*picture.size), wanted, finished.free)
        painted, extra = picture.copy(), finished.extra
        for number, part in enumerate(detailer.parts(request, Size(*picture.size), faces, family)):
            def on_step(step: int, before: int = number * detailer.calls(request)) -> None:
                tick((before + step) // len(faces))

            task = part.task(painted, wanted.mask_blur, finished.free)
            face = self._sampled([part.request], task, on_step, emit)
            [over], corner = face.pictures, part.box[:2]
            if picture.mode == "RGBA":
                over.putalpha(picture.crop(part.box).getchannel("A"))
            painted.paste(over, corner)
            extra = extra | face.extra
        emit(Note(f"Detailer: faces found {len(found)}, painted again {len(faces)}, in {time.monotonic() - begun:.1f} s."
                  if found else "Detailer: no face was found; the picture is as it was."))
        return Painted([painted], None, extra | {"Detailed faces": f"{len(faces)} of {len(found)}"})

    def _sampled(self, requests: Sequence[GenerationRequest], task: Task, tick: Tick, emit: Emit) -> Painted:
        """Load, sample, decode: one pass of requests that differ in their seeds only."""
        from pipelines.loading.memory import foreseen, with_memory_ladder
        from pipelines.loading.networks import Networks
        from pipelines.tasks import text

        first = requests[0]
        pipe = self.residency.pipeline(task_of(first), first.model, first.vae, emit)
        previews = Previews(self.residency.glimpse(pipe), emit)
        networks = Networks.of(first, self.residency.library)
        drawn = SketchPlan.of(first, self.residency.library, self._inputs)
        units = self._controls.features(first, pipe, emit)
        lines = drawn.features(lambda name: self._controls.net(name, pipe, emit)) if drawn else ()
        worn = self._identities.worn(first, pipe, emit)
        means = text.Means(self.residency.family(first.model).name, None if networks.change_encoders else self._encoded,
                           inversions=networks.inversions(),
                           features=(*units, *lines, *worn.features), wording=worn.wording)

        def on_step(step: int, _steps: int, glimpse: Any) -> None:
            tick(step)
            if glimpse is not None:
                previews.offer(glimpse)

        def sample() -> Any:
            with networks.laid_over(pipe, emit):
                return task.paint(pipe, on_step, means)

        def decoded() -> list[Image]:
            return task.developed(pipe, painted, emit)

        with foreseen(pipe, task.shown, len(requests), self.residency.device, emit):
            painted = with_memory_ladder(sample, pipe, self.residency.device, emit, "sampling")
            emit(Stage("decoding"))
            pictures = with_memory_ladder(decoded, pipe, self.residency.device, emit, "decoding")
        return Painted(pictures, painted, networks.hashes() | (drawn.said if drawn else {}) | dict(worn.said))
