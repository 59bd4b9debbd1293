"""The panel of one picture of the gallery: the picture itself, what may be done with it, and everything that made it."""

from __future__ import annotations

import html
import time
from typing import Any

import gradio as gr

from pipelines.archive import Item
from pipelines.archive.item import value_at
from pipelines.metadata import Read
from pipelines.spec.param import declared
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from pipelines.words import Words
from tabs import lineage
from tabs.before_after import source_of
from tabs.reproduce import Again
from tabs.send import vary_buttons

STARTS = ("img2img", "inpaint")             # tabs that start from a picture
UNREADABLE = ("source", "upscaled")         # a kept picture's hash, and what the infotext says in words
OURS = ("version", "seconds", "device", "precision", "processor", "threads", "together", "job", "index")    # of `made`
LEADING = ("prompt", "negative_prompt")     # shown above the table, whole


class Panel:
    """Makes its components where it is created; `shown(file)` gives the updates for `outputs`."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        words = studio.words
        self.hint = gr.HTML(_hint(words), elem_id="gallery-hint")
        with gr.Column(visible=False, elem_id="gallery-details") as self.column:
            self.image = gr.Image(type="filepath", image_mode=None, interactive=False, show_label=False, height="auto",
                                  buttons=["fullscreen"], elem_id="gallery-picture")
            with gr.Row(elem_classes="chips"):
                self.send = gr.Button(words("send_to_txt2img"), variant="primary", size="sm", min_width=120,
                                      elem_id="gallery-send")
                self.starts = {name: gr.Button(words(f"send_to_{name}"), size="sm", min_width=100,
                                               elem_id=f"gallery-to-{name}") for name in STARTS}
                self.upscale = gr.Button(words("send_to_upscale"), size="sm", min_width=100, elem_id="gallery-to-upscale")
            with gr.Row(elem_classes="chips"):
                self.vary = vary_buttons(words, "gallery")
                self.favourite = gr.Button("", size="sm", min_width=110, elem_id="gallery-favourite")
                self.download = gr.DownloadButton(words("download"), size="sm", min_width=100, elem_id="gallery-download")
                self.throw = gr.Button(words("to_trash"), size="sm", min_width=100, elem_id="gallery-trash")
                self.restore = gr.Button(words("restore"), size="sm", min_width=100, elem_id="gallery-restore")
            with gr.Row(elem_classes="chips"):
                self.first = gr.Button(words("put_first"), size="sm", min_width=120, elem_id="gallery-first")
                self.second = gr.Button(words("put_second"), size="sm", min_width=120, elem_id="gallery-second")
                self.before = gr.Button(words("before_after"), size="sm", min_width=120, elem_id="gallery-before")
                self.reproduce = gr.Button(words("reproduce_this"), size="sm", min_width=100, elem_id="gallery-reproduce")
            self.again = Again(studio, "gallery-again")
            self.tree = gr.HTML("", js_on_load=lineage.CLICK, elem_id="gallery-tree")
            self.facts = gr.HTML("", elem_id="gallery-facts")
            with gr.Accordion(words("infotext"), open=False):
                self.infotext = gr.Textbox(show_label=False, container=False, lines=3, max_lines=12, interactive=False,
                                           buttons=["copy"], elem_id="gallery-infotext")

    @property
    def outputs(self) -> list[Any]:
        return [self.hint, self.column, self.image, self.favourite, self.download, self.send, self.throw, self.restore,
                self.first, self.second, self.before, self.tree, self.facts, self.infotext]

    def unchanged(self) -> list[Any]:
        return [gr.skip()] * len(self.outputs)

    def nothing(self) -> list[Any]:
        """No picture is chosen: only the hint."""
        return [gr.HTML(visible=True), gr.Column(visible=False), None, *[gr.skip()] * 8, "", "", ""]

    def shown(self, file: str, trash: bool) -> list[Any]:
        """The panel of one picture. Raises StudioError when it is gone."""
        if not file:
            return self.nothing()
        words, archive = self._studio.words, self._studio.archive
        item, read, path = archive.get(file, trash), archive.read(file, trash), str(archive.open(file, trash))
        source = None if trash else source_of(self._studio, path)
        star = "★ " + words("unfavourite") if item.favourite else "☆ " + words("favourite")
        return [gr.HTML(visible=False), gr.Column(visible=True), str(archive.view(file, trash)), gr.Button(star, visible=not trash),
                gr.update(value=path), gr.Button(interactive=read.found), gr.Button(visible=not trash),
                gr.Button(visible=trash), gr.Button(visible=not trash), gr.Button(visible=not trash),
                gr.Button(visible=bool(source)), "" if trash else lineage.drawn(self._studio, file), facts(item, read, words),
                read.infotext]


def facts(item: Item, read: Read, words: Words) -> str:
    """How the picture was made, readable: prompts whole, every other field, and what the file says of itself."""
    request = read.full.model_dump() if read.full else read.request
    rows: list[tuple[str, Any]] = []
    as_made = {"width": item.width, "height": item.height}      # told by the size of the picture itself
    for row in declared(GenerationRequest):
        value = value_at(request, row.path)
        if value not in (None, "", [], ()) and row.path not in LEADING and as_made.get(row.path) != value:
            rows.append((words.label(row.path, row.param.label), _hash(value) if row.param.picture else value))
    rows += [(words("size"), f"{item.width}×{item.height}"), *_of_file(item, words)]
    rows += [(words("made_with"), item.source)] if item.source else []
    rows += [(words(f"made_{key}") if key in OURS else str(key), value)
             for key, value in {**read.made, **read.unknown}.items() if key not in UNREADABLE]
    prompts = "".join(f"<h4>{html.escape(words(path))}</h4><p class='made-of'>{html.escape(str(request[path]))}</p>"
                      for path in LEADING if request.get(path))
    notes = "".join(f"<p class='told'>{html.escape(note)}</p>" for note in read.notes)
    table = "".join(f"<tr><th>{html.escape(label)}</th><td>{html.escape(said(value))}</td></tr>" for label, value in rows)
    return f"{notes}{prompts}<table class='facts'>{table}</table>"


def _hash(names: Any) -> str:
    """As many digits of a kept picture's name as anybody compares; of several pictures one after the other."""
    return ", ".join(f"{name[:12]}…" for name in ([names] if isinstance(names, str) else names))


def said(value: Any) -> str:
    """A value as it is read: no needless fraction, lists with commas, a long text cut."""
    if isinstance(value, bool):
        return "✓" if value else "–"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(said, value))
    text = "–" if value is None else str(value)
    return text if len(text) <= 600 else text[:599] + "…"


def _of_file(item: Item, words: Words) -> list[tuple[str, str]]:
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(item.made))
    return [(words("created"), made), (words("file"), item.file), (words("file_size"), f"{item.bytes / 1024:,.0f} KiB")]


def _hint(words: Words) -> str:
    return f'<div class="stage empty"><p>{html.escape(words("choose_picture"))}</p></div>'
