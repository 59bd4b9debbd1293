"""The gallery: find a picture, see how it was made, use it again, mark it, throw it away and bring it back.

Knows the archive's items, not its files: the grid shows thumbnails, the panel the picture itself, so that what is
downloaded still carries its settings. Comparing two pictures is `tabs.compare`'s business.
"""

from __future__ import annotations

import html
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from pipelines.archive import Item
from pipelines.reception import at_home
from pipelines.spec.errors import StudioError
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from tabs import compare
from tabs.absent import tell
from tabs.culling import SETTLED
from tabs.finder import ORDERS, Finder, Shelf, find
from tabs.form import refused, toasting
from tabs.listeners import QUIET, SPOKEN
from tabs.page import Page
from tabs.picture import Panel
from tabs.send import settle, start_from, to_upscale, varied
from tabs.several import FETCH, HELD, picked
from tabs.undo import keeping

PER_PAGE = 30
TO_PANEL = """() => { window.atelierChosen?.settled();
  if (innerWidth < 760 && !document.querySelector('.several')?.offsetParent)     // on a phone the panel lies below the whole grid
  document.querySelector('#gallery-details')?.scrollIntoView({behavior: 'smooth'}); }"""


def build(studio: Studio, page: Page) -> None:
    """Place the tab; it looks again whenever it comes on screen."""
    shelf = gr.State(Shelf())
    with gr.Row(elem_classes="workbench"):
        with gr.Column(scale=6, min_width=340):
            finder = find(studio)
        with gr.Column(scale=5, min_width=340):
            panel = Panel(studio)
    comparison = compare.build(studio)
    Gallery(studio, page, finder, panel, comparison).wire(shelf)


class Gallery:
    """The handlers of one gallery. Every one takes the visitor's shelf and returns it with what is to be shown."""

    def __init__(self, studio: Studio, page: Page, finder: Finder, panel: Panel, comparison: compare.Comparison) -> None:
        self._studio, self._page = studio, page
        self._finder, self._panel, self._comparison = finder, panel, comparison

    def wire(self, shelf: gr.State) -> None:
        finder, panel, page, several = self._finder, self._panel, self._page, self._finder.several
        asked, seen = [finder.search, finder.view, shelf], [*finder.seen, shelf]
        whole = [*seen, *panel.outputs]
        gr.on([finder.search.submit, finder.search.change, finder.view.change, finder.order.change], self._search,
              [*asked, finder.order], whole, trigger_mode="always_last", **SPOKEN)
        page.tabs.select(self._arrive, asked, seen, **SPOKEN)
        finder.newer.click(lambda *v: self._turn(-1, *v), asked, seen, **SPOKEN).then(None, None, None, js=SETTLED)
        finder.older.click(lambda *v: self._turn(1, *v), asked, seen, **SPOKEN).then(None, None, None, js=SETTLED)
        finder.grid.select(self._choose, [shelf, several.held], [shelf, *several.outputs, *panel.outputs], js=HELD,
                           **SPOKEN).then(None, None, None, js=TO_PANEL)
        panel.tree.select(self._walk, shelf, [shelf, *panel.outputs], **SPOKEN)
        finder.empty.click(lambda: gr.Button(visible=True), None, finder.sure, **SPOKEN)
        finder.sure.click(toasting(self._empty), asked, whole, **SPOKEN)
        finder.undo.click(toasting(self._undo), asked, whole, **SPOKEN)
        for button, act in ((panel.favourite, self._favourite), (panel.throw, self._throw), (several.star, self._star_all),
                            (several.throw, self._move_all)):
            button.click(toasting(act), asked, whole, **SPOKEN).then(None, None, None, js=SETTLED)
        for button, pick in ((several.switch, self._switch), (several.page, self._pick_page), (several.none, self._pick_none)):
            button.click(pick, shelf, [shelf, *several.outputs], **SPOKEN)
        several.zip.click(toasting(lambda shelf: several.zipped(shelf.picked)), shelf, several.file,
                          **SPOKEN).success(None, None, None, js=FETCH)
        panel.restore.click(toasting(self._restore), asked, whole, **SPOKEN)
        inpaint = page.forms["inpaint"]
        settle(page, "inpaint", keeping(inpaint, panel.send.click)(toasting(self._send), shelf, page.targets, **SPOKEN))
        for name, button in panel.starts.items():
            start = toasting(lambda shelf, name=name: self._start(shelf, name))
            settle(page, name, keeping(page.forms[name], button.click)(start, shelf, page.targets, **SPOKEN))
        again, owner = panel.again, page.owner
        panel.reproduce.click(self._again, [shelf, owner], [owner, *again.outputs], **SPOKEN)
        gr.on([finder.grid.select, panel.tree.select], again.nothing, None, again.outputs, **QUIET)
        again.wire()
        self._comparison.wire(panel.first, panel.second, panel.before, shelf, several.compare)
        page.later.append(lambda: self._vary(shelf))
        to_upscale(page, panel.upscale.click, toasting(lambda shelf: str(self._studio.archive.open(shelf.chosen, shelf.trash))),
                   [shelf])

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
            items = archive.items(**wanted, limit=PER_PAGE, offset=number * PER_PAGE, oldest=shelf.order == ORDERS[1])
        except StudioError as error:
            raise refused(error) from None
        shelf = replace(shelf, files=tuple(i.file for i in items), page=number)
        nothing = "trash_empty" if shelf.trash else "nothing_found" if wanted["query"] else "no_pictures"
        told = words("found_pictures", count=count) if count else words(nothing)
        told += f" · {words('page_of', page=number + 1, pages=pages)}" if pages > 1 else ""
        thumbnails = [(str(archive.thumbnail(i.file, i.trashed)), caption(i)) for i in items]
        grid = gr.update(value=thumbnails, selected_index=None, visible=bool(items))
        turns = ("newer", "older") if shelf.order == ORDERS[0] else ("older", "newer")
        return [grid, f'<p class="told">{html.escape(told)}</p>',
                gr.Button("← " + words(turns[0]), visible=pages > 1, interactive=number > 0),
                gr.Button(words(turns[1]) + " →", visible=pages > 1, interactive=number < pages - 1),
                gr.Button(visible=shelf.trash and count > 0), gr.Button(visible=False),
                gr.Button(visible=bool(shelf.thrown)), *self._bar(shelf), shelf]

    def _arrive(self, query: str, view: str, shelf: Shelf, event: gr.SelectData) -> list[Any]:
        """Look only when it is this tab that came on screen."""
        if event.value != self._studio.words("gallery"):
            return [gr.skip()] * (len(self._finder.seen) + 1)
        return self.look(query, replace(shelf, view=view))

    def _bar(self, shelf: Shelf) -> list[Any]:
        return self._finder.several.shown(shelf.files, shelf.picked, shelf.picking, shelf.trash)

    def _search(self, query: str, view: str, shelf: Shelf, order: str = ORDERS[0]) -> list[Any]:
        chosen = shelf.chosen if view == shelf.view else ""
        seen = self.look(query, replace(shelf, view=view, page=0, chosen=chosen, order=order, picked=()))
        return [*seen, *(self._panel.unchanged() if chosen else self._panel.nothing())]

    def _turn(self, by: int, query: str, view: str, shelf: Shelf) -> list[Any]:
        return self.look(query, replace(shelf, view=view, page=shelf.page + by))

    # -- one picture ---------------------------------------------------------------------------------------------------

    def _choose(self, shelf: Shelf, held: str, event: gr.SelectData) -> list[Any]:
        """Show the clicked picture. `held`: "more" with Ctrl, "range" with Shift, both of which pick it; a plain click picks
        none but in the mode for it."""
        file = shelf.files[event.index] if event.index < len(shelf.files) else ""
        picks: tuple[str, ...] = ()
        if file and (held or shelf.picking):
            picks = picked(shelf.files, shelf.picked, shelf.chosen, file, held)
        shelf = replace(shelf, chosen=file, picked=picks)
        try:
            return [shelf, *self._bar(shelf), *self._panel.shown(file, shelf.trash)]
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
        archive.favourite(shelf.chosen, on=not archive.get(shelf.chosen).favourite)
        if shelf.chosen in shelf.files:
            return self._instead(query, shelf)
        return [*self.look(query, shelf), *self._panel.shown(shelf.chosen, False)]

    def _throw(self, query: str, _view: str, shelf: Shelf) -> list[Any]:
        return self._thrown(query, shelf, (shelf.chosen,))

    def _thrown(self, query: str, shelf: Shelf, files: tuple[str, ...]) -> list[Any]:
        """A look after these went into the trash together."""
        names = tuple(self._studio.archive.trash_all(files))
        told = self._studio.words("in_trash", file=self._named(files))
        gr.Info(html.escape(told), duration=4)
        left = tuple(file for file in shelf.picked if file not in files)
        return self._instead(query, replace(shelf, thrown=(*shelf.thrown, names), picked=left))

    def _undo(self, query: str, _view: str, shelf: Shelf) -> list[Any]:
        return self._brought_back(query, shelf, shelf.thrown[-1])

    def _restore(self, query: str, _view: str, shelf: Shelf) -> list[Any]:
        return self._brought_back(query, shelf, (shelf.chosen,))

    def _brought_back(self, query: str, shelf: Shelf, names: tuple[str, ...]) -> list[Any]:
        files = self._studio.archive.restore_all(names)
        gr.Info(html.escape(self._studio.words("restored", file=self._named(files))), duration=4)
        left = tuple(kept for batch in shelf.thrown if (kept := tuple(name for name in batch if name not in names)))
        shelf = replace(shelf, thrown=left, picked=tuple(file for file in shelf.picked if file not in names))
        return self._instead(query, shelf if shelf.trash else replace(shelf, chosen=files[0]))

    def _named(self, files: Sequence[str]) -> str:
        """The name of one, the number of several."""
        return files[0] if len(files) == 1 else self._studio.words("pictures_count", count=len(files))

    # -- several pictures ----------------------------------------------------------------------------------------------

    def _switch(self, shelf: Shelf) -> list[Any]:
        """Plain clicks pick from now on, or no longer; what was picked is let go."""
        return self._picks(replace(shelf, picking=not shelf.picking, picked=()))

    def _pick_page(self, shelf: Shelf) -> list[Any]:
        return self._picks(replace(shelf, picked=tuple(dict.fromkeys((*shelf.picked, *shelf.files)))))

    def _pick_none(self, shelf: Shelf) -> list[Any]:
        return self._picks(replace(shelf, picking=False, picked=()))

    def _picks(self, shelf: Shelf) -> list[Any]:
        return [shelf, *self._bar(shelf)]

    def _star_all(self, query: str, _view: str, shelf: Shelf) -> list[Any]:
        """Favourites all of them; where all are already, none."""
        archive = self._studio.archive
        archive.favourite(*shelf.picked, on=not archive.favourites.all().issuperset(shelf.picked))
        return self._instead(query, shelf)

    def _move_all(self, query: str, _view: str, shelf: Shelf) -> list[Any]:
        """Into the trash with all of them, or in its view back out of it."""
        if not shelf.picked:
            return [gr.skip()] * (len(self._finder.seen) + 1 + len(self._panel.outputs))
        return (self._brought_back if shelf.trash else self._thrown)(query, shelf, shelf.picked)

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
        return [*self.look(query, replace(shelf, chosen="", thrown=(), picked=(), page=0)), *self._panel.nothing()]

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
