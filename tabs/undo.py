"""Undo and redo of every change of the forms, also of settings sent, pasted or taken from a preset: one pair of buttons.

The steps live in the page (`assets/undo.js`); no value goes to the server. What was painted on a picture is put aside
before another picture takes its place (`Canvas.shelve`), and comes back with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import gradio as gr

from pipelines.words import Words
from tabs.form import Form
from tabs.listeners import QUIET, SPOKEN
from tabs.page import Page, noted
from tabs.theme import ASSETS

# Resolves when the editor has been on screen for a moment, in whatever tab it is; ten minutes are as good as never.
ON_SCREEN = """() => new Promise((done) => { const look = (left) => {
  const shown = document.querySelector('#inpaint-editor canvas')?.offsetParent;
  if (shown || !left) setTimeout(() => done([]), 1500); else setTimeout(look, 400, left - 1); }; look(1500); })"""
STEPS = (("undo", "↶", -1), ("redo", "↷", 1))


def build(page: Page, words: Words) -> None:
    """Place the buttons, once all forms are there."""
    with gr.Row(elem_id="history"):
        buttons = {name: gr.Button(f"{sign} {words(name)}", size="sm", min_width=60, elem_id=name) for name, sign, _ in STEPS}
    _wire(page, buttons)


def _wire(page: Page, buttons: dict[str, gr.Button]) -> None:
    seen = [(name, noted(form)) for name, form in page.forms.items()]
    counts = json.dumps([(name, len(components)) for name, components in seen])
    every = [component for _, components in seen for component in components]
    script = (ASSETS / "undo.js").read_text(encoding="utf-8").strip()
    page.blocks.load(None, every, None, js=f"(...values) => {{ ({script})(); window.atelierUndo.begin({counts}, values); }}",
                     **QUIET)
    for name, _, by in STEPS:
        step = f"(...values) => window.atelierUndo.step({by}, {counts}, values)"
        stepped = buttons[name].click(None, every, every, js=step, **QUIET)
        for form in page.forms.values():
            _follow(form, stepped)


def _follow(form: Form, stepped: Any) -> None:
    """Let the editor show the picture that came back, with what had been painted on it."""
    canvas: Any = form.pictures
    if hasattr(canvas, "followed"):
        settled(canvas, stepped.then(canvas.followed, [canvas.source.image, canvas.editor, canvas.sent, canvas.shelf],
                                      [*canvas.outputs, canvas.shelf], **QUIET))


def settled(canvas: Any, sent: Any) -> None:
    """An editor that is hidden, or only now put on screen, may lose what it was sent with: send it again when it is there."""
    sent.success(None, None, None, js=ON_SCREEN, trigger_mode="multiple").then(
        canvas.again, [canvas.editor, canvas.sent], canvas.editor, **SPOKEN)


def keeping(form: Form, event: Callable[..., Any]) -> Callable[..., Any]:
    """`event` for a handler that puts another picture on the form's canvas: what is painted there is put aside first."""
    canvas: Any = form.pictures
    if not hasattr(canvas, "shelve"):
        return event
    return event(canvas.shelve, [canvas.source.image, canvas.editor, canvas.way, canvas.shelf], canvas.shelf, **QUIET).then
