"""Several pictures of the gallery at once: choosing them, and what may be done with all of them.

Ctrl- or Shift-click on the grid chooses, or with *Select* switched on a plain one. Which are chosen is the visitor's shelf's to
know, across the pages of one search; a new search forgets them, for what is not seen shall not be thrown away.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

import gradio as gr

from pipelines.archive.zipped import zipped
from pipelines.studio import Studio

HELD = "(shelf, _) => [shelf, window.atelierHeld ?? '']"      # told by assets/studio.js at the click
FETCH = """() => setTimeout(() => {         // once the button holds the new file
  const found = document.querySelector('#gallery-zip-file');
  (found?.matches('a, button') ? found : found?.querySelector('a, button'))?.click(); }, 250)"""


class Several:
    """`place` makes the bar under the grid, `switch` the button that turns plain clicks into choosing."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def place_switch(self) -> None:
        self.switch = gr.Button(self._studio.words("select"), size="sm", min_width=70, elem_id="gallery-select")
        self.held = gr.Textbox("", visible="hidden", elem_id="gallery-held")

    def place(self) -> None:
        words = self._studio.words
        with gr.Row(elem_classes=["chips", "several"], visible=False) as self.row:
            self.told = gr.HTML("", elem_id="gallery-picked")
            self.page = gr.Button(words("select_page"), size="sm", min_width=90, elem_id="gallery-several-page")
            self.star = gr.Button("★ " + words("favourite"), size="sm", min_width=90, elem_id="gallery-several-star")
            self.throw = gr.Button(words("to_trash"), size="sm", min_width=90, elem_id="gallery-several-move")
            self.zip = gr.Button(words("download_zip"), size="sm", min_width=90, elem_id="gallery-zip")
            self.compare = gr.Button(words("compare"), size="sm", min_width=90, elem_id="gallery-several-compare")
            self.none = gr.Button("✕", size="sm", min_width=40, elem_id="gallery-several-none")
            self.file = gr.DownloadButton("", visible="hidden", elem_id="gallery-zip-file")

    @property
    def outputs(self) -> list[gr.Row | gr.HTML | gr.Button]:
        return [self.switch, self.row, self.told, self.star, self.throw, self.zip, self.compare]

    def shown(self, files: Sequence[str], picked: Sequence[str], picking: bool, trash: bool) -> list[object]:
        """Updates for `outputs`.   files: those of the grid, in its order.   picked: also those of other pages."""
        words, some = self._studio.words, bool(picked)
        move = gr.Button(words("restore" if trash else "to_trash"), interactive=some)
        return [gr.Button(variant="primary" if picking else "secondary"), gr.Row(visible=some or picking),
                f'<p class="told" role="status">{html.escape(words("selected", count=len(picked)))}</p>{marks(files, picked)}',
                gr.Button(visible=not trash, interactive=some), move, gr.Button(visible=not trash, interactive=some),
                gr.Button(visible=not trash, interactive=len(picked) > 1)]

    def zipped(self, picked: Sequence[str]) -> str:
        """A zip for the browser to fetch. Raises StudioError."""
        return str(zipped(self._studio.archive, picked, self._studio.settings.uploads_dir / "zips"))


def picked(files: Sequence[str], before: Sequence[str], chosen: str, file: str, held: str) -> tuple[str, ...]:
    """What is picked after a click on `file`: one more or one less, or with `held` "range" all from the chosen one to it.

    before: those picked so far.   chosen: the picture the panel shows; Ctrl ("more") begins with it, as file managers do.
    """
    if held == "range" and chosen in files:
        start, end = sorted((files.index(chosen), files.index(file)))
        return tuple(dict.fromkeys((*before, *files[start:end + 1])))
    if held == "more" and not before and chosen in files and chosen != file:
        before = (chosen,)
    return tuple(one for one in before if one != file) if file in before else (*before, file)


def marks(files: Sequence[str], picked: Sequence[str]) -> str:
    """A style sheet that marks the picked ones: the grid is Gradio's and takes no class from us."""
    places = ", ".join(f":nth-child({files.index(file) + 1})" for file in picked if file in files)
    if not places:
        return ""
    each = f"#gallery-grid .gallery-item:is({places}) .thumbnail-lg"
    return (f'<style>{each} {{ outline: 3px solid var(--primary-500); outline-offset: -3px; }}'
            f'{each}::before {{ content: "✓"; }}</style>')
