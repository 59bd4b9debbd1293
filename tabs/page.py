"""What the tabs of one page share: who looks at it, what each form held last, and how one tab hands settings to another."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines.queue import Job
from pipelines.spec.errors import FieldError, StudioError
from pipelines.spec.param import declared
from pipelines.spec.request import GenerationRequest
from tabs.form import SWITCHES, Form
from tabs.listeners import QUIET

OWN_KIND = "control"        # its requests are txt2img's too, so its jobs say which tab they belong to


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
    lists: dict[Any, Callable[[Any], Any]] = field(default_factory=dict)    # component -> what it offers now, given its value
    kept: dict[str, gr.BrowserState] = field(default_factory=dict)
    offers: list[Any] = field(default_factory=list)     # `model_notes.Offer` of each form

    def remember(self, form: Form) -> None:
        """Keep the form in the browser at every change, without asking the server, and bring it back on load.

        Pictures are not kept: a browser has room for a few megabytes only.
        """
        self.forms[form.prefix] = form
        for path, component in form.listed.items():
            self.lists[component] = lambda held, path=path: gr.update(choices=form.choices(path, held))
        self.kept[form.prefix] = self.keep(form.prefix, noted(form), len(form.fields),
                                           lambda values: form.write(usable(by_path(form, values), form)))

    def keep(self, name: str, components: list[Any], count: int, fitting: Callable[[Any], list[Any]]) -> gr.BrowserState:
        """Keep the first `count` components' values in the browser, and bring them back when the page opens (`assets/kept.js`).

        fitting: what was kept -> an update for every component that it still fits. The page applies them only to what nobody
        has touched by then.
        """
        kept, back = self.memory(name), self._apart(gr.JSON(visible=False))
        undo = f"window.atelierUndo?.note({name!r}, values); " if name in self.forms else ""
        gr.on([c.change for c in components], None, components, kept, **QUIET,
              js=f"(...values) => {{ {undo}return window.atelierKept.note({name!r}, values, {count}); }}")
        ids = [component.elem_id for component in components]
        self.blocks.load(lambda values: [sent(update) for update in fitting(values)], kept, back, **QUIET).then(
            None, [back, *components], [kept, *components], **QUIET,
            js=f"(...values) => window.atelierKept.back({name!r}, {json.dumps(ids)}, {count}, values)")
        return kept

    def relist(self, data: Mapping[Component, Any] = MappingProxyType({})) -> dict[Any, Any]:
        """Updates by component for everything that offers names of files, styles or presets.   data: what they hold.

        One place for all of them, so that no form forgets a list.
        """
        return {component: renewed(data.get(component)) for component, renewed in self.lists.items()}

    def memory(self, name: str) -> gr.BrowserState:
        """What the browser keeps under this name, out of the tab that is being placed: Gradio reads it only if on screen."""
        return self._apart(gr.BrowserState(None, storage_key=f"atelier-{name}", secret=self.secret))

    def _apart(self, component: Any) -> Any:
        """The component as one of the page, not of the tab that is being placed."""
        if component.parent is not None:
            component.parent.children.remove(component)
        self.blocks.add(component)
        return component

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

    def hand_over(self, request: GenerationRequest, name: str = "") -> list[Any]:
        """Updates for `targets`: this request in the tab `name`, else in the one that makes its kind, with its pictures."""
        name = name or tab_of(request)
        return self.show(name, self.forms[name].write_all(request))


def sent(update: Any) -> dict[str, Any]:
    """An update as Gradio sends it to the page, which then needs no server to apply it."""
    asked = update if isinstance(update, dict) and update.get("__type__") == "update" else {"value": update}
    pairs = {"choices": [one if isinstance(one, tuple) else (one, one) for one in asked["choices"]]} if "choices" in asked else {}
    return {**asked, **pairs, "__type__": "update"}


def by_path(form: Form, values: Any) -> dict[str, Any]:
    """What the browser kept of a form, by path."""
    return dict(zip(form.fields, values, strict=False)) if isinstance(values, list) else {}


def noted(form: Form) -> list[Any]:
    """The components whose values make a step of undo: all fields, and the pictures that are files."""
    return [*form.fields.values(), *getattr(form.pictures, "noted", ())]


def shown_in(job: Job) -> str:
    """The tab that shows a job."""
    return OWN_KIND if job.kind == OWN_KIND else tab_of(job.request)


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
    """Those kept values that the fields of today still take (a browser keeps what an older studio wrote).

    A name that is not here now stays, as one that was typed would: a file may have come since the last look, or come back.
    """
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
        result[row.path] = value
    return result
