"""Verdicts as small strips under the sliders: the band, where the value stands in it, why, and a button that mends it."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines.advice import Verdict, Zone
from pipelines.loading.identity_files import PHOTOMAKER, find_identity
from pipelines.patches.photomaker.rules import mended
from pipelines.spec.errors import StudioError
from pipelines.spec.param import Param, declared
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from tabs.changes import TEXTS
from tabs.form import Form, flattened

# A click on the strip's button carries the value to set out of the browser.
CLICK = """element.addEventListener('click', (e) => {
  const button = e.target.closest('button[data-set]');
  if (button) trigger('select', {value: button.dataset.set});
})"""


STRENGTH, HIRES_STEPS, ADAPTER = "init.denoising_strength", "hires.steps", "identity.adapter"


class Advisor:
    """The strips of one form. `place(path)` makes one here; `wire()` once all fields exist."""

    def __init__(self, studio: Studio, form: Form) -> None:
        self._studio, self._form = studio, form
        self._ranges = {d.path: d.param for d in declared(GenerationRequest)}
        self.strips: dict[str, gr.HTML] = {}
        self._told: dict[gr.HTML, Callable[[GenerationRequest], str]] = {}

    def place(self, path: str) -> gr.HTML:
        """Make the strip of one field here."""
        self.strips[path] = gr.HTML("", js_on_load=CLICK, elem_classes="advice", padding=False,
                                    elem_id=f"advice-{self._form.elem_id(path)}")
        return self.strips[path]

    def tell(self, line: gr.HTML, say: Callable[[GenerationRequest], str]) -> None:
        """Let `line` show what another room says of the same request, which is read but once."""
        self._told[line] = say

    def wire(self, blocks: gr.Blocks, *also: Any) -> None:
        """Refresh every strip on load, when any field changes and when `also` happens; a strip's button sets the fields it speaks
        of."""
        triggers = [blocks.load, *also, *(c.change for p, c in self._form.fields.items() if p not in ("seed", "styles"))]
        gr.on(triggers, self.refresh, inputs=self._form.inputs, outputs=[*self.strips.values(), *self._told], queue=False,
              show_progress="hidden", trigger_mode="always_last", api_visibility="private")
        for strip in self.strips.values():
            strip.select(self._follow, outputs=self._form.outputs, queue=False, show_progress="hidden",
                         api_visibility="private")

    def _follow(self, event: gr.EventData) -> list[Any]:
        """Set what the strip's button says; the request checks it like anything that comes from a browser."""
        try:
            changes = json.loads(event.value)
            GenerationRequest.parse(changes)
        except (StudioError, ValueError, TypeError) as error:
            raise gr.Error(html.escape(str(error)), print_exception=False) from None
        return self._form.write(changes)

    def refresh(self, data: Mapping[Component, Any]) -> list[str]:
        """HTML of every strip for what the form holds now; a form that is being typed in shows no advice."""
        try:
            request = self._form.read(data)
            family = self._studio.model(request.model).family
        except StudioError:
            return [""] * (len(self.strips) + len(self._told))
        verdicts = self._studio.advice.all(request, family)
        values = self._form.values(data)
        started = request.merged({"init": {STRENGTH.partition(".")[2]: values[STRENGTH]}}) if STRENGTH in values else request
        if STRENGTH in values:
            verdicts[STRENGTH] = self._on_strength(request, values[STRENGTH], family)
        if values.get(ADAPTER) and "prompt" in verdicts["prompt"].changes:
            verdicts["prompt"] = self._triggered(request.model, values[ADAPTER], verdicts["prompt"])
        if not values.get(HIRES_STEPS):     # as many as the first pass: there the mark stands
            values[HIRES_STEPS] = values.get("steps")
        return [*(self.shown(path, verdicts.get(path), values.get(path)) for path in self.strips),
                *(say(started) for say in self._told.values())]

    def _on_strength(self, request: GenerationRequest, value: float, family: Any) -> Verdict:
        """The word on the denoising strength, which stands on a scale of its own; a form that knows masks paints under one."""
        if "inpaint.mask_blur" in self._form.fields:
            request = request.merged({"inpaint": {}})
        verdict = self._studio.advice.strength(request, value, family)
        return replace(verdict, changes={"init": dict(verdict.changes)} if verdict.changes else {})

    def _triggered(self, model: str, adapter: str, verdict: Verdict) -> Verdict:
        """The word on the prompt; what it offers has the trigger, where the adapter that would be taken wants one."""
        try:
            way = find_identity(self._studio.library, self._studio.model(model), adapter).way
        except StudioError:         # said beside the photos
            return verdict
        offered = mended(str(verdict.changes["prompt"])) if way == PHOTOMAKER else ""
        return replace(verdict, recommended=offered, changes={"prompt": offered}) if offered else verdict

    def shown(self, path: str, verdict: Verdict | None, value: Any) -> str:
        """One strip: the slider cut into zones, the value in it, the verdict, and the button that follows the advice."""
        if verdict is None:
            return ""
        bar = _bar(verdict.zones, self._ranges[path], value) if path in self._ranges else ""
        mend = ""
        if verdict.changes:
            wanted = self._wanted(flattened(verdict.changes))
            label = self._studio.words("try_words" if path in TEXTS else "set_recommended").replace("{value}", wanted)
            changes = html.escape(json.dumps(dict(verdict.changes)), quote=True)
            mend = f'<button type="button" data-set="{changes}">{html.escape(label)}</button>'
        return (f'<div class="verdict {verdict.level}" title="{html.escape(verdict.note, quote=True)}">{bar}'
                f'<span class="dot"></span><b>{html.escape(verdict.label)}</b> '
                f'<span class="why">{html.escape(verdict.text)}</span>{mend}</div>')


    def _wanted(self, changes: Mapping[str, Any]) -> str:
        """The values that a button would set, of several fields each behind its name."""
        said = {path: f"{value:g}" if isinstance(value, float) else str(value) for path, value in changes.items()}
        if len(said) == 1:
            return str(*said.values())
        return ", ".join(f"{self._studio.words.label(path)} {value}" for path, value in said.items())


def _bar(zones: Sequence[Zone], param: Param, value: Any) -> str:
    """The slider's own range in the colours of its zones, and a mark at the value."""
    if not zones or param.minimum is None or param.maximum is None or not isinstance(value, (int, float)):
        return ""
    low, span = param.minimum, (param.maximum - param.minimum) or 1

    def at(x: float) -> float:
        return min(100.0, max(0.0, (x - low) / span * 100))

    parts = "".join(f'<i class="{z.level}" style="left:{at(z.low):.1f}%;width:{at(z.high) - at(z.low):.1f}%"></i>'
                    for z in zones)
    return f'<span class="band">{parts}<span class="mark" style="left:{at(value):.1f}%"></span></span>'
