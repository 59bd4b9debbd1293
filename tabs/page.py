"""What the tabs of one page share: who looks at it, what each form held last, and how one tab hands settings to another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines.spec.errors import FieldError, StudioError
from pipelines.spec.param import declared
from pipelines.spec.request import GenerationRequest
from tabs.form import SWITCHES, Form


@dataclass
class Page:
    """Made by the shell; `secret` is stored with the user's data, or what the browser keeps would be lost at a restart."""

    blocks: gr.Blocks
    tabs: gr.Tabs
    owner: gr.BrowserState
    secret: str
    forms: dict[str, Form] = field(default_factory=dict)
    doors: dict[str, Component] = field(default_factory=dict)       # fields for pictures of tabs that have no form
    painters: dict[str, Callable[..., None]] = field(default_factory=dict)      # `Runner.submit_on` of each tab that paints
    later: list[Callable[[], None]] = field(default_factory=list)   # what needs all forms; the shell calls it at the end

    def remember(self, form: Form) -> None:
        """Keep the form in the browser at every change, without asking the server, and bring it back on load.

        Pictures are not kept: a browser has room for a few megabytes only.
        """
        self.forms[form.prefix] = form
        kept = self.memory(form.prefix)
        components, paths = noted(form), list(form.fields)
        gr.on([c.change for c in components], None, components, kept, queue=False, show_progress="hidden",
              api_visibility="private", js=f"(...values) => {{ window.atelierUndo?.note({form.prefix!r}, values); "
                                           f"return [values.slice(0, {len(paths)})]; }}")

        def bring_back(values: Any) -> list[Any]:
            held = dict(zip(paths, values, strict=False)) if isinstance(values, list) else {}
            return form.write(usable(held, form))

        self.blocks.load(bring_back, kept, form.outputs, queue=False, show_progress="hidden", api_visibility="private")

    def memory(self, name: str) -> gr.BrowserState:
        """What the browser keeps under this name, out of the tab that is being placed: Gradio reads it only if on screen."""
        kept = gr.BrowserState(None, storage_key=f"atelier-{name}", secret=self.secret)
        if kept.parent is not None:
            kept.parent.children.remove(kept)
        self.blocks.add(kept)
        return kept

    @property
    def targets(self) -> list[Component]:
        """Outputs of every handler that hands something to another tab."""
        return [self.tabs, *(c for form in self.forms.values() for c in form.outputs)]

    def show(self, name: str, updates: list[Any]) -> list[Any]:
        """Updates for `targets`: open that tab with these updates of its form; the other forms stay."""
        shown: list[Any] = [gr.Tabs(selected=name)]
        for other, form in self.forms.items():
            shown += updates if other == name else [gr.skip()] * len(form.outputs)
        return shown

    def stay(self) -> list[Any]:
        """Updates for `targets` that change nothing."""
        return [gr.skip()] * len(self.targets)

    def hand_over(self, request: GenerationRequest) -> list[Any]:
        """Updates for `targets`: this request in the tab that makes its kind, with its pictures."""
        name = tab_of(request)
        return self.show(name, self.forms[name].write_all(request))


def noted(form: Form) -> list[Any]:
    """The components whose values make a step of undo: all fields, and the pictures that are files."""
    return [*form.fields.values(), *getattr(form.pictures, "noted", ())]


def tab_of(request: GenerationRequest) -> str:
    """The tab in which such a request is made."""
    if request.identity is not None:
        return "photomaker"
    if request.sketch is not None:
        return "sketch"
    if request.inpaint is not None or request.outpaint is not None or (request.init and request.init.strokes):
        return "inpaint"
    only_larger = request.hires is not None and request.init is not None and request.init.denoising_strength == 0
    return "txt2img" if request.init is None or only_larger else "img2img"


def usable(values: Mapping[str, Any], form: Form) -> dict[str, Any]:
    """Those kept values that the fields of today still take (a browser keeps what an older studio wrote)."""
    result: dict[str, Any] = {part: values[part] for part in SWITCHES & values.keys() if isinstance(values[part], bool)}
    for path in form.held & values.keys():
        with suppress(StudioError):
            GenerationRequest.parse({path: values[path]})
            result[path] = values[path]
    for row in declared(GenerationRequest):
        if row.path not in values:
            continue
        try:
            value = row.param.check(values[row.path], row.kind)
        except FieldError:
            continue
        names = [c[-1] if isinstance(c, tuple) else c for c in getattr(form.fields[row.path], "choices", None) or ()]
        if row.param.source and not set([value] if isinstance(value, str) else value) <= set(names):
            continue
        result[row.path] = value
    return result
