"""The likeness of a person in new pictures: photos, a prompt with the trigger word, style against likeness, the best of a batch."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines.loading.identity_files import PHOTOMAKER, find_identity
from pipelines.loading.library import AUTOMATIC
from pipelines.patches.photomaker.rules import EXAMPLE, check_prompt, mended
from pipelines.spec.errors import StudioError
from pipelines.studio import Studio
from pipelines.tasks.identity import no_vectors
from tabs.detailer import DetailerPanel
from tabs.form import Form, refused
from tabs.listeners import QUIET, SPOKEN
from tabs.page import Page
from tabs.photos import Photos
from tabs.units import Units
from tabs.workbench import Workbench

NAME = "photomaker"
JUDGED = ("prompt", "negative_prompt", "steps", "emphasis", "model", "identity.adapter")    # what a run may be refused for


def build(studio: Studio, page: Page) -> Form:
    """Place everything of the tab; call inside its `gr.Tab`."""
    bench = Workbench(studio, page, NAME)
    form = bench.form
    with gr.Row(elem_classes="workbench"):
        with gr.Column(scale=5, min_width=340, elem_classes="controls"):
            with gr.Column(elem_classes="card prompts"):
                told, fix = bench.prompt(_trigger_line, lines=2, max_lines=6, placeholder=EXAMPLE)
            photos = Photos(studio, form)
            bench.actions()
            _likeness(form)
            with gr.Column(elem_classes="card prompts"):
                bench.other_words()
            units = Units(studio, form)
            bench.sampling()
            bench.size()
            detailer = DetailerPanel(bench)
            bench.seed()
            bench.advanced()
        bench.easel(ranked=True)
    units.wire(page)
    detailer.wire()
    fields = form.fields
    judged = [fields[path] for path in JUDGED]
    gr.on([page.blocks.load, *(field.change for field in judged)],       # type: ignore[attr-defined]
          lambda *values: ready(studio, dict(zip(JUDGED, values, strict=True))), judged, [told, fix],
          trigger_mode="always_last", **QUIET)
    fix.click(lambda *asked: fixed(studio, *asked), [fields["prompt"], fields["model"], photos.panel], fields["prompt"], **SPOKEN)
    return bench.wire()


def _trigger_line() -> tuple[Component, gr.Button]:
    return (gr.HTML("", elem_id=f"{NAME}-told", elem_classes="told"),
            gr.Button(visible=False, size="sm", elem_id=f"{NAME}-fix"))


def _likeness(form: Form) -> None:
    with gr.Column(elem_classes="card"):
        with gr.Row():
            form.field("identity.style_strength", min_width=200)
            form.field("identity.strength", min_width=200)
        form.field("identity.adapter", min_width=160)


def ready(studio: Studio, values: Mapping[str, Any]) -> tuple[str, gr.Button]:
    """What stands in the way of a run, before it is asked for, and the button that mends the prompt where one can.

    values: of the fields of JUDGED, as far as they are known.
    """
    fix, prompt = gr.Button(visible=False), str(values.get("prompt") or "")
    try:
        found = find_identity(studio.library, studio.model(values["model"]), values.get("identity.adapter") or AUTOMATIC)
        if found.way == PHOTOMAKER and prompt:
            if mended(prompt, "person") not in ("", prompt):
                label = studio.words("likeness_fix", prompt=mended(prompt)) if mended(prompt) else studio.words("likeness_word")
                fix = gr.Button(label, visible=True)
            check_prompt(prompt, str(values.get("negative_prompt") or ""), int(values.get("steps") or 1),
                         values.get("emphasis") != "None")
        if found.needs_vectors:
            raise no_vectors(found, 0)
    except StudioError as error:
        return f'<span class="verdict unusual">{html.escape(str(error))}</span>', fix
    return html.escape(f"{found.way}: {found.name}"), fix


def fixed(studio: Studio, prompt: str, model: str, names: list[str] | None) -> str:
    """The prompt with its trigger; without a word for the person the photos say which, and "person" where none can be asked."""
    from pipelines.ranked import places_of
    from pipelines.ranking.scorer import class_word

    if right := mended(prompt):
        return right
    try:
        word = class_word([studio.inputs.open(name) for name in names or ()], places_of(studio, model))
    except StudioError as error:
        raise refused(error) from None
    return mended(prompt, word or "person") or prompt
