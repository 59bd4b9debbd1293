"""The fold under the styles: the prompt's words become a style, styles are edited, deleted with undo, and imported."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines.spec.errors import FieldError
from pipelines.studio import Studio
from tabs.form import Form, toasting
from tabs.listeners import QUIET, SPOKEN
from tabs.lists import refreshing
from tabs.page import Page


class StyleEditor:
    """Makes its components where it is created; `wire` once the form is whole."""

    def __init__(self, studio: Studio, form: Form) -> None:
        self._studio, self._form, words = studio, form, studio.words

        def button(word: str, name: str) -> gr.Button:
            return gr.Button(words(word), size="sm", min_width=70, elem_id=form.elem_id(f"style-{name}"))

        with gr.Accordion(words("edit_styles"), open=False, elem_classes="explainer", elem_id=form.elem_id("style-fold")):
            with gr.Row(elem_classes="presets"):
                self._name = gr.Dropdown(studio.styles.names(), value=None, allow_custom_value=True, scale=3, min_width=160,
                                         label=words("style_name"), elem_id=form.elem_id("style-name"))
                self._take = button("style_from_prompt", "take")
            self._prompt = gr.Textbox(label=words("style_prompt"), lines=2, max_lines=6, placeholder=words("style_gap"),
                                      elem_id=form.elem_id("style-prompt"))
            self._negative = gr.Textbox(label=words("style_negative"), lines=1, max_lines=6,
                                        elem_id=form.elem_id("style-negative"))
            with gr.Row():
                self._save, self._delete, self._undo = (button(word, word) for word in ("save", "delete", "undo"))
                self._bring = gr.UploadButton(words("import"), file_types=[".csv"], size="sm", min_width=70,
                                              elem_id=form.elem_id("style-import"))

    def wire(self, page: Page) -> None:
        """Every change of the styles reaches the lists of all forms."""
        styles, texts, prompts = self._studio.styles, [self._prompt, self._negative], ("prompt", "negative_prompt")
        page.lists[self._name] = lambda _: gr.update(choices=styles.names())
        self._name.input(self._shown, self._name, texts, **QUIET)
        self._take.click(lambda *given: given, [self._form.fields[path] for path in prompts], texts, **QUIET)
        done = [self._save.click(toasting(self._saved), [self._name, *texts], None, **SPOKEN),
                self._delete.click(toasting(self._deleted), self._name, [self._name, *texts], **SPOKEN),
                self._undo.click(toasting(self._restored), None, [self._name, *texts], **SPOKEN),
                self._bring.upload(toasting(self._imported), self._bring, None, **SPOKEN)]
        page.later += [lambda event=event: refreshing(self._studio, page, event.success, scan=False) for event in done]

    def _shown(self, name: str | None) -> Any:
        """The texts of a style; what has been typed stays where the name is new."""
        if name not in self._studio.styles.names():
            return gr.skip(), gr.skip()
        style = self._studio.styles.get(str(name))
        return style.prompt, style.negative_prompt

    def _saved(self, name: str | None, prompt: str, negative_prompt: str) -> None:
        if not (prompt or negative_prompt).strip():
            raise FieldError(self._studio.words("style_prompt"), "", "empty", fix="Write what the style adds")
        self._tell("style_saved", self._studio.styles.save(name or "", prompt, negative_prompt).name)

    def _deleted(self, name: str | None) -> Any:
        if not name:
            raise FieldError("Style", "", "none is chosen", fix="Choose one in the list first")
        self._studio.styles.delete(name)
        self._tell("style_deleted", name)
        return None, "", ""

    def _restored(self) -> Any:
        style = self._studio.styles.restore()
        self._tell("style_saved", style.name)
        return style.name, style.prompt, style.negative_prompt

    def _imported(self, file: str) -> None:
        self._tell("style_saved", ", ".join(self._studio.styles.import_file(Path(file))))

    def _tell(self, word: str, names: str) -> None:
        gr.Info(html.escape(self._studio.words(word, names=names[:300])), duration=5)
