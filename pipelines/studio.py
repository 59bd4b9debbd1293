"""What a tab may hold: one object that takes requests in and knows where everything is. It imports no torch.

The worker thread loads torch and the models; the page is served long before.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pipelines import batch, experiments, loopback, reception, reproduce, samplers, upscale_job
from pipelines.advice import Advice
from pipelines.archive import Archive
from pipelines.archive.inputs import Inputs
from pipelines.archive.lineage import Lineage
from pipelines.archive.photos import Photos
from pipelines.engine import Engine, Finished
from pipelines.live import Turn
from pipelines.loading.controls import Control, controls
from pipelines.loading.library import Library, ModelFile
from pipelines.loading.loras import vectors_of
from pipelines.loading.record import environment
from pipelines.loading.vocabulary import tokenizer_json
from pipelines.past import Past
from pipelines.presets import Presets
from pipelines.presets.model_notes import ModelNotes
from pipelines.prompt.explain import Tokens
from pipelines.prompt.tokens import TokenCount, count, pieces
from pipelines.queue import Job, JobQueue
from pipelines.settings import Settings
from pipelines.spec.errors import StudioError
from pipelines.spec.events import Emit, Note, Saved
from pipelines.spec.geometry import Size
from pipelines.spec.request import GenerationRequest
from pipelines.styles import Styles
from pipelines.tasks import course, detailer
from pipelines.tasks.condition import Conditions
from pipelines.tasks.footprint import Memory, estimate
from pipelines.tasks.objects import Objects
from pipelines.tasks.preprocess import Preprocessors
from pipelines.upscalers import Upscaler, Upscalers
from pipelines.words import Words

if TYPE_CHECKING:
    from PIL.Image import Image

VERSION = "0.1.0"
PRECISIONS = {"auto": "auto", "float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
log = logging.getLogger(__name__)


class Hooks(Protocol):
    """Where extensions stand on the way of a request (implemented by `extensions.loader`)."""

    def transform_request(self, request: GenerationRequest) -> GenerationRequest: ...
    def image_request(self, request: GenerationRequest) -> tuple[GenerationRequest, dict[str, str]]: ...
    def finished(self, image: Image, request: GenerationRequest) -> None: ...
    def tabs(self) -> list[Any]: ...
    def upscalers(self) -> list[Upscaler]: ...
    def wildcards(self) -> list[str]: ...


class Studio:
    """Open with `Studio.open(settings, hooks)`, close with `close()` (or use it as a context manager)."""

    def __init__(self, settings: Settings, hooks: Hooks) -> None:
        self.settings, self.hooks = settings, hooks
        self.library = Library(settings.model_roots, settings.data_dir)
        self.upscalers = Upscalers(self.library, lambda: self.hooks.upscalers())
        self.archive = Archive(settings.outputs_dir, pattern=settings.filename_pattern)
        self.inputs = Inputs(settings.outputs_dir)
        self.lineage = Lineage(self.archive, self.inputs)
        self.past = Past(self.archive, lambda request: course.work(request, self.model(request.model).family, self.inputs))
        self.presets = Presets(settings.preset_folders)
        self.styles = Styles(settings.preset_folders)
        self.model_notes = ModelNotes(settings.data_dir / "models.json")
        self.advice = Advice(settings.language, samplers=samplers.SAMPLERS)
        self.words = Words(settings.language)
        self.turn = Turn()
        self.queue = JobQueue(settings.data_dir / "queue.sqlite", self._run, saved_files=self.archive.of_job,
                              ended=lambda: self.photos.sweep())
        self.photos = Photos(self.inputs, self._needed)

    @classmethod
    def open(cls, settings: Settings, hooks: Hooks) -> Studio:
        """Scan the models, start the worker. Raises StudioError when another studio holds the same data folder."""
        studio = cls(settings, hooks)
        studio.library.scan()
        studio.queue.start()
        studio.photos.sweep()
        return studio

    def close(self) -> None:
        """Stop the worker after its current step; what it was painting comes back as interrupted."""
        self.queue.stop()

    def __enter__(self) -> Studio:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- a request arrives ---------------------------------------------------------------------------------------------

    def check(self, request: GenerationRequest) -> GenerationRequest:
        """`request` with names in their own spelling, seeds drawn, and the size of its outpainted frame.

        Raises RequestError with one line for every name or size that cannot be honoured.
        """
        return reception.checked(self, request)

    def model(self, name: str) -> ModelFile:
        """The checkpoint of that name or hash. Raises FieldError naming the nearest."""
        return self.library.find(name)

    def submit(self, request: GenerationRequest, owner: str = "", key: str | None = None, kind: str = "txt2img") -> str:
        """Queue one request and return its job id; the same `key` again returns the same job. Raises StudioError."""
        request = self.check(self.hooks.transform_request(request))
        return self.queue.submit(request, kind, key, owner, payload=("", loopback.count(request)))

    def count_tokens(self, prompt: str, model: str) -> TokenCount:
        """Tokens of a prompt in the chosen model's own vocabulary."""
        return count(prompt, self._vocabulary(model), embeddings=vectors_of(prompt, self.library))

    def token_cutter(self, model: str) -> Tokens:
        """What cuts words into that model's tokens, for the prompt explainer."""
        return pieces(self._vocabulary(model))

    def _vocabulary(self, model: str) -> Path:
        found = self.model(model)
        own = found.path / "tokenizer" / "tokenizer.json"
        return own if found.is_folder and own.is_file() else tokenizer_json(self.settings.data_dir)

    def controls(self, model: str) -> list[Control]:
        """The control models that fit a checkpoint. Raises FieldError for a checkpoint that is not there."""
        return controls(self.library, self.model(model).family)

    def memory(self, request: GenerationRequest, picture: Size | None = None, together: int = 0) -> Memory:
        """An estimate of what a run will hold (see there); in fp32 until the device is known. Raises FieldError.

        picture: what a tiled upscale starts from.   together: pictures sampled at once, if not as many as the device takes.
        """
        made = self._made
        item = made.residency.device.dtype.itemsize if made else 4
        together = together or (1 if self.in_main_memory else request.batch_size)
        return estimate(request, self.model(request.model).family, item, together, picture)

    @property
    def in_main_memory(self) -> bool:
        """Whether pictures are painted there; taken to be so until the device is known."""
        return self._made is None or self._made.residency.device.is_main_memory

    @property
    def works_on(self) -> str:
        """The device and the numbers of its weights ("cuda:0 · float16"), "" until the first job has chosen them."""
        device = self._made.residency.device if self._made else None
        return f"{device.torch} · {str(device.dtype).removeprefix('torch.')}" if device else ""

    @property
    def resident(self) -> list[tuple[str, str, int, bool]]:
        """(model, part, bytes, on the device) of all weights in memory."""
        return self._made.residency.resident() if self._made else []

    @property
    def _made(self) -> Engine | None:
        """The engine if there is one already: asking for it would wait for torch."""
        return vars(self).get("engine")

    def _needed(self, open_: bool) -> set[str]:
        """Names of the kept pictures that jobs need: those that wait or run, or all that the queue lists."""
        return {name for job in self.queue.jobs() if not (open_ and job.status.ended) for name in job.request.pictures()}

    # -- the worker's side ---------------------------------------------------------------------------------------------

    @cached_property
    def engine(self) -> Engine:
        """Made by the worker at its first job: this is where torch is imported."""
        from pipelines.loading.device import Budget, Device
        from pipelines.loading.residency import Residency

        chosen = self.settings
        device = Device.pick(chosen.device, PRECISIONS[chosen.precision], chosen.memory_policy)
        budget = Budget.of_this_machine(device, str(chosen.vram_budget or ""))
        if chosen.ram_budget:
            budget = replace(budget, ram=int(chosen.ram_budget * 2**30))
        return Engine(Residency(self.library, device, budget), self.prepare, self.inputs, self.upscalers, self.conditions)

    @cached_property
    def preprocessors(self) -> Preprocessors:
        """What turns pictures into conditions; it looks for weights when it is asked, and holds one network at most."""
        return Preprocessors(self.settings.model_roots, self.settings.device, facts=self.library.facts)

    @cached_property
    def objects(self) -> Objects:
        """What masks the object under a click, where its weights lie on disk."""
        return Objects(self.settings.model_roots, self.settings.device)

    @cached_property
    def conditions(self) -> Conditions:
        """What the units of requests show their nets; made once, for the page and for the run."""
        return Conditions(self.preprocessors, self.inputs.open)

    def prepare(self, request: GenerationRequest) -> tuple[GenerationRequest, dict[str, str]]:
        """The request of one picture with styles and extensions resolved, and what its file should say of them."""
        extra: dict[str, str] = {}
        if request.styles:
            prompt, negative = self.styles.apply(request.prompt, request.negative_prompt, request.styles)
            extra["Styles"] = ", ".join(request.styles)
            changes: dict[str, Any] = {"prompt": prompt, "negative_prompt": negative, "styles": ()}
            if request.hires:       # its own words get the styles too; none of its own are the first pass's, with theirs
                hires = request.hires
                prompt, negative = self.styles.apply(hires.prompt, hires.negative_prompt, request.styles)
                changes["hires"] = {"prompt": hires.prompt and prompt, "negative_prompt": hires.negative_prompt and negative}
            if request.detailer:
                names = request.styles
                changes["detailer"] = detailer.styled(request.detailer, lambda *words: self.styles.apply(words[0], words[1], names))
            request = request.merged(changes)
        request, more = self.hooks.image_request(request)
        return request, extra | more

    def _run(self, job: Job, emit: Emit) -> None:
        """What the queue's worker does with one job: paint, save, tell. Not begun where nothing could be saved (StorageError)."""
        if warning := self.archive.check():
            emit(Note(warning))
        with self.turn.of_queue():
            self._do(job, emit)

    def _do(self, job: Job, emit: Emit) -> None:
        kinds = {experiments.KIND: experiments.run, reproduce.KIND: reproduce.run, batch.KIND: batch.run,
                 upscale_job.KIND: upscale_job.run}
        if job.kind in kinds:
            kinds[job.kind](self, job, emit)
            return
        if loopback.wanted(job.request):
            deque(loopback.paint(self, job.request, emit, job.id, job.files), maxlen=0)
            return
        for finished in self.engine.run(job.request, emit, done=job.finished):
            self.keep(finished, emit, job.id)

    def keep(self, finished: Finished, emit: Emit, job: str = "", file: str = "") -> str:
        """Save one picture and tell extensions. Returns its file, relative to the outputs folder.

        `job` and the picture's index go into the file, so that the queue finds it again after a crash.
        file: the name it shall have, without suffix; else it is numbered.
        """
        made = self.made(finished) | ({"job": job, "index": finished.index} if job else {})
        item = self.archive.save(finished.image, finished.request, made, self.settings.output_format,
                                 self.settings.output_quality, file)
        self.past.forget()
        emit(Saved(finished.index, item.file))
        self.tell(finished.image, finished.request, emit)
        return item.file

    def tell(self, image: Image, request: GenerationRequest, emit: Emit) -> None:
        """Tell extensions of a picture that was painted and saved; what one of them refuses becomes a note."""
        try:
            self.hooks.finished(image, request)
        except StudioError as error:
            emit(Note(str(error)))

    def made(self, finished: Finished) -> dict[str, Any]:
        """What the file says beside the request: who made it, where, how long it took."""
        return {"Version": f"Atelier {VERSION}", "seconds": round(finished.seconds, 2)} | environment(
            self.engine.residency.device) | finished.extra
