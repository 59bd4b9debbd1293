"""The components of a run that look alike in every tab: its buttons, and where progress and pictures are seen."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from pipelines.words import Words
from tabs.form import HELPED

Buttons = tuple[gr.Button, gr.Button, gr.Button, gr.Checkbox]
"""Generate, skip, interrupt, and whether to go on without end."""


def actions(words: Words, name: str, beneath: Callable[[], None] = lambda: None) -> Buttons:
    """`beneath` places a line under them, which stays on screen as they do."""
    with gr.Row(elem_classes="actions"):
        buttons = (gr.Button(words("generate"), variant="primary", elem_id=f"{name}-generate", scale=4),
                   gr.Button(words("skip"), elem_id=f"{name}-skip", interactive=False, min_width=80),
                   gr.Button(words("interrupt"), variant="stop", elem_id=f"{name}-interrupt", interactive=False, min_width=80),
                   gr.Checkbox(False, label=words("forever"), container=False, scale=0, min_width=110, elem_id=f"{name}-forever",
                               elem_classes=HELPED))
        beneath()
    return buttons


def stage_and_results(words: Words, name: str) -> tuple[gr.HTML, gr.Gallery]:
    stage = gr.HTML("", elem_id=f"{name}-stage")
    return stage, gr.Gallery(label=words("results"), show_label=False, columns=2, object_fit="contain", preview=True,
                             interactive=False, buttons=["download", "fullscreen"], elem_id=f"{name}-results",
                             elem_classes="results", height="auto", visible=False)
