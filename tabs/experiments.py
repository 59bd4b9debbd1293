"""Experiments: up to three axes over the settings of txt2img, painted as one job that shows itself cell by cell.

The base is read from the txt2img form at the moment of the click. What the table of cells looks like is
`tabs.experiment_table`'s business; what a grid is, `pipelines.experiments`'.
"""

from __future__ import annotations

import html
import tempfile
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines import contact_sheet, experiments
from pipelines.grid import Grid
from pipelines.grid.ready import Ready, ready
from pipelines.queue import Job
from pipelines.spec.errors import StudioError
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from tabs import experiment_table
from tabs.form import refused
from tabs.listeners import QUIET, SPOKEN
from tabs.page import Page
from tabs.reproduce import Reproduce
from tabs.send import settle
from tabs.undo import keeping

BUSY, MANY, IDLE = 0.7, 3.0, 5.0        # seconds between two looks; MANY for a large grid
OPEN = ("queued", "running")
SIDES = ("x", "y", "z")
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


def build(studio: Studio, page: Page) -> None:
    """Place the tab; it is wired once all forms exist."""
    tab = Experiments(studio, page)
    with gr.Row(elem_classes="workbench"):
        with gr.Column(scale=4, min_width=340, elem_classes="controls"):
            tab.controls()
            again = Reproduce(studio, page)
        with gr.Column(scale=7, min_width=340, elem_classes="easel"):
            tab.results()
    page.later += [tab.wire, again.wire]


class Experiments:
    """Makes its components in `controls` and `results`; `wire` connects them."""

    def __init__(self, studio: Studio, page: Page) -> None:
        self._studio, self._page, self._words = studio, page, studio.words
        self._looked = gr.State(Looked())
        self._timer = gr.Timer(IDLE)
        self.kinds: dict[str, gr.Dropdown] = {}
        self.values: dict[str, gr.Textbox] = {}
        self._fill: dict[str, gr.Button] = {}

    # -- components ----------------------------------------------------------------------------------------------------

    def controls(self) -> None:
        words = self._words
        with gr.Column(elem_classes="card"):
            gr.HTML(f'<p class="told">{html.escape(words("experiment_base"))}</p>')
            self.ready = gr.Dropdown([(words(one.word), one.name) for one in ready()], value=None, label=words("ready_made"),
                                     elem_id="experiments-ready")
            self.base = gr.Radio([(words(name), name) for name in self._page.forms], value="txt2img",
                                 label=words("experiment_base_tab"), elem_id="experiments-base")
        for side in SIDES:
            self._axis(side)
        self.exact = gr.Checkbox(False, label=words("exact_cells"), info=words("exact_cells_told"), elem_id="experiments-exact")
        with gr.Row(elem_classes="chips"):
            self.swap = gr.Button("⇄ " + words("swap_axes"), size="sm", min_width=120, elem_id="experiments-swap")
            self.count = gr.Button(words("count_cells"), size="sm", min_width=120, elem_id="experiments-count")
        self.told = gr.HTML("", elem_id="experiments-told")
        with gr.Row(elem_classes="actions"):
            self.generate = gr.Button(words("generate"), variant="primary", scale=4, elem_id="experiments-generate")
            self.cancel = gr.Button(words("cancel"), variant="stop", min_width=80, interactive=False,
                                    elem_id="experiments-cancel")
            self.retry = gr.Button(words("go_on"), min_width=80, visible=False, elem_id="experiments-retry")

    def _axis(self, side: str) -> None:
        words = self._words
        found = experiments.axis_kinds(self._studio)
        choices = [("–", "")] + [(words.label(k.key, k.label), k.key) for k in found.values()]
        with gr.Row(elem_classes="card"):
            self.kinds[side] = gr.Dropdown(choices, value="cfg_scale" if side == "x" else "",
                                           label=words("axis", name=side.upper()),
                                           min_width=150, scale=2, elem_id=f"experiments-{side}")
            self.values[side] = gr.Textbox("3-9 (+2)" if side == "x" else "", label=words("values"), lines=1, max_lines=8,
                                           min_width=160, scale=3, elem_id=f"experiments-{side}-values")
            self._fill[side] = gr.Button(words("fill"), size="sm", min_width=70, elem_id=f"experiments-{side}-fill")

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

    # -- wiring --------------------------------------------------------------------------------------------------------

    def wire(self) -> None:
        owner, looked = self._page.owner, self._looked
        settings = {self.base, self.ready, self.exact, *(c for form in self._page.forms.values() for c in form.whole)}
        axes = [c for side in SIDES for c in (self.kinds[side], self.values[side])]
        asked = {*settings, *axes, owner}
        seen = [self.stage, self.table, self.cancel, self.retry, self.after, self._timer, looked]
        panel = [self.panel, self.name, self.picture, self.slider, looked]
        for side in SIDES:
            self._fill[side].click(self._filled(side), {*settings, self.kinds[side]}, self.values[side], **SPOKEN)
        self.ready.input(self._ready, settings, [self.base, *axes], **SPOKEN)
        self.swap.click(lambda a, b, c, d: (c, d, a, b), axes[:4], axes[:4], **SPOKEN)
        self.count.click(self._counted, asked, self.told, **SPOKEN)
        self.generate.click(self._submit, asked, [owner, self.told], trigger_mode="multiple", **SPOKEN).success(
            self._look, [owner, looked], seen, **SPOKEN)
        self.cancel.click(self._act("cancel"), owner, None, **SPOKEN)
        self.retry.click(self._act("retry"), owner, None, **SPOKEN).then(self._look, [owner, looked], seen, **SPOKEN)
        self._timer.tick(self._look, [owner, looked], seen, **QUIET)
        self._page.blocks.load(self._look, [owner, looked], seen, **QUIET)
        self.table.select(self._choose, [owner, looked], panel, **SPOKEN)
        self.first.click(lambda now: replace(now, first=now.cell), looked, looked, **SPOKEN)
        send = keeping(self._page.forms["inpaint"], self.send.click)
        settle(self._page, "inpaint", send(self._send, [owner, looked], self._page.targets, **SPOKEN))
        for button, kind in ((self.sheet, "png"), (self.web, "html"), (self.csv, "csv")):
            button.click(self._file(kind), owner, self.file, **SPOKEN).success(None, None, None, js=FETCH)

    # -- what is asked for ---------------------------------------------------------------------------------------------

    def _grid(self, data: Mapping[Component, Any]) -> Grid:
        chosen = [(data[self.kinds[s]], data[self.values[s]] or "") for s in SIDES if data[self.kinds[s]]]
        try:
            return experiments.grid_of(self._studio, self._base(data, data[self.base]), chosen, data[self.exact])
        except StudioError as error:
            raise refused(error) from None

    def _base(self, data: Mapping[Component, Any], name: str) -> GenerationRequest:
        """What the tab `name` holds; where it says nothing, what the chosen ready-made experiment says. Raises StudioError."""
        form, chosen = self._page.forms[name], self._chosen(data)
        if chosen is None:
            return form.read(data)
        try:
            base = form.read(data)
        except StudioError:
            if not chosen.start:
                raise
            base = form.read({component: data[component] for component in form.inputs})     # without the picture it lacks
        return experiments.filled(self._studio, base, chosen)

    def _chosen(self, data: Mapping[Component, Any]) -> Ready | None:
        return next((one for one in ready() if one.name == data[self.ready]), None)

    def _filled(self, side: str) -> Callable[[Mapping[Component, Any]], str]:
        def fill(data: Mapping[Component, Any]) -> str:
            return self._suggestion(data[self.kinds[side]], data)

        return fill

    def _suggestion(self, key: str, data: Mapping[Component, Any]) -> str:
        try:
            return experiments.kind_of(self._studio, key).fill(self._base(data, data[self.base])) if key else ""
        except StudioError as error:
            raise refused(error) from None

    def _ready(self, data: Mapping[Component, Any]) -> list[Any]:
        """The tab to start from, then axis and values for x, y, z."""
        found = self._chosen(data)
        if found is None:
            return [gr.skip()] * (1 + 2 * len(SIDES))
        filled = [found.base]
        for key, values in (*found.axes, *[("", "")] * (len(SIDES) - len(found.axes))):
            filled += [key, values or self._suggestion(key, data)]
        return filled

    def _counted(self, data: Mapping[Component, Any]) -> str:
        grid = self._grid(data)
        guess, words = experiments.expected(self._studio, grid), self._words
        parts = [words("cells", count=guess.cells)]
        parts.append(words("time_unknown") if guess.seconds is None else words("about_time", time=clock(guess.seconds)))
        if guess.bytes is not None:
            parts.append(f"{guess.bytes / 2**20:.1f} MiB")
        return f'<p class="told">{html.escape(" · ".join(parts))}</p>'

    def _submit(self, data: Mapping[Component, Any]) -> tuple[str, str]:
        grid, told = self._grid(data), self._counted(data)
        owner = data[self._page.owner] or uuid.uuid4().hex
        try:
            experiments.submit(self._studio, grid, owner)
        except StudioError as error:
            raise refused(error) from None
        return owner, told

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
        return [gr.Column(visible=True), name, path, gr.update(value=pair, visible=bool(pair)), replace(now, cell=cell)]

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


def clock(seconds: float) -> str:
    """9.4 gives "9 s", 75 "1:15", 3700 "1:01:40"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    head = f"{whole // 3600}:{whole // 60 % 60:02d}" if whole >= 3600 else str(whole // 60)
    return f"{head}:{whole % 60:02d}"
