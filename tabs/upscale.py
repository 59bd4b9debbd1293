"""Pictures made larger without painting anything new: one, several, or a folder, as a job of the queue.

A folder of this machine can be named only while nobody else may reach the studio. Knows no networks: names and numbers
become a recipe, `pipelines.upscale_job` does the rest.
"""

from __future__ import annotations

import html
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines import upscale_job
from pipelines.metadata import read_texts
from pipelines.queue import Job
from pipelines.spec.errors import StudioError
from pipelines.spec.geometry import Size
from pipelines.studio import Studio
from pipelines.upscale_job import Source
from pipelines.upscalers import Target
from pipelines.upscalers.recipe import DEFAULT, Faces, Recipe
from pipelines.upscalers.target import FACTORS, MAX_SIDE
from tabs.before_after import BeforeAfter, pair, viewed
from tabs.form import refused
from tabs.listeners import QUIET, SPOKEN
from tabs.page import Page
from tabs.queue import troubles
from tabs.run import BUSY, IDLE, OPEN, ended, working

SHOWN = 60          # newest results on the easel; all of them are in the gallery


def build(studio: Studio, page: Page) -> None:
    """Place the tab and connect it."""
    tab = UpscaleTab(studio, page)
    with gr.Row(elem_classes="workbench"):
        with gr.Column(scale=4, min_width=340, elem_classes="controls"):
            tab.controls()
        with gr.Column(scale=7, min_width=340, elem_classes="easel"):
            tab.results()
    tab.wire()
    page.doors["upscale"] = tab.sources


class UpscaleTab:
    """Makes its components in `controls` and `results`; `wire` connects them."""

    def __init__(self, studio: Studio, page: Page) -> None:
        self._studio, self._page, self._words = studio, page, studio.words
        self._compared = BeforeAfter(studio, "upscale")
        self._timer = gr.Timer(IDLE)
        self._seen = gr.State("")

    # -- components ----------------------------------------------------------------------------------------------------

    def controls(self) -> None:
        words = self._words
        with gr.Column(elem_classes="card"):
            self.sources = gr.Gallery(label=words("upscale_sources"), interactive=True, file_types=["image"], columns=3,
                                      object_fit="contain", height=260, sources=["upload", "clipboard"], buttons=[],
                                      elem_id="upscale-sources")
            self.folder = gr.Textbox(label=words("upscale_folder"), max_lines=1, visible=not self._studio.settings.exposed,
                                     elem_id="upscale-folder")
        with gr.Row(elem_classes="actions"):
            self.start = gr.Button(words("upscale_start"), variant="primary", scale=4, elem_id="upscale-start")
            self.skip = gr.Button(words("skip"), interactive=False, min_width=80, elem_id="upscale-skip")
            self.cancel = gr.Button(words("cancel"), variant="stop", interactive=False, min_width=80, elem_id="upscale-cancel")
        self._how()
        self._size()

    def _how(self) -> None:
        words, names = self._words, self._studio.upscalers.names()
        with gr.Column(elem_classes="card"):
            self.upscaler = gr.Dropdown(names, value=DEFAULT if DEFAULT in names else names[0], label=words("upscaler"),
                                        elem_id="upscale-upscaler")
            with gr.Row():
                self.second = gr.Dropdown([("–", ""), *((n, n) for n in names)], value="", label=words("upscaler_second"),
                                          min_width=150, elem_id="upscale-second")
                self.visibility = gr.Slider(0, 1, 0.5, step=0.05, label=words("upscale_visibility"), buttons=[], min_width=150,
                                            elem_id="upscale-visibility")

        self._faces()

    def _faces(self) -> None:
        """Shown where a network for it is installed."""
        words, names = self._words, self._studio.upscalers.restorers.names()
        with gr.Column(elem_classes="card", visible=bool(names)):
            self.restorer = gr.Dropdown([("–", ""), *((n, n) for n in names)], value="", label=words("restore_faces"),
                                        elem_id="upscale-restorer")
            with gr.Row():
                self.shown = gr.Slider(0, 1, 1, step=0.05, label=words("face_visibility"), buttons=[], min_width=150,
                                       elem_id="upscale-face-visibility")
                self.weight = gr.Slider(0, 1, 0.5, step=0.05, label=words("codeformer_weight"), buttons=[], min_width=150,
                                        elem_id="upscale-weight")

    def _size(self) -> None:
        words = self._words
        with gr.Column(elem_classes="card"):
            self.scale = gr.Slider(*FACTORS, 2, step=0.25, label=words("upscale_by"), buttons=[], elem_id="upscale-by")
            with gr.Row():
                self.width = gr.Number(0, precision=0, minimum=0, maximum=MAX_SIDE, label=words("upscale_width"), min_width=120,
                                       elem_id="upscale-width")
                self.height = gr.Number(0, precision=0, minimum=0, maximum=MAX_SIDE, label=words("upscale_height"),
                                        min_width=120, elem_id="upscale-height")
                self.crop = gr.Checkbox(True, label=words("upscale_crop"), min_width=120, elem_id="upscale-crop")
            self.told = gr.HTML("", elem_id="upscale-told", elem_classes="told")

    def results(self) -> None:
        words = self._words
        self.stage = gr.HTML("", elem_id="upscale-stage")
        self._compared.place_slider()
        self.made = gr.Gallery(label=words("results"), show_label=False, columns=5, fit_columns=False, object_fit="contain",
                               allow_preview=False, interactive=False, buttons=[], height="auto", visible=False,
                               elem_id="upscale-results")
        with gr.Row(elem_classes="chips"):
            self.download = gr.DownloadButton(words("download"), size="sm", min_width=100, visible=False,
                                              elem_id="upscale-download")

    # -- wiring --------------------------------------------------------------------------------------------------------

    @property
    def _kept(self) -> list[Any]:
        """What the browser remembers."""
        return [self.upscaler, self.second, self.visibility, self.scale, self.width, self.height, self.crop]

    @property
    def _looked(self) -> list[Any]:
        return [self.stage, self.made, self._compared.slider, self.download, self.skip, self.cancel, self._timer, self._seen]

    def wire(self) -> None:
        owner, queue = self._page.owner, self._studio.queue
        asked = {self.sources, self.folder, *self._kept, self.restorer, self.shown, self.weight, owner}
        self.start.click(self._submit, asked, [owner, self._timer], trigger_mode="multiple", **SPOKEN).success(
            self._look, [owner, self._seen], self._looked, **QUIET)
        self._timer.tick(self._look, [owner, self._seen], self._looked, **QUIET)
        self.cancel.click(self._act(queue.cancel), owner, None, **QUIET)
        self.skip.click(self._act(queue.skip), owner, None, **QUIET)
        self.made.select(self._choose, owner, [self._compared.slider, self.download], **SPOKEN)
        gr.on([self.sources.change, self.scale.change, self.width.change, self.height.change, self.crop.change], self._sizes,
              [self.sources, self.scale, self.width, self.height, self.crop], self.told, trigger_mode="always_last", **QUIET)
        self._remember()

    def _remember(self) -> None:
        """The form comes back after a reload; pictures do not, but their job and its results do."""
        kept = gr.BrowserState(None, storage_key="atelier-upscale", secret=self._page.secret)
        gr.on([c.change for c in self._kept], None, self._kept, kept, js="(...values) => [values]", **QUIET)
        load = self._page.blocks.load
        load(self._bring_back, kept, self._kept, **QUIET)
        load(self._look, [self._page.owner, self._seen], self._looked, **QUIET)

    def _bring_back(self, values: Any) -> list[Any]:
        names = self._studio.upscalers.names()
        known = (lambda v: v in names, lambda v: v in ("", *names), *[lambda v: isinstance(v, int | float)] * 5)
        if not isinstance(values, list) or len(values) != len(known):
            return [gr.skip()] * len(known)
        return [value if fits(value) else gr.skip() for value, fits in zip(values, known, strict=True)]

    # -- what is asked for ---------------------------------------------------------------------------------------------

    def _submit(self, data: Mapping[Component, Any]) -> tuple[str, Any]:
        owner = data[self._page.owner] or uuid.uuid4().hex
        try:
            work = upscale_job.work_of(self._studio, self._recipe(data), self._sources(data))
            upscale_job.submit(self._studio, work, owner)
        except StudioError as error:
            raise refused(error) from None
        return owner, gr.Timer(BUSY, active=True)

    def _recipe(self, data: Mapping[Component, Any]) -> Recipe:
        target = target_of(data[self.scale], data[self.width], data[self.height], data[self.crop])
        return Recipe(data[self.upscaler] or "", data[self.second] or "", float(data[self.visibility]), target,
                      faces=Faces(data[self.restorer] or "", float(data[self.shown]), float(data[self.weight])))

    def _sources(self, data: Mapping[Component, Any]) -> list[Source]:
        """The uploads; without any, the folder's pictures."""
        files = paths(data[self.sources])
        if not files and (data[self.folder] or "").strip():
            return upscale_job.folder(self._studio, data[self.folder])
        return [upscale_job.given(self._studio, file) for file in files]

    def _sizes(self, given: list[Any] | None, *size: Any) -> str:
        """"256×384 → 512×768" for the first picture; the refusal where that cannot be."""
        files = paths(given)
        if not files:
            return ""
        try:
            source = Size(*read_texts(files[0], brief=True).size)
            _, result = target_of(*size).sizes(source)
        except StudioError as error:
            return html.escape(str(error))
        return f"{source} → <b>{result}</b>"

    # -- what is shown -------------------------------------------------------------------------------------------------

    def job(self, owner: str) -> Job | None:
        """The upscale this visitor sees: the running one, else the next waiting, else the newest."""
        mine = [j for j in self._studio.queue.jobs(owner) if j.kind == upscale_job.KIND] if owner else []
        for status in OPEN:
            for job in mine:
                if job.status == status:
                    return job
        return max(mine, key=lambda j: j.created, default=None)

    def _act(self, act: Callable[..., Any]) -> Callable[[str], None]:
        def handler(owner: str) -> None:
            job = self.job(owner)
            if job is not None and job.status in OPEN:
                act(job.id, owner)

        return handler

    def _look(self, owner: str, seen: str) -> list[Any]:
        job = self.job(owner)
        if job is None:
            empty = f'<div class="stage empty"><p>{html.escape(self._words("upscale_nothing"))}</p></div>'
            return [empty, *[gr.skip()] * 3, *self._buttons(False), gr.Timer(IDLE), seen]
        progress, busy = self._studio.queue.watch(job.id), job.status in OPEN
        now = f"{job.id} {job.status} {len(progress.files)}"
        stage = troubles(self._studio) + (working if busy else ended)(self._words, progress)
        pause = gr.Timer(BUSY if busy else IDLE)
        if now == seen:
            return [stage if busy else gr.skip(), *[gr.skip()] * 3, *self._buttons(busy), pause, seen]
        files = self._files(job)
        thumbnails = [str(self._studio.archive.thumbnail(file)) for file in files]
        shown = gr.update(value=thumbnails, visible=len(files) > 1, selected_index=None)
        return [stage, shown, *self._pair(files[-1] if files else ""), *self._buttons(busy), pause, now]

    def _files(self, job: Job) -> list[str]:
        """The newest results that are still there, oldest first."""
        found = [job.files[index] for index in sorted(job.files)][-SHOWN:]
        return [file for file in found if (self._studio.archive.root / file).is_file()]

    def _pair(self, file: str) -> list[Any]:
        """Slider and download of one result."""
        if not file:
            return [gr.update(visible=False), gr.update(visible=False)]
        path = str(self._studio.archive.open(file))
        alone = (viewed(self._studio, path),) * 2       # its source was thrown away
        return [gr.update(value=pair(self._studio, [path]) or alone, visible=True), gr.update(value=path, visible=True)]

    def _choose(self, owner: str, event: gr.SelectData) -> list[Any]:
        job = self.job(owner)
        files = self._files(job) if job else []
        try:
            return self._pair(files[event.index]) if event.index < len(files) else [gr.skip()] * 2
        except StudioError as error:
            raise refused(error) from None

    def _buttons(self, busy: bool) -> list[Any]:
        return [gr.Button(interactive=busy), gr.Button(interactive=busy)]


def target_of(scale: Any, width: Any, height: Any, crop: Any) -> Target:
    """Empty fields count as they stand at first."""
    return Target(float(scale or 2), int(width or 0), int(height or 0), bool(crop))


def paths(given: list[Any] | None) -> list[str]:
    """The files a Gallery holds."""
    return [str(entry[0] if isinstance(entry, (list, tuple)) else entry) for entry in given or ()]
