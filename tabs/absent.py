"""What another program's settings name and this machine has not: said wherever such settings are taken over."""

from __future__ import annotations

import html

import gradio as gr

from pipelines.metadata import Read
from pipelines.reception import absent, at_home
from pipelines.spec.param import declared
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio


def left_out(studio: Studio, read: Read) -> list[str]:
    """One line for each file that is named and not here."""
    words, labels = studio.words, {one.path: one.param.label for one in declared(GenerationRequest)}
    return [words("not_here", name=words.label(path, labels[path]), value=name) for path, name in absent(studio, read)]


def tell(studio: Studio, read: Read) -> None:
    """Say in toasts what was left out of settings that a form has just taken over, and which text in them became a style."""
    if not read.full and (names := at_home(studio, read).get("styles")):
        gr.Info(html.escape(studio.words("styles_found", names=", ".join(names))), duration=8)
    if lines := left_out(studio, read):
        gr.Warning("<br>".join(map(html.escape, lines)), duration=12)
