"""Runs one request: plans its pictures, groups those that can be sampled together, paints, decodes, hands them out.

It knows neither the queue nor the archive: pictures leave through the iterator, progress through `emit`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL.Image import Image

from pipelines import samplers
from pipelines.archive.inputs import Inputs
from pipelines.previews import Previews
from pipelines.spec.errors import Cancelled, FieldError, OutOfMemory, Skipped, StorageError, StudioError
from pipelines.spec.events import Emit, Note, Stage
from pipelines.spec.geometry import Size
from pipelines.spec.larger import larger
from pipelines.spec.parts import Hires
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.condition import Conditions
from pipelines.tasks.control import Controls, pinned
from pipelines.tasks.course import Course, Tick, passes
from pipelines.tasks.enlarge import Enlarger, resolved
from pipelines.tasks.identity import Identities
from pipelines.tasks.loops import loops_of
from pipelines.tasks.preprocess import Preprocessors
from pipelines.tasks.repeated import second
from pipelines.tasks.sketch import SketchPlan
from pipelines.upscalers import Upscalers

if TYPE_CHECKING:
    from pipelines.loading.residency import Residency
    from pipelines.prompt.embed import EmbeddingCache
    from pipelines.tasks.task import Task

Prepare = Callable[[GenerationRequest], tuple[GenerationRequest, dict[str, str]]]
"""Resolves styles, wildcards … of the request of one picture; also what its file should say of them."""


@dataclass(frozen=True)
class Finished:
    """One picture. `request` alone makes it again; `index` is 0-based within the job; `extra` goes into its metadata."""

    index: int
    request: GenerationRequest
    image: Image
    seconds: float
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Painted:
    """Pictures of one group after a pass. latents: theirs, where the picture is nothing but those."""

    pictures: list[Image]
    latents: Any = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Planned:
    """One picture to paint."""

    index: int
    request: GenerationRequest
    extra: dict[str, Any]


class Engine:
    """`run` is not re-entrant: one worker a device."""

    def __init__(self, residency: Residency, prepare: Prepare | None = None, inputs: Inputs | None = None,
                 upscalers: Upscalers | None = None, conditions: Conditions | None = None) -> None:
        """inputs: where the pictures lie that requests start from; without it only text requests run.

        upscalers: what a second pass may use; without it those of the models folders.   conditions: of ControlNet units.
        """
        self.residency = residency
        self.upscalers = upscalers or Upscalers(residency.library)
        self._inputs = inputs or Inputs(Path())
        self._prepare = prepare or (lambda request: (request, {}))
        conditions = conditions or Conditions(Preprocessors(residency.library.roots), self._inputs.open)
        self._controls = Controls(residency, conditions)
        self._identities = Identities(residency, self._inputs)

    @cached_property
    def _encoded(self) -> EmbeddingCache:
        """Prompts encoded so far, by encoder: a batch encodes its prompt once."""
        from pipelines.prompt.embed import EmbeddingCache

        return EmbeddingCache()

    def run(self, request: GenerationRequest, emit: Emit, done: Set[int] = frozenset()) -> Iterator[Finished]:
        """Paint the pictures of `request` whose index is not in `done`.

        Raises StudioError for what the user can mend, Cancelled when `emit` does; Skipped ends one group only.
        """
        plan = self.plan(request, done)
        begun = 0
        for group in self._groups(plan, request.batch_size):
            try:
                yield from self._paint(group, begun, len(plan), emit)
            except Skipped:
                emit(Note(f"Skipped picture {group[0].index + 1}."))
            begun += len(group)

    def run_cells(self, indices: Sequence[int], request_of: Callable[[int], GenerationRequest], emit: Emit,
                  failed: Callable[[int, StudioError], None], exact: bool = True) -> Iterator[Finished]:
        """Paint single pictures in the given order, each by its own request.

        exact: each alone; else neighbours that may (`tasks.together`) are sampled in one batch, equal up to rounding.
        What the user could mend in one of them is handed to `failed`, and the next follows. Raises Cancelled, StorageError.
        """
        begun = 0
        for group in self._cells(indices, request_of, failed, exact):
            try:
                yield from self._paint(group, begun, len(indices), emit)
            except Skipped:
                emit(Note(f"Skipped picture {group[0].index + 1}."))
            except (Cancelled, StorageError):
                raise
            except StudioError as error:
                for item in group:
                    failed(item.index, error)
            begun += len(group)

    def _cells(self, indices: Sequence[int], request_of: Callable[[int], GenerationRequest],
               failed: Callable[[int, StudioError], None], exact: bool) -> Iterator[list[Planned]]:
        """The cells in their order, those that are sampled together in one list."""
        from pipelines.tasks import together

        group: list[Planned] = []
        shared: object | None = None
        for index in indices:
            try:
                [item] = self._planned(index, request_of(index))
                own = None if exact else together.key(item.request)
            except StudioError as error:
                failed(index, error)
                continue
            full = group and len(group) >= together.most(group[0].request, self.residency.device.is_main_memory)
            if group and (own is None or own != shared or full):
                yield group
                group = []
            group, shared = [*group, item], own
            if own is None:     # at once: the next may be asked for only when this one is there (loops)
                yield group
                group = []
        if group:
            yield group

    def plan(self, request: GenerationRequest, done: Set[int] = frozenset()) -> list[Planned]:
        """The pictures of `request`, seeds counted up, styles and wildcards resolved, hashes pinned."""
        return [one for i in range(request.count) if i not in done for one in self._planned(i, request.image(i))]

    def _planned(self, index: int, request: GenerationRequest) -> list[Planned]:
        if loops_of(request) > 1:       # each picture needs the one before it: that is `pipelines.loopback`'s business
            raise FieldError("Loops", loops_of(request), "not in a grid or among several pictures", "1")
        single, extra = self._prepare(request)
        sampler, schedule = samplers.canonical(single.sampler, single.schedule)
        changes: dict[str, Any] = {"sampler": sampler, "schedule": schedule}
        family = self.residency.family(single.model).name
        if single.hires:
            changes["hires"] = {"upscaler": resolved("Hires upscaler", single.hires.upscaler, self.upscalers, family)}
        if single.tiled:
            changes["tiled"] = {"upscaler": resolved("Upscaler", single.tiled.upscaler, self.upscalers, family, False)}
        return [Planned(index, single.merged(changes), extra)]

    def _groups(self, plan: Sequence[Planned], batch_size: int) -> Iterator[list[Planned]]:
        """Neighbours that differ only in their seeds, at most `batch_size` of them.

        Alone on a CPU: there a batch is little faster, and alone a picture equals its single run bit for bit.
        """
        together = 1 if self.residency.device.is_main_memory else batch_size
        group: list[Planned] = []
        for item in plan:
            if group and (len(group) == together or _without_seeds(item.request) != _without_seeds(group[0].request)):
                yield group
                group = []
            group.append(item)
        if group:
            yield group

    def _paint(self, group: Sequence[Planned], begun: int, images: int, emit: Emit) -> Iterator[Finished]:
        """All passes of one group; every stage can be cancelled by `emit`."""
        started = time.monotonic()
        requests = self._laid_out([p.request for p in group])
        course = Course(begun + len(group), images, passes(requests, self.residency.family(requests[0].model), self._inputs),
                        emit)
        first = self._first(requests, course, emit)
        if requests[0].hires is None:
            yield from self._finished(group, first, started)
            return
        try:
            enlarged = self._second(requests, first, course, emit)
        except OutOfMemory:
            emit(Note("The second pass did not fit into memory; the picture of the first pass is kept."))
            kept = [replace(item, request=item.request.merged({"hires": None})) for item in group]
            yield from self._finished(kept, first, started)
            raise
        yield from self._finished(group, enlarged, started)

    def _laid_out(self, requests: list[GenerationRequest]) -> list[GenerationRequest]:
        """The requests as they are painted: a drawing is a start and a control unit. What is kept says what was drawn."""
        drawn = SketchPlan.of(requests[0], self.residency.library, self._inputs)
        return drawn.laid_out(requests) if drawn else requests

    def _first(self, requests: Sequence[GenerationRequest], course: Course, emit: Emit) -> Painted:
        """The only pass, or the first of two."""
        from pipelines.tasks import together
        from pipelines.tasks.image import ImageTask

        first = requests[0]
        if first.init is None:
            words = together.task(requests, self.residency.device.is_main_memory)
            painted = self._sampled(requests, words, course.tick(0), emit)
            return replace(painted, extra=painted.extra | words.said)
        if first.tiled is not None:
            return self._in_tiles(requests, course.tick(0), emit)
        task = ImageTask.of(requests, self._inputs.open)
        if not task.unchanged():
            return replace(self._sampled(requests, task, course.tick(0), emit), latents=None)
        if first.hires is None:
            emit(Note("Denoising strength: 0 - nothing would change; the picture is kept as it is."))
        return Painted([task.untouched()] * len(requests))

    def _in_tiles(self, requests: Sequence[GenerationRequest], tick: Tick, emit: Emit) -> Painted:
        """A picture enlarged and painted again, tile by tile."""
        from pipelines.tasks.kept import Kept
        from pipelines.tasks.tiled import TiledTask

        first = requests[0]
        picture = self._inputs.open(first.init.image if first.init else "")
        task = TiledTask.of(requests, picture, self.residency.family(first.model), Enlarger(self.upscalers, self.residency, emit),
                            lambda request: Kept.of(self._inputs.folder.parent, request))
        if task.unchanged:
            return Painted([task.untouched()] * len(requests))
        painted = self._sampled(requests, task, tick, emit)
        return replace(painted, latents=None, extra=painted.extra | task.extra)

    def _second(self, requests: Sequence[GenerationRequest], first: Painted, course: Course, emit: Emit) -> Painted:
        """One picture after another: the second pass is where memory is short."""
        from pipelines.tasks.hires import SecondPass

        enlarge = Enlarger(self.upscalers, self.residency, emit)
        pictures, extra = [], first.extra
        for number, (request, picture) in enumerate(zip(requests, first.pictures, strict=True)):
            wanted = second(request)
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

    def _sampled(self, requests: Sequence[GenerationRequest], task: Task, tick: Tick, emit: Emit) -> Painted:
        """Load, sample, decode: one pass of requests that differ in their seeds only."""
        from pipelines.loading.memory import foreseen, with_memory_ladder
        from pipelines.loading.networks import Networks
        from pipelines.tasks import text

        first = requests[0]
        pipe = self.residency.pipeline(_task_name(first), first.model, first.vae, emit)
        previews = Previews(self.residency.latent_rgb(pipe), emit)
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

    def _finished(self, group: Sequence[Planned], painted: Painted, started: float) -> Iterator[Finished]:
        seconds = (time.monotonic() - started) / len(group)
        hashes = self._hashes(group[0].request)
        for item, picture in zip(group, painted.pictures, strict=True):
            yield Finished(item.index, item.request.merged(hashes), picture, seconds, item.extra | painted.extra)

    def _hashes(self, request: GenerationRequest) -> dict[str, Any]:
        """What names the weights exactly; they are read once a file and kept by the library."""
        library = self.residency.library
        vae = "" if request.vae == "Automatic" else library.find_vae(request.vae).short_hash()
        return {"model_hash": library.find(request.model).short_hash(), "vae_hash": vae} | pinned(request, library)


def _task_name(request: GenerationRequest) -> str:
    if request.init is None:
        return "txt2img"
    return "inpaint" if request.inpaint or request.outpaint else "img2img"


def _without_seeds(request: GenerationRequest) -> GenerationRequest:
    strength = {"variation": {"seed": 0}} if request.variation else {}
    return request.merged({"seed": 0} | strength)
