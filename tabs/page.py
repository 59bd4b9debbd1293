"""What the tabs of one page share: who looks at it, what each form held last, and how one tab hands settings to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from pipelines.spec.errors import FieldError
from pipelines.spec.param import declared
from pipelines.spec.request import GenerationRequest
from tabs.form import Form


@dataclass
class Page:
    """Made by the shell; `secret` is stored with the user's data, or what the browser keeps would be lost at a restart."""

    blocks: gr.Blocks
    tabs: gr.Tabs
    owner: gr.BrowserState
    secret: str
    forms: dict[str, Form] = field(default_factory=dict)

    def remember(self, form: Form, name: str = "txt2img") -> None:
        """Keep the form in the browser at every change, without asking the server, and bring it back on load."""
        self.forms[name] = form
        kept = gr.BrowserState(None, storage_key=f"atelier-{name}", secret=self.secret)
        components, paths = list(form.fields.values()), list(form.fields)
        gr.on([c.change for c in components], None, components, kept, js="(...values) => [values]", queue=False,
              show_progress="hidden", api_visibility="private")

        def bring_back(values: Any) -> list[Any]:
            held = dict(zip(paths, values, strict=False)) if isinstance(values, list) else {}
            return form.write(usable(held, form))

        self.blocks.load(bring_back, kept, form.outputs, queue=False, show_progress="hidden", api_visibility="private")

    def hand_over(self, name: str, request: GenerationRequest) -> list[Any]:
        """Updates for `[tabs, *forms[name].outputs]`: show that tab with this request in its form."""
        return [gr.Tabs(selected=name), *self.forms[name].write_all(request)]


def usable(values: Mapping[str, Any], form: Form) -> dict[str, Any]:
    """Those kept values that the fields of today still take (a browser keeps what an older studio wrote)."""
    result = {}
    for row in declared(GenerationRequest):
        if row.path not in values:
            continue
        try:
            value = row.param.check(values[row.path], row.kind)
        except FieldError:
            continue
        names = [c[0] if isinstance(c, tuple) else c for c in getattr(form.fields[row.path], "choices", None) or ()]
        if row.param.source and not set([value] if isinstance(value, str) else value) <= set(names):
            continue
        result[row.path] = value
    return result
