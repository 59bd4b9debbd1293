"""Blocks that describe themselves to the browser once: Gradio 6.31 does it five times before the first page answers.

Each description asks every component for its properties and schemas (0.06 CPU s for 870 of them). Only how the page is
launched changes between the five, and that Gradio adds outside of what is kept here.

Hidden progress is shown nowhere. Left to itself the page tells every component that was ever an output, whenever any event
begins or ends, that there is no progress to show, and searches the whole page for each of them: 33,690 times while ours opens.
`tabs/mended.py` does the same for inputs.
"""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.blocks import BlocksConfig
from gradio.renderable import Renderable


class Described(BlocksConfig):
    """The description of all components and events, made anew when one has been added since.

    It holds for properties as they are when the page is built: what is shown later travels in events.
    """

    def __init__(self, blocks: gr.Blocks) -> None:
        super().__init__(blocks)
        self._kept: tuple[tuple[int, int], dict[str, Any]] | None = None

    def get_config(self, renderable: Renderable | None = None) -> dict[str, Any]:
        if renderable is not None:
            return super().get_config(renderable)
        parts = len(self.blocks), len(self.fns)
        if self._kept is None or self._kept[0] != parts:
            told = super().get_config()
            for event in told["dependencies"]:
                if event["show_progress"] == "hidden":
                    event["show_progress_on"] = []      # without it the page takes the outputs, and tells them nothing, at length
            self._kept = parts, told
        return self._kept[1]


class DescribedOnce(gr.Blocks):
    """`gr.Blocks`, opened faster. Sessions copy the description as Gradio's own class, without what is kept."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.default_config = Described(self)
