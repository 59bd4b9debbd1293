"""The likeness of a person in new pictures: photos, a prompt with the trigger word, style against likeness, the best of a batch."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from pipelines.loading.identity_files import PHOTOMAKER, find_identity
from pipelines.loading.library import AUTOMATIC
from pipelines.patches.photomaker.rules import check_prompt, mended
from pipelines.spec.errors import StudioError
from pipelines.studio import Studio
from pipelines.tasks.identity import no_vectors
from tabs.easel import actions, ranked_easel
from tabs.form import Form, refused
from tabs.listeners import QUIET, SPOKEN
from tabs.page import Page
from tabs.photos import Photos
from tabs.run import Runner
from tabs.units import Units
from tabs.workbench import choices

NAME = "photomaker"


def build(studio: Studio, page: Page) -> Form:
    """Place everything of the tab; call inside its `gr.Tab`."""
    words = studio.words
    form = Form(NAME, words, lambda source: _choices(studio, source))
    with gr.Row(elem_classes="workbench"):
        with gr.Column(scale=5, min_width=340, elem_classes="controls"):
            with gr.Column(elem_classes="card prompts"):
                form.field("prompt", lines=2, max_lines=6, elem_classes="prompt", placeholder="a man img riding a bike")
                told = gr.HTML("", elem_id=f"{NAME}-told", elem_classes="told")
                fix = gr.Button(visible=False, size="sm", elem_id=f"{NAME}-fix")
                form.field("styles")
            photos = Photos(studio, form)
            buttons = actions(words, NAME)
            _likeness(form)
            units = Units(studio, form)
            _sampling(form, words("advanced"))
        with gr.Column(scale=6, min_width=340, elem_classes="easel"):
            view, ranking = ranked_easel(studio, NAME, buttons)
    runner = Runner(studio, form, view, page.owner)
    runner.wire(page.blocks)
    units.wire(page)
    page.remember(form)
    fields = form.fields
    gr.on([page.blocks.load, fields["prompt"].change, fields["model"].change, fields["identity.adapter"].change],
          lambda *asked: ready(studio, *asked), [fields["prompt"], fields["model"], fields["identity.adapter"]], [told, fix],
          trigger_mode="always_last", **QUIET)
    fix.click(lambda *asked: fixed(studio, *asked), [fields["prompt"], fields["model"], photos.panel], fields["prompt"], **SPOKEN)
    ranking.wire(view.results, fields["prompt"], fields["model"], photos.panel)
    return form


def _likeness(form: Form) -> None:
    with gr.Column(elem_classes="card"):
        with gr.Row():
            form.field("identity.style_strength", min_width=200)
            form.field("identity.strength", min_width=200)
        with gr.Row():
            form.field("model", min_width=160)
            form.field("identity.adapter", min_width=160)
        with gr.Row():
            form.field("batch_count", min_width=110)
            form.field("seed", min_width=120)


def _sampling(form: Form, title: str) -> None:
    with gr.Accordion(title, open=False):
        form.field("negative_prompt", lines=2, max_lines=6, elem_classes="prompt")
        for pair in (("steps", "cfg_scale"), ("width", "height"), ("sampler", "schedule")):
            with gr.Row():
                for path in pair:
                    form.field(path, min_width=150)


def _choices(studio: Studio, source: str) -> list[Any]:
    if source != "identity_adapters":
        return choices(studio, source)
    from pipelines.loading.identity_files import identities

    return [AUTOMATIC, *(found.name for found in identities(studio.library))]


def ready(studio: Studio, prompt: str, model: str, adapter: str) -> tuple[str, gr.Button]:
    """What stands in the way of a run, before it is asked for, and the button that mends the prompt where one can."""
    fix = gr.Button(visible=False)
    try:
        found = find_identity(studio.library, studio.model(model), adapter or AUTOMATIC)
        if found.way == PHOTOMAKER and prompt:
            if mended(prompt, "person") not in ("", prompt):
                label = studio.words("likeness_fix", prompt=mended(prompt)) if mended(prompt) else studio.words("likeness_word")
                fix = gr.Button(label, visible=True)
            check_prompt(prompt)
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
