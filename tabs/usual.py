"""What a model's family is usually painted with: a fresh form shows it, and another family brings its own.

    form = Form(name, words, choices, usual.start(studio))
    usual.follow(studio, form)

A value that somebody set stays. One that is still the former family's becomes the new family's, so that nobody paints
with SDXL at the size of the model that was chosen before; a size keeps its shape.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines.families.family import Family
from pipelines.spec.errors import StudioError
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from tabs.form import Form
from tabs.listeners import QUIET, SPOKEN
from tabs.picture import said

PATHS = ("steps", "cfg_scale", "sampler")       # of a family's `default_request`; the schedule stays automatic


def start(studio: Studio) -> dict[str, Any]:
    """Values of a fresh form by path: those of the family of the model that a request begins with."""
    family = _family(studio, GenerationRequest().model)
    if family is None:
        return {}
    return {path: family.default_request[path] for path in (*PATHS, "width", "height") if path in family.default_request}


def moved(before: Family, now: Family, held: Mapping[str, Any]) -> dict[str, Any]:
    """The changes, by path, when the family changes while a form holds `held`."""
    if before.name == now.name:
        return {}
    usual = {path: now.default_request[path] for path in PATHS if path in before.default_request and path in now.default_request
             and held.get(path) == before.default_request[path]}
    size = (held.get("width"), held.get("height"))
    shape = next((name for name, own in before.sizes.items() if tuple(own) == size), None)
    if shape in now.sizes:
        usual |= dict(zip(("width", "height"), now.sizes[shape], strict=True))
    return {path: value for path, value in usual.items() if value != held.get(path)}


def follow(studio: Studio, form: Form) -> None:
    """Let the form of a tab that has a choice of models follow it."""
    model = form.fields["model"]
    fields = {path: form.fields[path] for path in (*PATHS, "width", "height")}
    seen = gr.State(["", GenerationRequest().model])        # the model before the one that is chosen, and that one
    model.change(lambda seen, now: seen if seen[1] == now else [seen[1], now], [seen, model], seen, **QUIET)

    def chosen(data: Mapping[Component, Any]) -> list[Any]:
        now = data[model]
        before = data[seen][0] if data[seen][1] == now else data[seen][1]      # whichever of the two handlers comes first
        families = _family(studio, before), _family(studio, now)
        held = {path: data[field] for path, field in fields.items()}
        changes = moved(*families, held) if families[0] and families[1] else {}
        if changes and families[1]:
            named = ", ".join(f"{studio.words.label(path)} {said(value)}" for path, value in changes.items())
            gr.Info(html.escape(studio.words("as_family", family=families[1].label, values=named)), duration=6)
        return [[now, now], *(changes.get(path, gr.skip()) for path in fields)]

    model.input(chosen, {seen, model, *fields.values()}, [seen, *fields.values()], **SPOKEN)


def _family(studio: Studio, name: str) -> Family | None:
    try:
        return studio.model(name).family
    except StudioError:
        return None
