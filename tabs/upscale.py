"""Pictures made larger, one, several, or a folder, as a job of the queue; if asked, painted again in tiles by a model.

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

from pipelines import metadata, upscale_job
from pipelines.queue import Job
from pipelines.spec.errors import FieldError, StudioError
from pipelines.studio import Studio
from tabs.before_after import BeforeAfter, chosen_of, pair, viewed
from tabs.form import refused
from tabs.listeners import QUIET, SPOKEN
from tabs.page import Page
from tabs.queue import troubles
from tabs.run import BUSY, IDLE, OPEN, ended, working
from tabs.send import STARTS, clicked, settle, start_from
from tabs.undo import keeping
from tabs.upscale_form import UpscaleForm

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
    page.doors["upscale"] = tab.form.sources


class UpscaleTab:
    """Makes its components in `controls` and `results`; `wire` connects them."""

    def __init__(self, studio: Studio, page: Page) -> None:
        self._studio, self._page, self._words = studio, page, studio.words
        self.form, self._compared = UpscaleForm(studio), BeforeAfter(studio, "upscale")
        self._timer = gr.Timer(IDLE)
        self._seen, self._looked_at = gr.State(""), gr.State("")

    # -- components ----------------------------------------------------------------------------------------------------

    def controls(self) -> None:
        words = self._words
        self.form.pictures()
        with gr.Row(elem_classes="actions"):
            self.start = gr.Button(words("upscale_start"), variant="primary", scale=4, elem_id="upscale-start")
            self.skip = gr.Button(words("skip"), interactive=False, min_width=80, elem_id="upscale-skip")
            self.cancel = gr.Button(words("cancel"), variant="stop", interactive=False, min_width=80, elem_id="upscale-cancel")
        self.form.settings()

    def results(self) -> None:
        words = self._words
        self.stage = gr.HTML("", elem_id="upscale-stage")
        self._compared.place_slider()
        self.made = gr.Gallery(label=words("results"), show_label=False, columns=5, fit_columns=False, object_fit="contain",
                               allow_preview=False, interactive=False, buttons=[], height="auto", visible=False,
                               elem_id="upscale-results")
        with gr.Row(elem_classes="chips", visible=False) as self.after:
            self.download = gr.DownloadButton(words("download"), size="sm", min_width=100, elem_id="upscale-download")
            self.sends = {name: gr.Button(words(f"send_to_{name}"), size="sm", min_width=100, elem_id=f"upscale-to-{name}")
                          for name in STARTS}

    # -- wiring --------------------------------------------------------------------------------------------------------

    @property
    def _looked(self) -> list[Any]:
        shown = [self.stage, self.made, self._compared.slider, self.download, self.after]
        return [*shown, self.skip, self.cancel, self._timer, self._seen]

    def wire(self) -> None:
        owner, queue = self._page.owner, self._studio.queue
        asked: set[Any] = {*self.form.inputs, owner}
        self.start.click(self._submit, asked, [owner, self._timer], trigger_mode="multiple", **SPOKEN).success(
            self._look, [owner, self._seen], self._looked, **QUIET)
        self._timer.tick(self._look, [owner, self._seen], self._looked, **QUIET)
        self.cancel.click(self._act(queue.cancel), owner, None, **QUIET)
        self.skip.click(self._act(queue.skip), owner, None, **QUIET)
        self.made.select(self._choose, owner, [self._compared.slider, self.download, self.after], **SPOKEN)
        self.made.select(clicked, None, self._looked_at, **SPOKEN)
        self.made.change(lambda: "", None, self._looked_at, **QUIET)
        self._page.later.append(self._wire_sends)
        self.form.wire(self._page)
        self._page.blocks.load(self._look, [owner, self._seen], self._looked, **QUIET)

    def _wire_sends(self) -> None:
        page = self._page
        for name, button in self.sends.items():
            settle(page, name, keeping(page.forms[name], button.click)(
                self._starting(name), [page.owner, self._looked_at], page.targets, **SPOKEN))

    def _starting(self, name: str) -> Callable[[str, str], list[Any]]:
        """Open the tab `name` with the picture that is looked at, else with the newest."""
        def start(owner: str, looked_at: str) -> list[Any]:
            job = self.job(owner)
            chosen = chosen_of(self._files(job) if job else [], looked_at)
            try:
                if chosen is None:
                    raise FieldError(self._words("picture"), "", self._words("nothing_to_send"))
                file = self._studio.archive.open(chosen)
                return start_from(self._studio, self._page, name, file, metadata.read(file))
            except StudioError as error:
                raise refused(error) from None

        return start

    # -- what is asked for ---------------------------------------------------------------------------------------------

    def _submit(self, data: Mapping[Component, Any]) -> tuple[str, Any]:
        owner = data[self._page.owner] or uuid.uuid4().hex
        try:
            work = upscale_job.work_of(self._studio, self.form.recipe(data), self.form.given(data), self.form.paint.repaint(data),
                                       data[self.form.format] or "")
            upscale_job.submit(self._studio, work, owner)
        except StudioError as error:
            raise refused(error) from None
        return owner, gr.Timer(BUSY, active=True)

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
            return [empty, *[gr.skip()] * 4, *self._buttons(False), gr.Timer(IDLE), seen]
        progress, busy = self._studio.queue.watch(job.id), job.status in OPEN
        now = f"{job.id} {job.status} {len(progress.files)}"
        stage = troubles(self._studio) + (working if busy else ended)(self._words, progress)
        pause = gr.Timer(BUSY if busy else IDLE)
        if now == seen:
            return [stage if busy else gr.skip(), *[gr.skip()] * 4, *self._buttons(busy), pause, seen]
        files = self._files(job)
        thumbnails = [str(self._studio.archive.thumbnail(file)) for file in files]
        shown = gr.update(value=thumbnails, visible=len(files) > 1, selected_index=None)
        return [stage, shown, *self._pair(files[-1] if files else ""), *self._buttons(busy), pause, now]

    def _files(self, job: Job) -> list[str]:
        """The newest results that are still there, oldest first."""
        found = [job.files[index] for index in sorted(job.files)][-SHOWN:]
        return [file for file in found if (self._studio.archive.root / file).is_file()]

    def _pair(self, file: str) -> list[Any]:
        """Slider and download of one result, and whether there is anything to do with it."""
        if not file:
            return [gr.update(visible=False), gr.skip(), gr.Row(visible=False)]
        path = str(self._studio.archive.open(file))
        alone = (viewed(self._studio, path),) * 2       # its source was thrown away
        return [gr.update(value=pair(self._studio, [path]) or alone, visible=True), gr.update(value=path), gr.Row(visible=True)]

    def _choose(self, owner: str, event: gr.SelectData) -> list[Any]:
        job = self.job(owner)
        files = self._files(job) if job else []
        try:
            return self._pair(files[event.index]) if event.index < len(files) else [gr.skip()] * 3
        except StudioError as error:
            raise refused(error) from None

    def _buttons(self, busy: bool) -> list[Any]:
        return [gr.Button(interactive=busy), gr.Button(interactive=busy)]
