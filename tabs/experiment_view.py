"""How a grid job is looked at: its cells as they come, the chosen one against the one put first, and files to take away.

What was asked for is `tabs.experiments`' business; what the table of cells looks like, `tabs.experiment_table`'s.
"""

from __future__ import annotations

import html
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines import contact_sheet, experiments
from pipelines.queue import Job
from pipelines.spec.errors import StudioError
from pipelines.studio import Studio
from tabs import experiment_table
from tabs.form import refused
from tabs.listeners import QUIET, SPOKEN
from tabs.page import Page
from tabs.send import settle
from tabs.undo import keeping

BUSY, MANY, IDLE = 0.7, 3.0, 5.0        # seconds between two looks; MANY for a large grid
OPEN = ("queued", "running")
MOST_TIMED = 400        # cells whose files are read for the chart of times
FETCH = """() => setTimeout(() => {         // a download button fetches what it held before the click, so another one is pressed
  const found = document.querySelector('#experiments-file');
  (found?.matches('a, button') ? found : found?.querySelector('a, button'))?.click(); }, 250)"""


@dataclass(frozen=True)
class Looked:
    """What one visitor looks at: the job and how much of it is on screen, the chosen cell, and the one put first."""

    job: str = ""
    shown: str = ""
    cell: int = -1
    first: int = -1


class View:
    """Makes its components in `stops` and `results`; `wire` connects them."""

    def __init__(self, studio: Studio, page: Page) -> None:
        self._studio, self._page, self._words = studio, page, studio.words
        self._looked = gr.State(Looked())
        self._timer = gr.Timer(IDLE)

    # -- components ----------------------------------------------------------------------------------------------------

    def stops(self) -> None:
        """Beside Generate."""
        words = self._words
        self.cancel = gr.Button(words("cancel"), variant="stop", min_width=80, interactive=False, elem_id="experiments-cancel")
        self.retry = gr.Button(words("go_on"), min_width=80, visible=False, elem_id="experiments-retry")

    def results(self) -> None:
        words = self._words
        self.stage = gr.HTML("", elem_id="experiments-stage")
        self.table = gr.HTML("", js_on_load=experiment_table.CLICK, elem_id="experiments-table")
        with gr.Row(elem_classes="chips", visible=False) as self.after:
            self.sheet = gr.Button(words("grid_picture"), size="sm", min_width=120, elem_id="experiments-sheet")
            self.web = gr.Button(words("grid_page"), size="sm", min_width=120, elem_id="experiments-page")
            self.csv = gr.Button("CSV", size="sm", min_width=80, elem_id="experiments-csv")
            self.file = gr.DownloadButton("", visible="hidden", elem_id="experiments-file")
        with gr.Column(visible=False) as self.panel:
            self.name = gr.HTML("", elem_id="experiments-cell")
            self.picture = gr.Image(type="filepath", interactive=False, show_label=False, buttons=["download", "fullscreen"],
                                    height=420, elem_id="experiments-picture")
            with gr.Row(elem_classes="chips"):
                self.send = gr.Button(words("send_to_txt2img"), variant="primary", size="sm", min_width=120,
                                      elem_id="experiments-send")
                self.first = gr.Button(words("put_first"), size="sm", min_width=120, elem_id="experiments-first")
            self.slider = gr.ImageSlider(type="filepath", interactive=False, show_label=False, max_height=480, visible=False,
                                         elem_id="experiments-slider")

    def wire(self) -> None:
        owner, looked = self._page.owner, self._looked
        panel = [self.panel, self.name, self.picture, self.slider, looked]
        self.cancel.click(self._act("cancel"), owner, None, **SPOKEN)
        self.look_after(self.retry.click(self._act("retry"), owner, None, **SPOKEN).then)
        for when in (self._timer.tick, self._page.blocks.load):
            when(self._look, [owner, looked], self._seen, **QUIET)
        self.table.select(self._choose, [owner, looked], panel, **SPOKEN)
        self.first.click(lambda now: replace(now, first=now.cell), looked, looked, **SPOKEN)
        send = keeping(self._page.forms["inpaint"], self.send.click)
        settle(self._page, "inpaint", send(self._send, [owner, looked], self._page.targets, **SPOKEN))
        for button, kind in ((self.sheet, "png"), (self.web, "html"), (self.csv, "csv")):
            button.click(self._file(kind), owner, self.file, **SPOKEN).success(None, None, None, js=FETCH)

    def look_after(self, event: Callable[..., Any]) -> None:
        """Look again once `event` (a listener's `then` or `success`) has happened."""
        event(self._look, [self._page.owner, self._looked], self._seen, **SPOKEN)

    @property
    def _seen(self) -> list[Any]:
        return [self.stage, self.table, self.cancel, self.retry, self.after, self._timer, self._looked]

    # -- what is shown -------------------------------------------------------------------------------------------------

    def job(self, owner: str) -> Job | None:
        """The grid this visitor sees: the running one, else the next waiting, else the newest."""
        mine = [j for j in self._studio.queue.jobs(owner) if j.kind == experiments.KIND]
        for status in ("running", "queued"):
            for job in mine:
                if job.status == status:
                    return job
        return max(mine, key=lambda j: j.created, default=None)

    def _act(self, what: str) -> Callable[[str], None]:
        def act(owner: str) -> None:
            job = self.job(owner)
            try:
                if job is not None:
                    getattr(self._studio.queue, what)(job.id, owner)
            except StudioError as error:
                raise refused(error) from None

        return act

    def _look(self, owner: str, now: Looked) -> list[Any]:
        job = self.job(owner) if owner else None
        if job is None:
            empty = f'<div class="stage empty"><p>{html.escape(self._words("no_experiment"))}</p></div>'
            return [empty, "", gr.Button(interactive=False), gr.Button(visible=False), gr.Row(visible=False), gr.Timer(IDLE), now]
        busy = job.status in OPEN
        stage = experiment_table.stage(self._studio.queue.watch(job.id), job, self._words)
        key = f"{job.id} {job.status} {len(job.files)} {len(job.notes)}"
        pause = gr.Timer(IDLE if not busy else BUSY if job.count <= 100 else MANY)
        buttons = [gr.Button(interactive=busy), gr.Button(visible=job.can_retry)]
        if key == now.shown:
            return [stage, gr.skip(), *buttons, gr.skip(), pause, now]
        now = replace(now, shown=key) if job.id == now.job else Looked(job.id, key)
        return [stage, self._drawn(job), *buttons, gr.Row(visible=bool(job.files)), pause, now]

    def _drawn(self, job: Job) -> str:
        try:
            grid = experiments.of_job(job)
            table = experiment_table.table(grid, job, self._words)
            if job.status in OPEN or len(job.files) > MOST_TIMED:
                return table
            return table + experiment_table.bars(grid, experiments.seconds(self._studio, job.files), self._words)
        except StudioError as error:
            return f'<p class="told">{html.escape(str(error))}</p>'

    def _choose(self, owner: str, now: Looked, event: gr.EventData) -> list[Any]:
        job = self.job(owner)
        cell = int(event.cell)
        if job is None or cell not in job.files:
            return [gr.skip()] * 5
        grid, archive = experiments.of_job(job), self._studio.archive
        try:
            path = str(archive.open(job.files[cell]))
            pair = (str(archive.open(job.files[now.first])), path) if now.first in job.files and now.first != cell else None
        except StudioError as error:
            raise refused(error) from None
        name = f'<p class="told">{html.escape(grid.name(cell))}</p>'
        if pair:
            name += f'<p class="told">{html.escape(self._words("compared_with", name=grid.name(now.first)))}</p>'
        return [gr.Column(visible=True), name, gr.update(value=path, visible=not pair),
                gr.update(value=pair, visible=bool(pair)), replace(now, cell=cell)]

    def _send(self, owner: str, now: Looked) -> list[Any]:
        job = self.job(owner)
        if job is None or now.cell not in job.files:
            return self._page.stay()
        try:
            read = self._studio.archive.read(job.files[now.cell])
        except StudioError as error:
            raise refused(error) from None
        return self._page.hand_over(read.full) if read.full else self._page.stay()

    def _file(self, kind: str) -> Callable[[str], Any]:
        def write(owner: str) -> Any:
            job = self.job(owner)
            if job is None:
                return gr.skip()
            return self.written(job, kind)

        return write

    def written(self, job: Job, kind: str) -> str:
        """A file of the grid for the browser to fetch: "png", "html" or "csv"."""
        grid, root = experiments.of_job(job), self._studio.settings.outputs_dir
        uploads = self._studio.settings.uploads_dir
        uploads.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(dir=uploads)) / f"grid-{job.id}.{kind}"

        def find(cell: int) -> Path | None:
            return root / job.files[cell] if cell in job.files else None

        with path.open("wb") as out:
            if kind == "png" and (note := contact_sheet.draw(grid, find, out)):
                gr.Info(html.escape(note))
            elif kind == "html":
                contact_sheet.page(grid, find, out, experiments.scores(self._studio, grid, job.files))
            elif kind == "csv":
                contact_sheet.table(grid, find, out, experiment_table.errors(grid, job.notes),
                                    experiments.scores(self._studio, grid, job.files))
        return str(path)
