"""What was painted before, as settings: search prompts and parameters, click one, and its tab holds them again.

The pictures themselves are the history: nothing is kept beside them, and what is thrown away is forgotten.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any

import gradio as gr

from pipelines.archive import Item
from pipelines.spec.errors import StudioError
from pipelines.studio import Studio
from pipelines.words import Words
from tabs.form import refused
from tabs.listeners import SPOKEN
from tabs.page import Page

CLICK = """element.addEventListener('click', (e) => {
  const button = e.target.closest('button[data-file]');
  if (button) trigger('select', {file: button.dataset.file});
})"""
LOOKED_AT = 300         # newest pictures that match
SHOWN = 40              # different settings among them
NUMBERS = {"steps": "Steps", "cfg_scale": "CFG scale"}


class History:
    """A fold under the prompts; it looks at the archive when it is opened."""

    def __init__(self, studio: Studio, page: Page) -> None:
        self._studio, self._page = studio, page
        words = studio.words
        with gr.Accordion(words("history"), open=False, elem_classes="explainer", elem_id="past") as self._fold:
            self._search = gr.Textbox(placeholder=words("history_search"), label=words("history_search"), show_label=False,
                                      max_lines=1, max_length=300, container=False, elem_id="past-search")
            self._list = gr.HTML("", js_on_load=CLICK, elem_id="past-list")
        page.later.append(self._wire)

    def _wire(self) -> None:
        gr.on([self._fold.expand, self._search.change], self.found, self._search, self._list, trigger_mode="always_last", **SPOKEN)
        self._list.select(self._use, None, self._page.targets, **SPOKEN)

    def found(self, query: str) -> str:
        try:
            items = self._studio.archive.items((query or "").strip(), limit=LOOKED_AT)
        except StudioError as error:
            raise refused(error) from None
        return drawn(items, self._studio.words)

    def _use(self, event: gr.EventData) -> list[Any]:
        """The settings of that picture in the tab that made it."""
        try:
            read = self._studio.archive.read(str(event.file))
        except StudioError as error:
            raise refused(error) from None
        return self._page.hand_over(read.full) if read.full else self._page.stay()


def drawn(items: Iterable[Item], words: Words) -> str:
    """One line for each combination of settings but the seed, newest first."""
    seen: dict[str, Item] = {}
    for item in items:
        if len(seen) == SHOWN:
            break
        if item.request:
            seen.setdefault(_alike(item), item)
    if not seen:
        return f'<p class="told">{html.escape(words("history_none"))}</p>'
    return f'<div class="past">{"".join(_line(item, words) for item in seen.values())}</div>'


def _alike(item: Item) -> str:
    """The settings without what counts up from picture to picture."""
    return repr(sorted((key, value) for key, value in item.request.items() if key not in ("seed", "variation")))


def _line(item: Item, words: Words) -> str:
    request = item.request
    prompt = " ".join(item.prompt.split()) or "–"
    parts = [str(request[key]) for key in ("model", "sampler") if request.get(key)]
    parts += [f"{words.label(key, label)} {request[key]:g}" for key, label in NUMBERS.items()
              if isinstance(request.get(key), (int, float))]
    parts += [f"{request.get('width')}×{request.get('height')}"]
    parts += [key for key, value in request.items() if isinstance(value, dict)]
    negative = f'<s>{html.escape(_cut(str(request["negative_prompt"])))}</s>' if request.get("negative_prompt") else ""
    file, hint = html.escape(item.file, quote=True), html.escape(words("history_use"), quote=True)
    return (f'<button type="button" data-file="{file}" title="{hint}">'
            f'<b>{html.escape(_cut(prompt))}</b>{negative}<small>{html.escape(" · ".join(parts))}</small></button>')


def _cut(text: str, limit: int = 160) -> str:
    return text if len(text) <= limit else text[:limit - 1] + "…"
