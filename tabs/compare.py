"""Pictures of the gallery side by side, or one and its source: slider, all in a row, difference; below them the settings."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines.archive.item import differences
from pipelines.images import open_image
from pipelines.ranking.likeness import difference, psnr
from pipelines.spec.errors import StudioError
from pipelines.spec.param import declared
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from pipelines.words import Words
from tabs.before_after import pair
from tabs.changes import changed, row
from tabs.form import refused
from tabs.listeners import SPOKEN
from tabs.picture import said

SLIDER, SIDE, DIFFERENCE = VIEWS = ("compare_slider", "compare_side", "compare_difference")
# The comparison lies below the picture it is asked from; what was asked for is brought before the eye, and again while it
# grows: the page ends too early for it until its pictures are there.
TO_VIEW = """() => {
  const fold = document.querySelector('#gallery-compare');
  const grows = new ResizeObserver(() => fold.scrollIntoView({behavior: 'smooth'}));
  grows.observe(fold);
  setTimeout(() => grows.disconnect(), 2000); }"""
MOST = 6                # pictures at once; the one that was put beside the first longest ago goes


@dataclass(frozen=True)
class Pair:
    """The files put side by side, "" for none yet; `earlier`: those put beside the first before `second`."""

    first: str = ""
    second: str = ""
    earlier: tuple[str, ...] = ()

    def beside(self, file: str) -> Pair:
        """With one more."""
        before = tuple(one for one in (*self.earlier, self.second) if one and one != file)
        return replace(self, second=file, earlier=before[-(MOST - 2):])

    @property
    def files(self) -> tuple[str, ...]:
        return self.first, *self.earlier, self.second


def of_files(files: Sequence[str]) -> Pair:
    """The first of these with the others beside it, as many as there is room for."""
    first, *others = files[:MOST] or ("",)
    return Pair(first, others[-1] if others else "", tuple(others[:-1]))


def build(studio: Studio) -> Comparison:
    """Place the comparison here, folded up until two pictures are chosen."""
    return Comparison(studio)


class Comparison:
    """Makes its components where it is created; `wire` connects the buttons of the panel; `shown` compares."""

    def __init__(self, studio: Studio) -> None:
        self._studio, words = studio, studio.words
        with gr.Accordion(words("compare"), open=False, elem_id="gallery-compare") as self._fold:
            with gr.Row(elem_classes="chips"):
                self._view = gr.Radio([(words(view), view) for view in VIEWS], value=SLIDER, show_label=False, container=False,
                                      elem_id="gallery-compare-view")
                self._clear = gr.Button("✕ " + words("compare_clear"), size="sm", min_width=90, scale=0,
                                        elem_id="gallery-compare-clear")
            self._slider = gr.ImageSlider(type="filepath", interactive=False, show_label=False, max_height=640, visible=False,
                                          buttons=["fullscreen"], elem_id="gallery-slider")
            self._side = gr.Gallery(show_label=False, object_fit="contain", interactive=False, height="auto", visible=False,
                                    buttons=["fullscreen"], elem_id="gallery-side")
            self._far = gr.Image(interactive=False, show_label=False, visible=False, buttons=["download", "fullscreen"],
                                 elem_id="gallery-difference")
            self._told = gr.HTML(_told(words("compare_hint")), elem_id="gallery-diff")
        self._pair = gr.State(Pair())

    def wire(self, first: gr.Button, second: gr.Button, before: gr.Button, shelf: gr.State, several: gr.Button) -> None:
        outputs, asked = [self._pair, self._fold, self._slider, self._told, self._side, self._far], [self._pair, self._view]
        first.click(lambda pair, view, shelf: self.shown(replace(pair, first=shelf.chosen), view), [*asked, shelf], outputs,
                    **SPOKEN)
        second.click(lambda pair, view, shelf: self.shown(pair.beside(shelf.chosen), view), [*asked, shelf], outputs,
                     **SPOKEN).success(None, None, None, js=TO_VIEW)
        several.click(self._of_several, [self._view, shelf], [*outputs, self._view], **SPOKEN).success(None, None, None, js=TO_VIEW)
        self._view.change(self.shown, asked, outputs, **SPOKEN)
        self._clear.click(lambda view: self.shown(Pair(), view), self._view, outputs, **SPOKEN)
        before.click(lambda shelf: self.with_source(shelf.chosen), shelf, outputs[1:],
                     **SPOKEN).success(None, None, None, js=TO_VIEW)

    def _of_several(self, view: str, shelf: Any) -> list[Any]:
        """The picked pictures; more than two are not for a slider."""
        view = SIDE if len(shelf.picked) > 2 else view
        return [*self.shown(of_files(shelf.picked), view), view]

    def with_source(self, file: str) -> list[Any]:
        """The picture and what it was made from."""
        try:
            found = pair(self._studio, [str(self._studio.archive.open(file))])
        except StudioError as error:
            raise refused(error) from None
        told = self._studio.words("nothing_to_compare" if found is None else "before_after")
        return [gr.Accordion(open=True), gr.update(value=found, visible=found is not None), _told(told), *_hidden(2)]

    def shown(self, chosen: Pair, view: str = SLIDER) -> list[Any]:
        """Updates for the pair, the fold and what is in it."""
        words, archive = self._studio.words, self._studio.archive
        if not (chosen.first and chosen.second):
            named = chosen.first or chosen.second
            if named:       # the fold lies below all there is to know of the picture
                gr.Info(html.escape(words("compare_one", file=named)), duration=6)
            return [chosen, gr.Accordion(open=True), *_hidden(1), _told(words("compare_hint")) + _told(named), *_hidden(2)]
        try:
            paths = [str(archive.view(file)) for file in chosen.files]
            requests = [archive.read(file).request for file in chosen.files]
            far, how = self._apart(paths[0], paths[-1]) if view == DIFFERENCE else (None, "")
        except StudioError as error:
            raise refused(error) from None
        chips = list(changed(requests[0], requests[-1], words))
        told = how + (row(words("what_changed"), chips) if chips else "") + table(requests, chosen.files, words)
        return [chosen, gr.Accordion(open=True), gr.update(value=(paths[0], paths[-1]), visible=view == SLIDER), told,
                gr.update(value=list(zip(paths, chosen.files, strict=True)), columns=min(3, len(paths)), visible=view == SIDE),
                gr.update(value=far, visible=far is not None)]

    def _apart(self, first: str, second: str) -> tuple[Any, str]:
        """The difference as a picture, and how large it is in words."""
        words, pictures = self._studio.words, [open_image(Path(path)) for path in (first, second)]
        found = psnr(*pictures)
        if found is None:
            return None, _told(words("compare_sizes"))
        if math.isinf(found):
            return None, _told(words("compare_identical"))
        return difference(*pictures), _told(words("compare_psnr", psnr=f"{found:.2f}"))


def table(requests: list[Any], files: tuple[str, ...], words: Words) -> str:
    """The fields in which the requests differ; one line when there are none."""
    numbered = [words("compare_first"), *(words("compare_second") if len(files) == 2 else str(n) for n in range(2, len(files) + 1))]
    heads = "".join(f"<th>{html.escape(text)}</th>" for text in
                    (words("what_changed"), *(f"{name}: {file}" for name, file in zip(numbered, files, strict=True))))
    rows = differences(*requests)
    if not rows:
        return f"<table class='facts'><tr>{heads}</tr></table>{_told(words('same_settings'))}"
    paths = {d.param.label: d.path for d in declared(GenerationRequest)}
    body = "".join(f"<tr><th>{html.escape(words.label(paths[label], label) if label in paths else label)}</th>"
                   + "".join(f"<td>{html.escape(said(value))}</td>" for value in values) + "</tr>" for label, values in rows)
    return f"<table class='facts'><tr>{heads}</tr>{body}</table>"


def _hidden(count: int) -> list[Any]:
    return [gr.update(visible=False) for _ in range(count)]


def _told(text: str) -> str:
    return f'<p class="told">{html.escape(text)}</p>'
