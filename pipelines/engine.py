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

from pipelines import samplers
from pipelines.archive.inputs import Inputs
from pipelines.previews import Previews
from pipelines.spec.errors import Cancelled, Skipped, StorageError, StudioError
from pipelines.spec.events import Emit, Note, Stage, Step
from pipelines.spec.request import GenerationRequest

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipelines.loading.residency import Residency
    from pipelines.prompt.embed import EmbeddingCache

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

    def __init__(self, residency: Residency, prepare: Prepare | None = None, inputs: Inputs | None = None) -> None:
        """inputs: where the pictures lie that requests start from; without it only text requests run."""
        self.residency = residency
        self._inputs = inputs or Inputs(Path())
        self._prepare = prepare or (lambda request: (request, {}))

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
                  failed: Callable[[int, StudioError], None]) -> Iterator[Finished]:
        """Paint single pictures in the given order, each by its own request.

        What the user could mend in one of them is handed to `failed`, and the next follows. Raises Cancelled, StorageError.
        """
        for begun, index in enumerate(indices):
            try:
                yield from self._paint(self._planned(index, request_of(index)), begun, len(indices), emit)
            except Skipped:
                emit(Note(f"Skipped picture {index + 1}."))
            except (Cancelled, StorageError):
                raise
            except StudioError as error:
                failed(index, error)

    def plan(self, request: GenerationRequest, done: Set[int] = frozenset()) -> list[Planned]:
        """The pictures of `request`, seeds counted up, styles and wildcards resolved, hashes pinned."""
        return [one for i in range(request.count) if i not in done for one in self._planned(i, request.image(i))]

    def _planned(self, index: int, request: GenerationRequest) -> list[Planned]:
        single, extra = self._prepare(request)
        sampler, schedule = samplers.canonical(single.sampler, single.schedule)
        return [Planned(index, single.merged({"sampler": sampler, "schedule": schedule}), extra)]

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
        """Load, sample, decode one group; every stage can be cancelled by `emit`."""
        from pipelines.loading.memory import foreseen, with_memory_ladder
        from pipelines.loading.networks import Networks
        from pipelines.tasks import text
        from pipelines.tasks.image import ImageTask

        started = time.monotonic()
        requests = [p.request for p in group]
        first = requests[0]
        task = ImageTask.of(requests, self._inputs.open) if first.init else None
        if task and task.unchanged():
            emit(Note("Denoising strength: 0 - nothing would change; the picture is kept as it is."))
            yield from self._finished(group, [task.untouched()] * len(group), started)
            return
        pipe = self.residency.pipeline(_task_name(first), first.model, first.vae, emit)
        previews = Previews(self.residency.latent_rgb(pipe), emit)
        networks = Networks.of(first, self.residency.library)
        means = text.Means(self.residency.family(first.model).name, None if networks.change_encoders else self._encoded,
                           inversions=networks.inversions())

        def on_step(step: int, steps: int, glimpse: Any) -> None:
            emit(Step(begun + len(group), images, step, steps))
            previews.offer(glimpse)

        def sample() -> Any:
            with networks.laid_over(pipe, emit):
                return task.paint(pipe, on_step, means) if task else text.paint(pipe, requests, on_step, means)

        def decoded() -> list[Image]:
            return text.pictures(pipe, latents, first.tiling, emit)

        with foreseen(pipe, first.size, len(group), self.residency.device, emit):
            latents = with_memory_ladder(sample, pipe, self.residency.device, emit, "sampling")
            emit(Stage("decoding"))
            pictures = with_memory_ladder(decoded, pipe, self.residency.device, emit, "decoding")
        for finished in self._finished(group, task.finished(pictures) if task else pictures, started):
            yield replace(finished, extra=finished.extra | networks.hashes())

    def _finished(self, group: Sequence[Planned], pictures: Sequence[Image], started: float) -> Iterator[Finished]:
        seconds = (time.monotonic() - started) / len(group)
        hashes = self._hashes(group[0].request)
        for item, picture in zip(group, pictures, strict=True):
            yield Finished(item.index, item.request.merged(hashes), picture, seconds, item.extra)

    def _hashes(self, request: GenerationRequest) -> dict[str, str]:
        """What names the weights exactly; they are read once a file and kept by the library."""
        library = self.residency.library
        vae = "" if request.vae == "Automatic" else library.find_vae(request.vae).short_hash()
        return {"model_hash": library.find(request.model).short_hash(), "vae_hash": vae}


def _task_name(request: GenerationRequest) -> str:
    if request.init is None:
        return "txt2img"
    return "inpaint" if request.inpaint or request.outpaint else "img2img"


def _without_seeds(request: GenerationRequest) -> GenerationRequest:
    strength = {"variation": {"seed": 0}} if request.variation else {}
    return request.merged({"seed": 0} | strength)
