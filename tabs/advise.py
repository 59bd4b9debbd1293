"""Verdicts as small strips under the sliders: the band, where the value stands in it, why, and a button that mends it."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines.spec.errors import StudioError
from pipelines.spec.param import declared
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from tabs.form import Form

# A click on the strip's button carries the value to set out of the browser.
CLICK = """element.addEventListener('click', (e) => {
  const button = e.target.closest('button[data-set]');
  if (button) trigger('select', {value: button.dataset.set});
})"""


class Advisor:
    """The strips of one form. `strip(path)` makes one here; `wire()` once all fields exist."""

    def __init__(self, studio: Studio, form: Form) -> None:
        self._studio, self._form = studio, form
        self._ranges = {d.path: d.param for d in declared(GenerationRequest)}
        self.strips: dict[str, gr.HTML] = {}

    def strip(self, path: str) -> gr.HTML:
        self.strips[path] = gr.HTML("", js_on_load=CLICK, elem_classes="advice", elem_id=f"advice-{self._form.elem_id(path)}")
        return self.strips[path]

    def wire(self) -> None:
        """Refresh every strip when any field changes; set the field when a strip's button is clicked."""
        triggers = [c.change for p, c in self._form.fields.items() if p not in ("seed", "styles", "batch_count")]
        gr.on(triggers, self.refresh, inputs=self._form.inputs, outputs=list(self.strips.values()), queue=False,
              show_progress="hidden", trigger_mode="always_last", api_visibility="private")
        for path, strip in self.strips.items():
            if path in self._form.fields:
                strip.select(self._setter(path), outputs=self._form.fields[path], queue=False, show_progress="hidden",
                             api_visibility="private")

    def _setter(self, path: str) -> Any:
        kind = next(d.kind for d in declared(GenerationRequest) if d.path == path)

        def set_recommended(event: gr.EventData) -> Any:
            return kind(float(event.value)) if kind in (int, float) else event.value

        return set_recommended

    def refresh(self, data: Mapping[Component, Any]) -> list[str]:
        """HTML of every strip for what the form holds now; a form that is being typed in shows no advice."""
        try:
            request = self._form.read(data)
            family = self._studio.model(request.model).family
        except StudioError:
            return ["" for _ in self.strips]
        verdicts = self._studio.advice.all(request, family)
        return [self.shown(path, verdicts.get(path), request) for path in self.strips]

    def shown(self, path: str, verdict: Any, request: GenerationRequest) -> str:
        if verdict is None:
            return ""
        value = getattr(request, path, None)
        bar = _bar(verdict.band, self._ranges[path], value) if path in self._ranges else ""
        mend = ""
        if verdict.recommended is not None and verdict.recommended != value:
            wanted = html.escape(f"{verdict.recommended:g}" if isinstance(verdict.recommended, (int, float))
                                 else str(verdict.recommended))
            label = html.escape(self._studio.words("set_recommended")).replace("{value}", wanted)
            mend = f'<button type="button" data-set="{wanted}">{label}</button>'
        return (f'<div class="verdict {verdict.level}">{bar}<span class="dot"></span>'
                f'<b>{html.escape(verdict.label)}</b> <span class="why">{html.escape(verdict.text)}</span>{mend}</div>')


def _bar(band: tuple[float, float] | None, param: Any, value: Any) -> str:
    """The recommended band along the slider's own range, and a mark at the value."""
    if band is None or param.minimum is None or not isinstance(value, (int, float)):
        return ""
    low, span = param.minimum, (param.maximum - param.minimum) or 1
    left, right = ((x - low) / span * 100 for x in band)
    mark = (value - low) / span * 100
    return (f'<span class="band"><span class="good" style="left:{left:.1f}%;width:{max(1.0, right - left):.1f}%"></span>'
            f'<span class="mark" style="left:{mark:.1f}%"></span></span>')
