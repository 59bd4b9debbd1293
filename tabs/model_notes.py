"""A note and default settings of a checkpoint: written in the tab Models, offered in every form where the checkpoint is chosen.

Nothing in a form changes unasked: the note is shown under the choice of models, the settings are taken by a button.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines.loading.lora_card import note_beside
from pipelines.presets.model_notes import FIELDS, LONGEST, usable
from pipelines.spec.errors import StudioError
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from tabs.form import SIDES, Form, refused
from tabs.listeners import SPOKEN
from tabs.page import Page, by_path
from tabs.picture import said

FORM = "txt2img"        # whose settings become a model's


class Offer:
    """Under a form's choice of models: the note of the one that is chosen, and a button for its settings where it has some."""

    def __init__(self, studio: Studio, form: Form) -> None:
        self._studio, self.form = studio, form
        self.note = gr.HTML("", elem_id=form.elem_id("model-note"), elem_classes="told model-note")
        self.use = gr.Button(studio.words("model_use"), size="sm", visible=False, elem_classes="model-use",
                             elem_id=form.elem_id("model-use"))

    def wire(self, page: Page) -> None:
        page.offers.append(self)
        model = self.form.fields["model"]
        model.change(self.shown, model, [self.note, self.use], trigger_mode="always_last", **SPOKEN)
        self.use.click(self.taken, model, self.form.outputs, **SPOKEN)

    def shown(self, model: str) -> list[Any]:
        """Updates for the note and the button."""
        return [html.escape(note_of(self._studio, model)), gr.update(visible=bool(self._studio.model_notes.get(model).settings))]

    def taken(self, model: str) -> list[Any]:
        """The model's settings in the form. A size stays where it follows a picture."""
        changes, lines = usable(self._studio.model_notes.get(model).settings)
        if self.form.pictures:
            changes = {path: value for path, value in changes.items() if path not in SIDES}
        if lines:
            gr.Warning("<br>".join(map(html.escape, lines)), duration=12)
        gr.Info(html.escape(self._studio.words("model_used", values=listed(self._studio, changes))), duration=6)
        return self.form.write(changes)


def build(studio: Studio, page: Page) -> None:
    """Place the card of the tab Models."""
    words, notes = studio.words, studio.model_notes
    with gr.Accordion(words("model_notes"), open=False, elem_id="model-notes"):
        model = gr.Dropdown(_names(studio), value=GenerationRequest().model, label=words("model"), elem_id="model-notes-model")
        text = gr.Textbox(label=words("model_note"), lines=3, max_lines=12, max_length=LONGEST, elem_id="model-notes-text")
        kept = gr.HTML("", elem_id="model-notes-kept", elem_classes="told")
        with gr.Row():
            save = gr.Button(words("model_note_save"), size="sm", min_width=110, elem_id="model-notes-save")
            take = gr.Button(words("model_settle"), size="sm", min_width=110, elem_id="model-notes-settle")
            forget = gr.Button(words("model_forget"), size="sm", min_width=110, elem_id="model-notes-forget")

    def settings(name: str) -> str:
        own = usable(notes.get(name).settings)[0]
        return html.escape(words("model_settled", values=listed(studio, own)) if own else words("model_unsettled"))

    def looked(name: str) -> list[Any]:
        return [note_of(studio, name), settings(name)]

    def wire() -> None:
        fields = page.forms[FORM].fields
        chosen = [offer.form.fields["model"] for offer in page.offers]
        shown = [component for offer in page.offers for component in (offer.note, offer.use)]

        def opened(*forms: Any) -> list[Any]:
            """What a page that opens shows; each form by the model that the browser kept of it."""
            held = {page.forms[name].prefix: by_path(page.forms[name], values).get("model")
                    for name, values in zip(page.kept, forms, strict=True)}
            offers = [offer.shown(held.get(offer.form.prefix) or GenerationRequest().model) for offer in page.offers]
            return [*looked(GenerationRequest().model), *(update for pair in offers for update in pair)]

        def changing(act: Any) -> Any:
            def handler(data: Mapping[Component, Any]) -> list[Any]:
                try:
                    act(data[model], data)
                except StudioError as error:
                    raise refused(error) from None
                offers = [offer.shown(data[field]) for offer, field in zip(page.offers, chosen, strict=True)]
                return [settings(data[model]), *(update for pair in offers for update in pair)]
            return handler

        def settle(name: str, data: Mapping[Component, Any]) -> None:
            notes.settle(name, GenerationRequest.parse({path: data[fields[path]] for path in FIELDS if path in fields}))

        page.lists[model] = lambda held: gr.update(choices=_names(studio))
        page.blocks.load(opened, list(page.kept.values()), [text, kept, *shown], **SPOKEN)
        model.change(looked, model, [text, kept], **SPOKEN)
        for button, act in ((save, lambda name, data: notes.write(name, data[text] or "")), (take, settle),
                            (forget, lambda name, data: notes.settle(name, None))):
            button.click(changing(act), {model, text, *chosen, *(fields[path] for path in FIELDS)}, [kept, *shown], **SPOKEN)

    page.later.append(wire)


def note_of(studio: Studio, model: str) -> str:
    """The user's own; else what AUTOMATIC1111 keeps beside the file; "" for a model that is not here."""
    own = studio.model_notes.get(model).text
    try:
        return own or note_beside(studio.model(model))
    except StudioError:
        return ""


def listed(studio: Studio, settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{studio.words.label(path)} {said(value)}" for path, value in settings.items())


def _names(studio: Studio) -> list[str]:
    return [model.name for model in studio.library.models()]
