"""The best of what is on the easel: how many to name, a button, and the order with what every judge said."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines.ranked import ranked
from pipelines.spec.errors import FieldError, StudioError
from pipelines.studio import Studio
from tabs.before_after import originals
from tabs.form import refused
from tabs.listeners import QUIET, SPOKEN


class Ranking:
    """Place under the results; `wire` once the fields exist."""

    def __init__(self, studio: Studio, prefix: str) -> None:
        words = studio.words
        self._studio = studio
        with gr.Row(visible=False, elem_classes="chips ranking") as self._row:
            self._keep = gr.Number(1, precision=0, minimum=1, maximum=64, label=words("rank_keep"), min_width=110,
                                   elem_id=f"{prefix}-keep")
            self._button = gr.Button(words("rank"), size="sm", min_width=90, elem_id=f"{prefix}-rank")
        self._order = gr.HTML("", elem_id=f"{prefix}-ranked", elem_classes="told")

    def wire(self, results: gr.Gallery, looked_at: gr.State, model: Component, photos: Component | None = None) -> None:
        """looked_at: the name of the picture that is chosen.   photos: a component whose value are names of kept photos.

        Nothing is offered where there is nothing to choose from.
        """
        def judge(shown: list[Any] | None, keep: Any, model: str, names: list[str] | None = None) -> list[Any]:
            return best_of(self._studio, shown, int(keep or 1), model, names or ())

        asked = [results, self._keep, model, *([photos] if photos else [])]
        self._button.click(judge, asked, [self._order, results, looked_at], **SPOKEN)
        results.change(lambda shown: [gr.Row(visible=len(shown or ()) > 1), ""], results, [self._row, self._order], **QUIET)


def best_of(studio: Studio, shown: list[Any] | None, keep: int, model: str, names: Any) -> list[Any]:
    """The k best of the shown pictures in words, the gallery with the best one chosen, its name; a toast where none can judge.

    Each is held against the prompt that it was painted by, whatever the form says by now.   names: of kept photos.
    """
    files = [Path(name) for name in originals(studio, shown)]
    try:
        if not files:
            raise FieldError(studio.words("results"), "", studio.words("nothing_to_send"))
        rows = ranked(studio, files, model=model, photos=[studio.inputs.open(name) for name in names])
    except StudioError as error:
        raise refused(error) from None
    lines = [f"<li>{html.escape(files[row.index].name)} <small>"
             + html.escape(", ".join(f"{name} {value:.3f}" for name, value in row.parts.items())) + "</small></li>"
             for row in rows[:max(1, keep)]]
    return [f"<ol>{''.join(lines)}</ol>", gr.Gallery(selected_index=rows[0].index), files[rows[0].index].name]
