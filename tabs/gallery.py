"""The gallery: find a picture, see how it was made, use it again, mark it, throw it away and bring it back.

Knows the archive's items, not its files: the grid shows thumbnails, the panel the picture itself, so that what is
downloaded still carries its settings. Comparing two pictures is `tabs.compare`'s business.
"""

from __future__ import annotations

import html
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from pipelines.archive import Item
from pipelines.reception import at_home
from pipelines.spec.errors import StudioError
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from tabs import compare
from tabs.absent import tell
from tabs.form import refused
from tabs.listeners import QUIET, SPOKEN
from tabs.page import Page
from tabs.picture import Panel
from tabs.send import settle, start_from, to_upscale, varied
from tabs.undo import keeping

PER_PAGE = 30
TO_PANEL = """() => { if (innerWidth < 760)       // on a phone the panel lies below the whole grid
  document.querySelector('#gallery-details')?.scrollIntoView({behavior: 'smooth'}); }"""
VIEWS = ("all_pictures", "favourites", "trash")


@dataclass(frozen=True)
class Shelf:
    """What one visitor sees: the files on this page of the grid, the view and the chosen file ("" for none)."""

    files: tuple[str, ...] = ()
    page: int = 0
    view: str = VIEWS[0]
    chosen: str = ""
    thrown: str = ""        # the name in the trash of what was thrown away last, for undo

    @property
    def trash(self) -> bool:
        return self.view == "trash"


@dataclass(frozen=True)
class Finder:
    """The components with which pictures are found."""

    search: gr.Textbox
    view: gr.Radio
    grid: gr.Gallery
    told: gr.HTML
    newer: gr.Button
    older: gr.Button
    empty: gr.Button
    sure: gr.Button
    undo: gr.Button

    @property
    def seen(self) -> list[Any]:
        """What changes with a new look at the archive."""
        return [self.grid, self.told, self.newer, self.older, self.empty, self.sure, self.undo]


def build(studio: Studio, page: Page) -> None:
    """Place the tab; it looks again whenever it comes on screen."""
    words = studio.words
    shelf = gr.State(Shelf())
    with gr.Row(elem_classes="workbench"):
        with gr.Column(scale=6, min_width=340):
            finder = _finder(words)
        with gr.Column(scale=5, min_width=340):
            panel = Panel(studio)
    comparison = compare.build(studio)
    Gallery(studio, page, finder, panel, comparison).wire(shelf)


def _finder(words: Any) -> Finder:
    search = gr.Textbox(placeholder=words("search_gallery"), label=words("search_gallery"), show_label=False, max_lines=1,
                        max_length=500, container=False, elem_id="gallery-search")
    view = gr.Radio([(words(v), v) for v in VIEWS], value=VIEWS[0], show_label=False, container=False,
                    elem_id="gallery-view")
    told = gr.HTML("", elem_id="gallery-told")
    grid = gr.Gallery(show_label=False, columns=5, fit_columns=False, object_fit="cover", allow_preview=False, interactive=False,
                      buttons=[], height="auto", elem_id="gallery-grid")
    with gr.Row(elem_classes="chips"):
        newer = gr.Button("← " + words("newer"), size="sm", min_width=90, elem_id="gallery-newer")
        older = gr.Button(words("older") + " →", size="sm", min_width=90, elem_id="gallery-older")
        undo = gr.Button("↶ " + words("undo"), size="sm", min_width=90, visible=False, elem_id="gallery-undo")
        empty = gr.Button(words("empty_trash"), size="sm", min_width=90, visible=False, elem_id="gallery-empty")
        sure = gr.Button(words("yes_delete"), size="sm", variant="stop", min_width=90, visible=False,
                         elem_id="gallery-sure")
    return Finder(search, view, grid, told, newer, older, empty, sure, undo)


class Gallery:
    """The handlers of one gallery. Every one takes the visitor's shelf and returns it with what is to be shown."""

    def __init__(self, studio: Studio, page: Page, finder: Finder, panel: Panel, comparison: compare.Comparison) -> None:
        self._studio, self._page = studio, page
        self._finder, self._panel, self._comparison = finder, panel, comparison

    def wire(self, shelf: gr.State) -> None:
        finder, panel, page = self._finder, self._panel, self._page
        asked, seen = [finder.search, finder.view, shelf], [*finder.seen, shelf]
        whole = [*seen, *panel.outputs]
        gr.on([finder.search.submit, finder.search.change, finder.view.change], self._search, asked, whole,
              trigger_mode="always_last", **SPOKEN)
        page.tabs.select(self._arrive, asked, seen, **SPOKEN)
        finder.newer.click(lambda *v: self._turn(-1, *v), asked, seen, **SPOKEN)
        finder.older.click(lambda *v: self._turn(1, *v), asked, seen, **SPOKEN)
        finder.grid.select(self._choose, shelf, [shelf, *panel.outputs], **SPOKEN).then(None, None, None, js=TO_PANEL)
        panel.tree.select(self._walk, shelf, [shelf, *panel.outputs], **SPOKEN)
        finder.empty.click(lambda: gr.Button(visible=True), None, finder.sure, **SPOKEN)
        finder.sure.click(self._said(self._empty), asked, whole, **SPOKEN)
        finder.undo.click(self._said(self._undo), asked, whole, **SPOKEN)
        panel.favourite.click(self._said(self._favourite), asked, whole, **SPOKEN)
        panel.throw.click(self._said(self._throw), asked, whole, **SPOKEN)
        panel.restore.click(self._said(self._restore), asked, whole, **SPOKEN)
        inpaint = page.forms["inpaint"]
        settle(page, "inpaint", keeping(inpaint, panel.send.click)(self._said(self._send), shelf, page.targets, **SPOKEN))
        for name, button in panel.starts.items():
            start = self._said(lambda shelf, name=name: self._start(shelf, name))
            settle(page, name, keeping(page.forms[name], button.click)(start, shelf, page.targets, **SPOKEN))
        again, owner = panel.again, page.owner
        panel.reproduce.click(self._again, [shelf, owner], [owner, *again.outputs], **SPOKEN)
        gr.on([finder.grid.select, panel.tree.select], again.nothing, None, again.outputs, **QUIET)
        again.wire()
        self._comparison.wire(panel.first, panel.second, panel.before, shelf)
        page.later.append(lambda: self._vary(shelf))
        to_upscale(page, panel.upscale.click, self._said(lambda shelf: str(self._studio.archive.open(shelf.chosen, shelf.trash))),
                   [shelf])

    def _said(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """`act` with the studio's refusals as toasts."""

        def handler(*values: Any) -> Any:
            try:
                return act(*values)
            except StudioError as error:
                raise refused(error) from None

        return handler

    # -- finding -------------------------------------------------------------------------------------------------------

    def look(self, query: str, shelf: Shelf) -> list[Any]:
        """A new look at the archive: updates for `Finder.seen` and the shelf."""
        words, archive = self._studio.words, self._studio.archive
        wanted = {"query": (query or "").strip(), "favourites": shelf.view == "favourites", "trash": shelf.trash}
        try:
            archive.refresh(wait=False)
            count = archive.count(**wanted)
            pages = max(1, -(-count // PER_PAGE))
            number = min(max(0, shelf.page), pages - 1)
            items = archive.items(**wanted, limit=PER_PAGE, offset=number * PER_PAGE)
        except StudioError as error:
            raise refused(error) from None
        shelf = replace(shelf, files=tuple(i.file for i in items), page=number)
        nothing = "trash_empty" if shelf.trash else "nothing_found" if wanted["query"] else "no_pictures"
        told = words("found_pictures", count=count) if count else words(nothing)
        told += f" · {words('page_of', page=number + 1, pages=pages)}" if pages > 1 else ""
        thumbnails = [(str(archive.thumbnail(i.file, i.trashed)), caption(i)) for i in items]
        grid = gr.update(value=thumbnails, selected_index=None, visible=bool(items))
        return [grid, f'<p class="told">{html.escape(told)}</p>',
                gr.Button(visible=pages > 1, interactive=number > 0),
                gr.Button(visible=pages > 1, interactive=number < pages - 1),
                gr.Button(visible=shelf.trash and count > 0), gr.Button(visible=False),
                gr.Button(visible=bool(shelf.thrown)), shelf]

    def _arrive(self, query: str, view: str, shelf: Shelf, event: gr.SelectData) -> list[Any]:
        """Look only when it is this tab that came on screen."""
        if event.value != self._studio.words("gallery"):
            return [gr.skip()] * (len(self._finder.seen) + 1)
        return self.look(query, replace(shelf, view=view))

    def _search(self, query: str, view: str, shelf: Shelf) -> list[Any]:
        chosen = shelf.chosen if view == shelf.view else ""
        seen = self.look(query, replace(shelf, view=view, page=0, chosen=chosen))
        return [*seen, *(self._panel.unchanged() if chosen else self._panel.nothing())]

    def _turn(self, by: int, query: str, view: str, shelf: Shelf) -> list[Any]:
        return self.look(query, replace(shelf, view=view, page=shelf.page + by))

    # -- one picture ---------------------------------------------------------------------------------------------------

    def _choose(self, shelf: Shelf, event: gr.SelectData) -> list[Any]:
        file = shelf.files[event.index] if event.index < len(shelf.files) else ""
        try:
            return [replace(shelf, chosen=file), *self._panel.shown(file, shelf.trash)]
        except StudioError as error:
            raise refused(error) from None

    def _walk(self, shelf: Shelf, event: gr.EventData) -> list[Any]:
        """To a relative of the chosen picture, wherever in the grid it is."""
        try:
            return [replace(shelf, chosen=str(event.file)), *self._panel.shown(str(event.file), False)]
        except StudioError as error:
            raise refused(error) from None

    def _favourite(self, query: str, _view: str, shelf: Shelf) -> list[Any]:
        archive = self._studio.archive
        archive.favourite(shelf.chosen, not archive.get(shelf.chosen).favourite)
        return [*self.look(query, shelf), *self._panel.shown(shelf.chosen, False)]

    def _throw(self, query: str, _view: str, shelf: Shelf) -> list[Any]:
        thrown = self._studio.archive.trash(shelf.chosen)
        gr.Info(html.escape(self._studio.words("in_trash", file=shelf.chosen)), duration=4)
        return self._instead(query, replace(shelf, thrown=thrown))

    def _undo(self, query: str, _view: str, shelf: Shelf) -> list[Any]:
        return self._brought_back(query, shelf, shelf.thrown)

    def _restore(self, query: str, _view: str, shelf: Shelf) -> list[Any]:
        return self._brought_back(query, shelf, shelf.chosen)

    def _brought_back(self, query: str, shelf: Shelf, thrown: str) -> list[Any]:
        file = self._studio.archive.restore(thrown)
        gr.Info(html.escape(self._studio.words("restored", file=file)), duration=4)
        left = "" if thrown == shelf.thrown else shelf.thrown
        if shelf.trash:
            return self._instead(query, replace(shelf, thrown=left))
        return self._instead(query, replace(shelf, chosen=file, thrown=left))

    def _instead(self, query: str, shelf: Shelf) -> list[Any]:
        """A new look with the chosen picture, or where that is gone with the one that came to its place: culling goes on."""
        at = shelf.files.index(shelf.chosen) if shelf.chosen in shelf.files else 0
        grid, *seen, now = self.look(query, shelf)
        if shelf.chosen not in now.files:
            now = replace(now, chosen=now.files[min(at, len(now.files) - 1)] if now.files else "")
        grid["selected_index"] = now.files.index(now.chosen) if now.chosen else None
        return [grid, *seen, now, *self._panel.shown(now.chosen, now.trash)]

    def _empty(self, query: str, _view: str, shelf: Shelf) -> list[Any]:
        gone = self._studio.archive.empty_trash()
        gr.Info(html.escape(self._studio.words("trash_emptied", count=gone)), duration=4)
        return [*self.look(query, replace(shelf, chosen="", thrown="", page=0)), *self._panel.nothing()]

    def _send(self, shelf: Shelf) -> list[Any]:
        """The picture's settings in the tab that made it; of another program's picture those that are known."""
        read = self._studio.archive.read(shelf.chosen, shelf.trash)
        if read.full is not None:
            return self._page.hand_over(read.full)
        if not read.found:
            gr.Info(html.escape(self._studio.words("no_settings_in_file")))
            return self._page.stay()
        tell(self._studio, read)
        return self._page.show("txt2img", self._page.forms["txt2img"].write(at_home(self._studio, read)))

    def _again(self, shelf: Shelf, owner: str) -> list[Any]:
        """Have the chosen picture made again; the verdict, or why it cannot be, stands below it."""
        owner, again = owner or uuid.uuid4().hex, self._panel.again
        try:
            return [owner, *again.look(again.begin(self._studio.archive.open(shelf.chosen, shelf.trash), owner))]
        except StudioError as error:
            return [owner, *again.cannot(error)]

    def _vary(self, shelf: gr.State) -> None:
        """The chosen picture's variations are painted in the first tab, which comes on screen."""
        for amount, button in self._panel.vary.items():
            def of(data: dict[Any, Any], amount: float = amount) -> GenerationRequest:
                held = data[shelf]
                return varied(self._studio, self._studio.archive.read(held.chosen, held.trash).full, amount)

            self._page.painters["txt2img"](button.click, of, {shelf})
            button.click(lambda: gr.Tabs(selected="txt2img"), None, self._page.tabs, **QUIET)

    def _start(self, shelf: Shelf, name: str) -> list[Any]:
        """The picture itself, with its settings, in the tab `name`."""
        archive = self._studio.archive
        return start_from(self._studio, self._page, name, archive.open(shelf.chosen, shelf.trash),
                          archive.read(shelf.chosen, shelf.trash))


def caption(item: Item) -> str:
    """A star for a favourite and the beginning of the prompt; the file's name where there is none."""
    text = " ".join(item.prompt.split()) or item.file
    return ("★ " if item.favourite else "") + (text if len(text) <= 60 else text[:59] + "…")
