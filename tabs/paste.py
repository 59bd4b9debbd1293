"""Settings somebody copied as text - out of AUTOMATIC1111, Forge, a web page: what they would change is shown, then they are taken.

Text that was pasted into the prompt, as one does there, is understood too.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines import metadata
from pipelines.metadata import Read, from_infotext
from pipelines.metadata.infotext import INFOTEXT_LIMIT
from pipelines.reception import at_home
from pipelines.spec.errors import StudioError
from pipelines.spec.param import declared
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from tabs.absent import left_out, tell
from tabs.changes import TEXTS, difference_of, parts_changed, row
from tabs.form import SWITCHES, Form, nested, outputs_of, refused
from tabs.listeners import SPOKEN

ALONE: dict[str, Any] = {**dict.fromkeys(("init", "inpaint", "outpaint", "loopback", "tiled", "identity", "sketch")), "control": []}
"""What needs pictures, which no text holds."""


class Paste:
    """A fold under the prompts. Makes its components where it is created; `wire` once the form is whole."""

    def __init__(self, studio: Studio, form: Form) -> None:
        self._studio, self._form, words, name = studio, form, studio.words, f"{form.prefix}-paste"
        with gr.Accordion(words("paste"), open=False, elem_classes="explainer", elem_id=name) as self._fold:
            self._text = gr.Textbox(placeholder=words("paste_hint"), label=words("paste"), show_label=False, lines=3, max_lines=8,
                                    max_length=INFOTEXT_LIMIT, container=False, elem_id=f"{name}-text")
            self._told = gr.HTML("", elem_id=f"{name}-told")
            self._take = gr.Button(words("paste_take"), size="sm", interactive=False, elem_id=f"{name}-take")

    def wire(self) -> None:
        form = self._form
        gr.on([self._fold.expand, self._text.change], self.shown, {self._text, *form.inputs}, [self._told, self._take],
              trigger_mode="always_last", **SPOKEN)
        self._take.click(self.taken, [self._text, form.fields["prompt"]],
                         outputs_of(form.outputs, self._text, self._told, self._take), **SPOKEN)

    def shown(self, data: Mapping[Component, Any]) -> list[Any]:
        """What taking it over would change, and whether there is anything to take."""
        words, form = self._studio.words, self._form
        read = self._read(data[self._text], data[form.fields["prompt"]])
        if read is None:
            return [_lines([words("paste_nothing")] if data[self._text] else []), gr.Button(interactive=False)]
        changes = form.told(at_home(self._studio, read))
        now = form.values(data)
        chips = list(_chips(self._studio, form, now, changes))
        title = words("paste_changes" if chips else "paste_same")
        trouble = [*left_out(self._studio, read), *_missing(self._studio, now | changes)]
        return [row(title, chips) + _lines(trouble, "explain-trouble") + _lines(read.notes),
                gr.Button(interactive=True)]

    def taken(self, text: str, prompt: str) -> list[Any]:
        """The form with those settings; the text is gone."""
        read = self._read(text, prompt)
        if read is None:
            return [gr.skip()] * (len(self._form.outputs) + 3)
        tell(self._studio, read)
        return [*self._form.write(at_home(self._studio, read)), "", "", gr.Button(interactive=False)]

    def _read(self, text: str | None, prompt: str | None) -> Read | None:
        """What the text says, else what a text in the prompt says; None without settings."""
        read = from_infotext(text or prompt or "")
        return read if read.source == "AUTOMATIC1111" else None


def restoring(studio: Studio, form: Form) -> Callable[[str | None], list[Any]]:
    """Read the settings of a dropped picture into the form; what could not be used is said."""

    def restore(data: str | None) -> list[Any]:
        if not data:
            return [gr.skip()] * (len(form.outputs) + 1)
        try:
            read = metadata.read(data)
        except StudioError as error:
            raise refused(error) from None
        for note in read.notes:
            gr.Info(html.escape(note))
        tell(studio, read)
        if not read.request:
            return [*[gr.skip()] * len(form.outputs), None]
        shown = form.write_all(read.full) if read.full else form.write(at_home(studio, read))
        return [*shown, None]

    return restore


def _chips(studio: Studio, form: Form, now: Mapping[str, Any], changes: Mapping[str, Any]) -> Iterator[str]:
    words, labels = studio.words, {one.path: one.param.label for one in declared(GenerationRequest)}
    for path in form.fields:
        if path not in changes or changes[path] == now.get(path):
            continue
        name = words(f"switch_{path}") if path in SWITCHES else words.label(path, labels.get(path, path))
        if path in TEXTS:
            mark = "" if path == "prompt" else f"{name}: "
            yield from (f"{mark}{text}" for text in parts_changed(str(now.get(path) or ""), str(changes[path] or "")))
        elif path == "control":
            yield f"{name} {len(now.get(path) or [])} → {len(changes[path])}"
        else:
            yield difference_of(name, now.get(path), changes[path])


def _missing(studio: Studio, values: Mapping[str, Any]) -> list[str]:
    """One line for each name or size that would be refused: a model, a LoRA, an upscaler that is not here."""
    try:
        studio.check(GenerationRequest.parse(nested(values) | ALONE))
    except StudioError as error:
        return str(error).splitlines()
    return []


def _lines(texts: Any, kind: str = "told") -> str:
    return "".join(f'<p class="{kind}">{html.escape(text)}</p>' for text in texts)
