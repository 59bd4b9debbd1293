"""The sheet of the sketch tab: what is drawn on it, and what that is in a request. One component, drawn by sketchpad.js."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component
from PIL import Image

from pipelines.archive.inputs import Inputs
from pipelines.drawing.split import joined, split
from pipelines.images import open_image
from pipelines.spec.errors import FieldError, StudioError
from pipelines.studio import Studio
from pipelines.words import Words

LINES, STROKES = "sketch.lines", "sketch.strokes"
SCRIPT = Path(__file__).parent / "assets" / "sketchpad.js"
HEAD = "data:image/png;base64,"
LIMIT = 6 * 2**20       # characters; a sheet of 512 pixels has some ten thousand
INKS = ("#1d1a18", "#ffffff", "#d62828", "#f77f00", "#fcbf49", "#2d6a4f", "#52b788", "#1d4ed8", "#8ecae6", "#6f4518", "#b185db")


class Sketchpad:
    """The picture fields of the sketch tab: one drawing is its lines and its colours."""

    def __init__(self, studio: Studio, prefix: str) -> None:
        self._studio = studio
        self.sheet = gr.HTML("", html_template=template(studio.words), js_on_load=SCRIPT.read_text(encoding="utf-8"),
                             elem_id=f"{prefix}-sheet", elem_classes="card sheet", apply_default_css=False)
        self.inputs: set[Component] = {self.sheet}
        self.outputs: list[Component] = [self.sheet]

    def read(self, data: Mapping[Component, Any]) -> dict[str, str]:
        """The drawing's lines and colours, kept. Raises FieldError for an empty sheet."""
        return self.named(data[self.sheet], self._studio.inputs.keep)

    def lent(self, data: Mapping[Component, Any]) -> dict[str, str]:
        """As `read`, in memory only: a drawing that is still being drawn."""
        return self.named(data[self.sheet], self._studio.inputs.lend)

    def named(self, value: Any, keep: Any) -> dict[str, str]:
        lines, strokes = split(drawing(value, self._studio.words))
        return {LINES: keep(lines) if lines else "", STROKES: keep(strokes) if strokes else ""}

    def write(self, names: Mapping[str, str]) -> list[Any]:
        """The sheet with the drawing of these names."""
        return [address(picture_of(self._studio.inputs, names))]


def drawing(value: Any, words: Words) -> Image.Image:
    """The drawing of a sheet's value. Raises FieldError for an empty sheet, ImageFileError for what is no picture."""
    if not value:
        raise FieldError(words("sketch"), "", words("sketch_empty"), fix=words("sketch_how_to"))
    if not isinstance(value, str) or len(value) > LIMIT or not value.startswith(HEAD):
        raise FieldError(words("sketch"), "", "not a drawing of this page", fix="Reload the page")
    try:
        return open_image(base64.b64decode(value[len(HEAD):], validate=True), name="sketch")
    except ValueError:      # no base64, or not even ASCII
        raise FieldError(words("sketch"), "", "not a drawing of this page", fix="Reload the page") from None


def picture_of(inputs: Inputs, names: Mapping[str, str]) -> Image.Image | None:
    """Lines and colours on one sheet; None when neither is kept any more."""
    def opened(name: str) -> Image.Image | None:
        try:
            return inputs.open(name) if name else None
        except StudioError:
            return None

    return joined(opened(names.get(LINES, "")), opened(names.get(STROKES, "")))


def address(picture: Image.Image | None) -> str:
    """As the value of a sheet."""
    if picture is None:
        return ""
    data = io.BytesIO()
    picture.save(data, "PNG")
    return HEAD + base64.b64encode(data.getvalue()).decode()


def template(words: Words) -> str:
    """Tools above, the sheet below."""
    def button(name: str, sign: str) -> str:
        told = html.escape(words(f"sketch_{name}"), quote=True)
        return f'<button type="button" data-tool="{name}" title="{told}">{sign} {told}</button>'

    inks = "".join(f'<button type="button" class="ink" data-ink="{c}" style="background:{c}" aria-label="{c}"></button>'
                   for c in INKS)
    label = {name: html.escape(words(f"sketch_{name}"), quote=True) for name in ("width", "colour", "file", "sheet")}
    return (f'<div class="tools">{button("brush", "✎")}{button("eraser", "▱")}'
            f'<input type="range" data-tool="width" min="2" max="60" value="8" title="{label["width"]}" '
            f'aria-label="{label["width"]}">'
            f'{button("undo", "↶")}{button("clear", "✕")}'
            f'<label class="file">⇪ {label["file"]}<input type="file" data-tool="file" accept="image/*"></label></div>'
            f'<div class="inks">{inks}<input type="color" data-tool="colour" aria-label="{label["colour"]}"></div>'
            f'<canvas width="512" height="512" tabindex="0" aria-label="{label["sheet"]}"></canvas>')
