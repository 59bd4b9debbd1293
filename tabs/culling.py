"""Culling on the easel: a star and the trash for the picture that is looked at, and the way back.

By the archive's means, as in the gallery: nothing is deleted here. What a tab shows are files that are there; a picture thrown
away leaves the easel, and comes back to its place with undo.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines.spec.errors import FieldError
from pipelines.studio import Studio
from tabs.before_after import chosen_of, originals, viewed
from tabs.form import toasting
from tabs.listeners import QUIET, SPOKEN

SETTLED = "() => window.atelierChosen?.settled()"
"""Tells assets/studio.js that the studio knows what is chosen: what is to be done with it waits for that."""
Thrown = tuple[tuple[str, int], ...]
"""The names in the trash of what was thrown away, and their places on the easel; the last one comes back first."""


class Culling:
    """Makes its buttons where it is created, in the row under the results; `wire` connects them."""

    def __init__(self, studio: Studio, prefix: str) -> None:
        self._studio, words = studio, studio.words
        self._star = gr.Button("☆ " + words("favourite"), size="sm", min_width=90, elem_id=f"{prefix}-favourite")
        self._throw = gr.Button(words("to_trash"), size="sm", min_width=90, elem_id=f"{prefix}-trash")
        self._back = gr.Button("↶ " + words("undo"), size="sm", min_width=90, visible=False, elem_id=f"{prefix}-untrash")
        self._thrown = gr.State(())

    def wire(self, results: gr.Gallery, looked_at: gr.State) -> None:
        """looked_at: the name of the file whose picture is chosen, "" for the newest."""
        seen, shown = [results, looked_at], [results, looked_at, self._thrown, self._back]
        gr.on([results.change, looked_at.change], self.star, seen, self._star, **QUIET)
        self._star.click(toasting(self.mark), seen, self._star, **SPOKEN).then(None, None, None, js=SETTLED)
        self._throw.click(toasting(self.throw), [*seen, self._thrown], shown, **SPOKEN).then(None, None, None, js=SETTLED)
        self._back.click(toasting(self.bring_back), [results, self._thrown], shown, **SPOKEN)

    def star(self, shown: Sequence[Any] | None, looked_at: str) -> Any:
        """The star of the chosen picture: filled for a favourite."""
        chosen = chosen_of(originals(self._studio, shown), looked_at)
        on = chosen is not None and self._name(chosen) in self._studio.archive.favourites
        return gr.Button(("★ " if on else "☆ ") + self._studio.words("favourite"))

    def mark(self, shown: Sequence[Any] | None, looked_at: str) -> Any:
        name = self._name(self._chosen(originals(self._studio, shown), looked_at))
        self._studio.archive.favourite(name, on=name not in self._studio.archive.favourites)
        return self.star(shown, looked_at)

    def throw(self, shown: Sequence[Any] | None, looked_at: str, before: Thrown = ()) -> list[Any]:
        """Into the trash with it; the picture that comes to its place is chosen."""
        files = originals(self._studio, shown)
        chosen = self._chosen(files, looked_at)
        at, name = files.index(chosen), self._name(chosen)
        thrown = self._studio.archive.trash(name)
        gr.Info(html.escape(self._studio.words("in_trash", file=name)), duration=4)
        return self._easel([file for file in files if file != chosen], at, (*before, (thrown, at)))

    def bring_back(self, shown: Sequence[Any] | None, thrown: Thrown) -> list[Any]:
        name, at = thrown[-1]
        file = self._studio.archive.restore(name)
        gr.Info(html.escape(self._studio.words("restored", file=file)), duration=4)
        files = originals(self._studio, shown)
        files.insert(at, str(self._studio.archive.open(file)))
        return self._easel(files, at, thrown[:-1])

    def _easel(self, files: Sequence[str], at: int, thrown: Thrown) -> list[Any]:
        """Updates for the results with the picture at place `at` chosen, else the last one; and for undo."""
        at = min(at, len(files) - 1)
        views = [viewed(self._studio, file) for file in files]
        shown = gr.Gallery(views, selected_index=at if files else None, visible=bool(files))
        return [shown, Path(files[at]).name if files else "", thrown, gr.Button(visible=bool(thrown))]

    def _chosen(self, files: Sequence[str], looked_at: str) -> str:
        chosen = chosen_of(files, looked_at)
        if chosen is None:
            raise FieldError(self._studio.words("picture"), "", self._studio.words("nothing_to_send"))
        return chosen

    def _name(self, file: str) -> str:
        """The picture's name in the archive."""
        return Path(file).resolve().relative_to(self._studio.archive.root.resolve()).as_posix()
