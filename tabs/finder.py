"""How pictures of the gallery are found: the components, and what one visitor has before him. What they do is `tabs.gallery`'s."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import gradio as gr

from pipelines.studio import Studio
from pipelines.words import Words
from tabs.several import Several

VIEWS = ("all_pictures", "favourites", "trash")
ORDERS = ("newest_first", "oldest_first")
OPERATORS = ("model:mini", 'sampler:"DPM++ 2M"', "seed:42", "day:2026-11-21", "source:ComfyUI", "schedule:", "vae:", "from:")


@dataclass(frozen=True)
class Shelf:
    """What one visitor sees: the files on this page of the grid, the view and the chosen file ("" for none)."""

    files: tuple[str, ...] = ()
    page: int = 0
    view: str = VIEWS[0]
    order: str = ORDERS[0]
    chosen: str = ""
    picked: tuple[str, ...] = ()                    # chosen together, also on other pages of this search
    picking: bool = False                           # whether a plain click picks
    thrown: tuple[tuple[str, ...], ...] = ()        # names in the trash of what was thrown away together, the last to undo first

    @property
    def trash(self) -> bool:
        return self.view == "trash"


@dataclass(frozen=True)
class Finder:
    """The components with which pictures are found."""

    search: gr.Textbox
    view: gr.Radio
    order: gr.Dropdown
    several: Several
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
        return [self.grid, self.told, self.newer, self.older, self.empty, self.sure, self.undo, *self.several.outputs]


def find(studio: Studio) -> Finder:
    """Place search, views and order, the bar of what is picked, the grid and what turns its pages."""
    words, several = studio.words, Several(studio)
    search = gr.Textbox(placeholder=words("search_gallery"), label=words("search_gallery"), show_label=False, max_lines=1,
                        max_length=500, container=False, elem_id="gallery-search")
    gr.HTML(_operators(words), elem_id="gallery-operators")
    with gr.Row(elem_classes="chips finder"):
        view = gr.Radio([(words(v), v) for v in VIEWS], value=VIEWS[0], show_label=False, container=False,
                        elem_id="gallery-view")
        order = gr.Dropdown([(words(o), o) for o in ORDERS], value=ORDERS[0], label=words("order"), show_label=False,
                            container=False, filterable=False, min_width=170, scale=0, elem_id="gallery-order")
        several.place_switch()
    told = gr.HTML("", elem_id="gallery-told")
    several.place()
    grid = gr.Gallery(show_label=False, columns=5, fit_columns=False, object_fit="cover", allow_preview=False, interactive=False,
                      buttons=[], height="auto", elem_id="gallery-grid")
    with gr.Row(elem_classes="chips"):
        newer = gr.Button("", size="sm", min_width=90, elem_id="gallery-newer")
        older = gr.Button("", size="sm", min_width=90, elem_id="gallery-older")
        undo = gr.Button("↶ " + words("undo"), size="sm", min_width=90, visible=False, elem_id="gallery-undo")
        empty = gr.Button(words("empty_trash"), size="sm", min_width=90, visible=False, elem_id="gallery-empty")
        sure = gr.Button(words("yes_delete"), size="sm", variant="stop", min_width=90, visible=False,
                         elem_id="gallery-sure")
    return Finder(search, view, order, several, grid, told, newer, older, empty, sure, undo)


def _operators(words: Words) -> str:
    """What the search understands beside words."""
    told = " ".join(f"<code>{one}</code>" for one in OPERATORS)
    return f'<p class="told">{html.escape(words("search_operators"))} {told}</p>'
