"""Experiments: up to three axes over the settings of a tab, counted first, then painted as one job.

The base is read from the chosen tab's form at the moment of the click. How the job shows itself is `tabs.experiment_view`'s
business; what a grid is, `pipelines.experiments`'.
"""

from __future__ import annotations

import html
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines import experiments
from pipelines.grid import AxisKind, Grid
from pipelines.grid.ready import Ready, ready
from pipelines.spec.errors import StudioError
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from pipelines.tasks.footprint import gib
from pipelines.words import Words
from tabs.experiment_view import View
from tabs.form import refused
from tabs.listeners import QUIET, SPOKEN
from tabs.page import Page
from tabs.reproduce import Reproduce

SIDES = ("x", "y", "z")


def build(studio: Studio, page: Page) -> None:
    """Place the tab; it is wired once all forms exist."""
    tab = Experiments(studio, page)
    with gr.Row(elem_classes="workbench"):
        with gr.Column(scale=4, min_width=340, elem_classes="controls"):
            tab.controls()
            again = Reproduce(studio, page)
        with gr.Column(scale=7, min_width=340, elem_classes="easel"):
            tab.view.results()
    page.later += [tab.wire, again.wire]


class Experiments:
    """Makes its components in `controls`; `wire` connects them and those of its `view`."""

    def __init__(self, studio: Studio, page: Page) -> None:
        self._studio, self._page, self._words = studio, page, studio.words
        self.view = View(studio, page)
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
        with gr.Row(elem_classes="chips"):
            self.swap = gr.Button("⇄ " + words("swap_axes"), size="sm", min_width=120, elem_id="experiments-swap")
            self.count = gr.Button(words("count_cells"), size="sm", min_width=120, elem_id="experiments-count")
        self.told = gr.HTML("", elem_id="experiments-told")
        with gr.Row(elem_classes="actions"):
            self.generate = gr.Button(words("generate"), variant="primary", scale=4, elem_id="experiments-generate")
            self.view.stops()
        with gr.Column(elem_classes="card"):
            self.exact = gr.Checkbox(False, label=words("exact_cells"), info=words("exact_cells_told"), elem_id="experiments-exact")

    def _axis(self, side: str) -> None:
        words = self._words
        found = experiments.axis_kinds(self._studio)
        self._hints = {"": ""} | {kind.key: kind.hint for kind in found.values()}
        choices = [("–", "")] + [(axis_label(words, kind), kind.key) for kind in found.values()]
        with gr.Column(elem_classes=["card", "axis"]):      # one below the other: names are long, and so are lists of values
            self.kinds[side] = gr.Dropdown(choices, value="cfg_scale" if side == "x" else "",
                                           label=words("axis", name=side.upper()), elem_id=f"experiments-{side}")
            with gr.Row(elem_classes="values"):
                self.values[side] = gr.Textbox("3-9 (+2)" if side == "x" else "", label=words("values"), lines=1, max_lines=8,
                                               placeholder=self._hints["cfg_scale" if side == "x" else ""] or words("values"),
                                               show_label=False, min_width=160, scale=3, elem_id=f"experiments-{side}-values")
                self._fill[side] = gr.Button(words("fill"), size="sm", min_width=70, elem_id=f"experiments-{side}-fill")

    def wire(self) -> None:
        owner = self._page.owner
        settings = {self.base, self.ready, self.exact, *(c for form in self._page.forms.values() for c in form.whole)}
        axes = [c for side in SIDES for c in (self.kinds[side], self.values[side])]
        asked = {*settings, *axes, owner}
        for side in SIDES:
            self.kinds[side].change(self._hinted, self.kinds[side], self.values[side], **QUIET)
            self._fill[side].click(self._filled(side), {*settings, self.kinds[side]}, self.values[side], **SPOKEN)
        self.ready.input(self._ready, settings, [self.base, *axes], **SPOKEN)
        self.swap.click(lambda a, b, c, d: (c, d, a, b), axes[:4], axes[:4], **SPOKEN)
        self.count.click(self._counted, asked, self.told, **SPOKEN)
        submitted = self.generate.click(self._submit, asked, [owner, self.told], trigger_mode="multiple", **SPOKEN)
        self.view.look_after(submitted.success)
        self.view.wire()
        noted = [self.base, self.exact, *axes]
        self._page.keep("experiments", noted, len(noted), self.brought_back)

    def _hinted(self, key: str | None) -> dict[str, Any]:
        return gr.update(placeholder=self._hints.get(key or "") or self._words("values"))

    def brought_back(self, values: Any) -> list[Any]:
        """What stood in the axes before the page was loaded again; as it is where that cannot be used any more."""
        usual = [gr.skip()] * (2 + 2 * len(SIDES))
        if not isinstance(values, list) or len(values) != len(usual):
            return usual
        base, exact, *axes = values
        fits = base in self._page.forms and all(isinstance(one, str) for one in axes) and set(axes[::2]) <= set(self._hints)
        return [base, bool(exact), *axes] if fits else usual

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
        if guess.memory is not None:
            parts.append(words("memory_about", size=gib(guess.memory)))
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


def clock(seconds: float) -> str:
    """9.4 gives "9 s", 75 "1:15", 3700 "1:01:40"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    head = f"{whole // 3600}:{whole // 60 % 60:02d}" if whole >= 3600 else str(whole // 60)
    return f"{head}:{whole % 60:02d}"


def axis_label(words: Words, kind: AxisKind) -> str:
    """In the visitor's language: of a field, of a field of the first ControlNet unit, or of what is more than a field."""
    if f"axis_{kind.key}" in words.names():
        return words(f"axis_{kind.key}")
    name = kind.key.removeprefix("control_")
    labels = {path: words.label(path, "?") for path in (f"control.{name}", f"control.control_{name}")}
    unit = next((label for label in labels.values() if label != "?"), "")
    return f"ControlNet: {unit}" if name != kind.key and unit else words.label(kind.key, kind.label)
