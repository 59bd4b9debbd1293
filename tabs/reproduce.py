"""Drop a picture, have it made again, read the verdict: a fold of the experiments tab. The work is `pipelines.reproduce`'s."""

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


class Reproduce:
    """Makes its components where it is created; `wire` connects them."""

    def __init__(self, studio: Studio, page: Page) -> None:
        self._studio, self._page = studio, page
        words = studio.words
        with gr.Accordion(words("reproduce"), open=False, elem_id="reproduce"):
            gr.HTML(f'<p class="told">{html.escape(words("reproduce_told"))}</p>')
            self._drop = gr.File(label=words("reproduce_drop"), file_types=["image"], type="filepath", height=84,
                                 elem_id="reproduce-drop", elem_classes="drop")
            self._stage = gr.HTML("", elem_id="reproduce-verdict")
            self._slider = gr.ImageSlider(type="filepath", interactive=False, show_label=False, max_height=480, visible=False,
                                          elem_id="reproduce-slider")
            self._timer = gr.Timer(PAUSE, active=False)

    def wire(self) -> None:
        owner, seen = self._page.owner, [self._stage, self._slider, self._timer]
        self._drop.upload(self.submit, [self._drop, owner], [owner, self._drop], **SPOKEN).success(
            self.look, owner, seen, **SPOKEN)
        self._timer.tick(self.look, owner, seen, **QUIET)
        self._page.blocks.load(self.look, owner, seen, **QUIET)

    def submit(self, file: str | None, owner: str) -> tuple[Any, Any]:
        """Queue what the file says; the drop is empty again for the next."""
        if not file:
            return gr.skip(), gr.skip()
        owner = owner or uuid.uuid4().hex
        try:
            reproduce.submit(self._studio, reproduce.recipe(self._studio, Path(file)), owner)
        except StudioError as error:
            raise refused(error) from None
        return owner, None

    def look(self, owner: str) -> list[Any]:
        """The newest of this visitor's: its progress, or the verdict over both pictures."""
        mine = [job for job in self._studio.queue.jobs(owner) if job.kind == reproduce.KIND] if owner else []
        if not mine:
            return [gr.skip(), gr.skip(), gr.Timer(active=False)]
        job = max(mine, key=lambda one: one.created)
        if job.status in OPEN:
            return [self._progress(job), gr.update(visible=False), gr.Timer(active=True)]
        pair = self._pair(job)
        return [self._ended(job), gr.update(value=pair, visible=bool(pair)), gr.Timer(active=False)]

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
