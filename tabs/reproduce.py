"""Have a picture made again and read the verdict: of a dropped file in the experiments tab, of the chosen one in the gallery.

The work is `pipelines.reproduce`'s; here is what the page shows of it.
"""

from __future__ import annotations

import html
import uuid
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines import reproduce
from pipelines.queue import Job
from pipelines.spec.errors import StudioError
from pipelines.studio import Studio
from tabs.form import refused
from tabs.listeners import QUIET, SPOKEN
from tabs.page import Page

PAUSE = 1.0             # seconds between two looks while it is painted
OPEN = ("queued", "running")


class Again:
    """The verdict on one job over both pictures. Makes its components where it is created; `wire` connects them."""

    def __init__(self, studio: Studio, name: str) -> None:
        """name: what the components' ids begin with."""
        self._studio = studio
        self._stage = gr.HTML("", elem_id=f"{name}-verdict")
        self._slider = gr.ImageSlider(type="filepath", interactive=False, show_label=False, max_height=480, visible=False,
                                      elem_id=f"{name}-slider")
        self._timer = gr.Timer(PAUSE, active=False)
        self.job = gr.State("")

    @property
    def outputs(self) -> list[Any]:
        return [self._stage, self._slider, self._timer, self.job]

    def wire(self) -> None:
        self._timer.tick(self.look, self.job, self.outputs, **QUIET)

    def begin(self, file: Path, owner: str) -> str:
        """Queue what the file says; the job's id. Raises StudioError with the reason why it cannot be made again."""
        return reproduce.submit(self._studio, reproduce.recipe(self._studio, file), owner)

    def nothing(self) -> list[Any]:
        return ["", gr.update(visible=False), gr.Timer(active=False), ""]

    def cannot(self, error: StudioError) -> list[Any]:
        """The reason stands where the verdict would."""
        said = self._studio.words("reproduce_cannot", reason=str(error))
        return [f'<p class="error">{html.escape(said)}</p>', *self.nothing()[1:]]

    def look(self, name: str) -> list[Any]:
        """Updates for `outputs`: how far the job is, or the verdict over both pictures."""
        try:
            job = self._studio.queue.get(name) if name else None
        except StudioError:
            job = None          # forgotten since
        if job is None:
            return self.nothing()
        if job.status in OPEN:
            return [self._progress(job), gr.update(visible=False), gr.Timer(active=True), name]
        pair = self._pair(job)
        return [self._ended(job), gr.update(value=pair, visible=bool(pair)), gr.Timer(active=False), name]

    def newest(self, owner: str) -> list[Any]:
        """The same of this visitor's newest."""
        mine = [job for job in self._studio.queue.jobs(owner) if job.kind == reproduce.KIND] if owner else []
        return self.look(max(mine, key=lambda one: one.created).id if mine else "")

    def _progress(self, job: Job) -> str:
        words, seen = self._studio.words, self._studio.queue.watch(job.id)
        what = f"{words('step')} {seen.step}/{seen.steps}" if seen.steps else seen.stage or words("status_" + job.status)
        return (f'<div class="stage busy"><div class="progress" role="progressbar" aria-valuenow="{seen.fraction:.2f}">'
                f'<span style="width:{100 * seen.fraction:.1f}%"></span></div><p>{html.escape(what)}</p></div>')

    def _ended(self, job: Job) -> str:
        if job.error or not job.notes:
            return f'<p class="error">{html.escape(job.error or self._studio.words("status_" + job.status))}</p>'
        verdict, *others = reversed(job.notes)
        level = "recommended" if verdict.startswith("Identical") else "less_recommended"
        lines = "".join(f'<p class="told">{html.escape(note)}</p>' for note in others)
        return f'<div class="explained verdict {level}"><span class="dot"></span><b>{html.escape(verdict)}</b></div>{lines}'

    def _pair(self, job: Job) -> tuple[str, str] | None:
        """As it was, and as it came out."""
        try:
            told = reproduce.Recipe.of_json(job.request, job.payload)
            return str(self._studio.inputs.path(told.picture)), str(self._studio.archive.open(job.files[0]))
        except (StudioError, KeyError):
            return None         # thrown away since, or not painted


class Reproduce:
    """The fold with the drop. Makes its components where it is created; `wire` connects them."""

    def __init__(self, studio: Studio, page: Page) -> None:
        self._page = page
        words = studio.words
        with gr.Accordion(words("reproduce"), open=False, elem_id="reproduce"):
            gr.HTML(f'<p class="told">{html.escape(words("reproduce_told"))}</p>')
            self._drop = gr.File(label=words("reproduce_drop"), file_types=["image"], type="filepath", height=84,
                                 elem_id="reproduce-drop", elem_classes="drop")
            self.again = Again(studio, "reproduce")

    def wire(self) -> None:
        owner, again = self._page.owner, self.again
        self._drop.upload(self.submit, [self._drop, owner], [owner, self._drop, again.job], **SPOKEN).success(
            again.look, again.job, again.outputs, **SPOKEN)
        self._page.blocks.load(again.newest, owner, again.outputs, **QUIET)
        again.wire()

    def submit(self, file: str | None, owner: str) -> tuple[Any, Any, Any]:
        """Queue what the file says; the drop is empty again for the next."""
        if not file:
            return gr.skip(), gr.skip(), gr.skip()
        owner = owner or uuid.uuid4().hex
        try:
            return owner, None, self.again.begin(Path(file), owner)
        except StudioError as error:
            raise refused(error) from None
