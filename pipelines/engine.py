"""Runs one request: plans its pictures, groups those that can be sampled together, has them painted, hands them out.

It knows neither the queue nor the archive: pictures leave through the iterator, progress through `emit`. What happens to
a group is `pipelines.passes`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL.Image import Image
from PIL.Image import open as looked_at

from pipelines import samplers
from pipelines.archive.inputs import Inputs
from pipelines.passes import Painted, Passes
from pipelines.spec.errors import Cancelled, FieldError, Halt, OutOfMemory, Skipped, StudioError
from pipelines.spec.events import Emit, Note
from pipelines.spec.geometry import Size
from pipelines.spec.request import GenerationRequest
from pipelines.tasks import detailer, guided
from pipelines.tasks.condition import Conditions
from pipelines.tasks.control import pinned
from pipelines.tasks.course import Course, passes
from pipelines.tasks.enlarge import resolved
from pipelines.tasks.loops import loops_of
from pipelines.tasks.preprocess import Preprocessors
from pipelines.tasks.repeated import pinned as larger_pinned
from pipelines.tasks.start import check_steps
from pipelines.upscalers import Upscalers

if TYPE_CHECKING:
    from pipelines.loading.residency import Residency

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
        library = residency.library
        conditions = conditions or Conditions(Preprocessors(library.roots, facts=library.facts), self._inputs.open)
        self._passes = Passes(residency, self._inputs, self.upscalers, conditions)

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
        What the user could mend in one of them is handed to `failed`, and the next follows. Raises Cancelled, Halt.
        """
        begun = 0
        for group in self._cells(indices, request_of, failed, exact):
            try:
                yield from self._paint(group, begun, len(indices), emit)
            except Skipped:
                emit(Note(f"Skipped picture {group[0].index + 1}."))
            except (Cancelled, Halt):
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
            except Halt:        # the next cell's pictures would meet the same
                raise
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
        guided.check(request)
        check_steps(request)
        detailer.check_steps(request)
        single, extra = self._prepare(request)
        sampler, schedule = samplers.canonical(single.sampler, single.schedule)
        changes: dict[str, Any] = {"sampler": sampler, "schedule": schedule}
        family = self.residency.family(single.model).name
        if single.hires:
            changes["hires"] = {"upscaler": resolved(single.hires, single.size, self.upscalers, family)}
        if single.tiled:
            changes["tiled"] = {"upscaler": resolved(single.tiled, self._start(single), self.upscalers, family)}
        return [Planned(index, single.merged(changes), extra)]

    def _start(self, request: GenerationRequest) -> Size:
        """Pixels of the picture it starts from."""
        if request.init is None or not request.init.image:
            return request.size
        with looked_at(self._inputs.path(request.init.image)) as picture:
            return Size(*picture.size)

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
        """All passes of one group; every stage can be cancelled by `emit`. The device may raise OutOfMemory, DeviceLost."""
        from pipelines.loading.memory import explained

        started = time.monotonic()
        requests = self._passes.laid_out([p.request for p in group])
        course = Course(begun + len(group), images, passes(requests, self.residency.family(requests[0].model), self._inputs),
                        emit)
        with explained():
            painted = self._passes.first(requests, course, emit)
        if requests[0].hires is not None:
            try:
                with explained():
                    painted = self._passes.second(requests, painted, course, emit)
            except OutOfMemory:
                emit(Note("The second pass did not fit into memory; the picture of the first pass is kept."))
                kept = _without(group, "hires", "detailer")
                yield from self._finished(kept, painted, (time.monotonic() - started) / len(group))
                raise
        seconds = (time.monotonic() - started) / len(group)
        if requests[0].detailer is None or requests[0].detailer.denoising_strength == 0:
            yield from self._finished(group, painted, seconds)
        else:
            yield from self._detailed(group, requests, painted, seconds, course, emit)

    def _detailed(self, group: Sequence[Planned], requests: Sequence[GenerationRequest], painted: Painted, seconds: float,
                  course: Course, emit: Emit) -> Iterator[Finished]:
        """One picture after another; whatever ends the painting of faces, no finished picture is lost.

        seconds: of a picture, until here. Skipping skips the faces of one picture.
        """
        from pipelines.loading.memory import explained

        before = len(course.passes) - len(group)
        for number, (item, request, picture) in enumerate(zip(group, requests, painted.pictures, strict=True)):
            begun, own = time.monotonic(), replace(painted, pictures=[picture], latents=None)
            try:
                with explained():
                    own = self._passes.detailed(request, own, course.tick(before + number), emit)
            except Skipped:
                emit(Note(f"The faces of picture {item.index + 1} were left as they are."))
                [item] = _without([item], "detailer")
            except (Exception, KeyboardInterrupt):
                left = replace(painted, pictures=painted.pictures[number:], latents=None)
                yield from self._finished(_without(group[number:], "detailer"), left, seconds)
                raise
            yield from self._finished([item], own, seconds + time.monotonic() - begun)

    def _finished(self, group: Sequence[Planned], painted: Painted, seconds: float) -> Iterator[Finished]:
        """seconds: that a picture took."""
        hashes = self._hashes(group[0].request)
        said = painted.extra | larger_pinned(group[0].request, self.residency.library, self.upscalers)
        for item, picture in zip(group, painted.pictures, strict=True):
            yield Finished(item.index, item.request.merged(hashes), picture, seconds, item.extra | said)

    def _hashes(self, request: GenerationRequest) -> dict[str, Any]:
        """What names the weights exactly; they are read once a file and kept by the library."""
        library = self.residency.library
        vae = "" if request.vae == "Automatic" else library.find_vae(request.vae).short_hash()
        return {"model_hash": library.find(request.model).short_hash(), "vae_hash": vae} | pinned(request, library)


def _without(group: Sequence[Planned], *parts: str) -> list[Planned]:
    """The same pictures as made without these parts of their requests."""
    return [replace(item, request=item.request.merged(dict.fromkeys(parts))) for item in group]


def _without_seeds(request: GenerationRequest) -> GenerationRequest:
    strength = {"variation": {"seed": 0}} if request.variation else {}
    return request.merged({"seed": 0} | strength)
