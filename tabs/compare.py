"""Two pictures of the gallery side by side, or one and its source: a slider over both, a table of what differs."""

from __future__ import annotations

import html
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from pipelines.spec.errors import StudioError
from pipelines.spec.param import declared
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from pipelines.words import Words
from tabs.before_after import pair
from tabs.form import refused
from tabs.listeners import SPOKEN
from tabs.picture import said


@dataclass(frozen=True)
class Pair:
    """The files put side by side, "" for none yet."""

    first: str = ""
    second: str = ""


def build(studio: Studio) -> Comparison:
    """Place the comparison here, folded up until two pictures are chosen."""
    words = studio.words
    with gr.Accordion(words("compare"), open=False, elem_id="gallery-compare") as fold:
        told = gr.HTML(_told(words("compare_hint")), elem_id="gallery-diff")
        slider = gr.ImageSlider(type="filepath", interactive=False, show_label=False, max_height=640, visible=False,
                                buttons=["fullscreen"], elem_id="gallery-slider")
    return Comparison(studio, fold, slider, told)


class Comparison:
    """`wire` connects the two buttons of the panel; `shown` compares."""

    def __init__(self, studio: Studio, fold: gr.Accordion, slider: gr.ImageSlider, told: gr.HTML) -> None:
        self._studio, self._fold, self._slider, self._told = studio, fold, slider, told
        self._pair = gr.State(Pair())

    def wire(self, first: gr.Button, second: gr.Button, before: gr.Button, shelf: gr.State) -> None:
        outputs = [self._pair, self._fold, self._slider, self._told]
        first.click(lambda pair, shelf: self.shown(replace(pair, first=shelf.chosen)), [self._pair, shelf], outputs, **SPOKEN)
        second.click(lambda pair, shelf: self.shown(replace(pair, second=shelf.chosen)), [self._pair, shelf], outputs,
                     **SPOKEN)
        before.click(lambda shelf: self.with_source(shelf.chosen), shelf, outputs[1:], **SPOKEN)

    def with_source(self, file: str) -> list[Any]:
        """The picture and what it was made from."""
        try:
            found = pair(self._studio, [str(self._studio.archive.open(file))])
        except StudioError as error:
            raise refused(error) from None
        told = self._studio.words("nothing_to_compare" if found is None else "before_after")
        return [gr.Accordion(open=True), gr.update(value=found, visible=found is not None), _told(told)]

    def shown(self, chosen: Pair) -> list[Any]:
        words, archive = self._studio.words, self._studio.archive
        if not (chosen.first and chosen.second):
            named = chosen.first or chosen.second
            return [chosen, gr.Accordion(open=True), gr.update(visible=False),
                    _told(words("compare_hint")) + _told(named)]
        try:
            paths = tuple(str(archive.view(file)) for file in (chosen.first, chosen.second))
            rows = archive.diff(chosen.first, chosen.second)
        except StudioError as error:
            raise refused(error) from None
        return [chosen, gr.Accordion(open=True), gr.update(value=paths, visible=True), table(rows, chosen, words)]


def table(rows: list[tuple[str, Any, Any]], pair: Pair, words: Words) -> str:
    """The fields in which two requests differ; one line when there are none."""
    heads = "".join(f"<th>{html.escape(text)}</th>" for text in
                    (words("what_changed"), f"{words('compare_first')}: {pair.first}",
                     f"{words('compare_second')}: {pair.second}"))
    if not rows:
        return f"<table class='facts'><tr>{heads}</tr></table>{_told(words('same_settings'))}"
    paths = {d.param.label: d.path for d in declared(GenerationRequest)}
    body = "".join(f"<tr><th>{html.escape(words.label(paths[label], label) if label in paths else label)}</th>"
                   f"<td>{html.escape(said(first))}</td><td>{html.escape(said(second))}</td></tr>"
                   for label, first, second in rows)
    return f"<table class='facts'><tr>{heads}</tr>{body}</table>"


def _told(text: str) -> str:
    return f'<p class="told">{html.escape(text)}</p>'
