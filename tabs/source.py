"""The picture a tab starts from: the field it is dropped into, its name in a request, and sizes that suit it."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines.spec.errors import FieldError, StudioError
from pipelines.spec.geometry import Size
from pipelines.spec.param import SHA256
from pipelines.studio import Studio
from pipelines.tasks.start import scaled, suited
from tabs.form import refused

IMAGE = "init.image"


class Source:
    """One field for one picture; what is dropped into it is kept at once, upright and without its file's metadata."""

    def __init__(self, studio: Studio, prefix: str, **look: Any) -> None:
        self._studio = studio
        self.image = gr.Image(label=studio.words("source_picture"), type="filepath", image_mode=None, height=300,
                              sources=["upload", "clipboard"], buttons=["fullscreen"], elem_id=f"{prefix}-source", **look)
        self.inputs: set[Component] = {self.image}
        self.outputs: list[Component] = [self.image]
        self.noted = self.outputs

    def read(self, data: Mapping[Component, Any]) -> dict[str, str]:
        return {IMAGE: needed(self._studio, data[self.image])}

    def write(self, names: Mapping[str, str]) -> list[Any]:
        return [shown(self._studio, names[IMAGE]) if IMAGE in names else gr.skip()]

    def arrived(self, path: str, model: str) -> list[Any]:
        """For a picture just given: its kept file, and a width and height that suit it and the model."""
        try:
            kept = self._studio.inputs.path(keep(self._studio, path))
            return [str(kept), *fitted(self._studio, size_of(kept), model)]
        except StudioError as error:
            raise refused(error) from None


def keep(studio: Studio, path: str | Path) -> str:
    """The name of the picture at `path`; one that is kept already is not read again. Raises StudioError."""
    file = Path(path)
    if file.parent.resolve() == studio.inputs.folder.resolve() and SHA256.fullmatch(file.stem):
        return file.stem
    name = studio.inputs.keep_file(file)
    studio.lineage.note(name, file)
    return name


def needed(studio: Studio, path: str | None) -> str:
    """As `keep`; says in one line that there is no picture."""
    if not path:
        words = studio.words
        raise FieldError(words("picture"), "", words("picture_needed"), fix=words("picture_how_to"))
    return keep(studio, path)


def shown(studio: Studio, name: str) -> str | None:
    """The file of a kept picture for a picture field; a toast when it is gone."""
    try:
        return str(studio.inputs.path(name)) if name else None
    except StudioError:
        gr.Info(html.escape(studio.words("picture_not_kept")))
        return None


def size_of(file: str | Path) -> Size:
    """Of a kept picture, from its header."""
    from PIL import Image

    with Image.open(file) as picture:
        return Size(*picture.size)


def fitted(studio: Studio, size: Size, model: str) -> Size:
    """A width and height of the same shape: the picture's own where the model copes with it, else about its native size."""
    family = studio.model(model).family
    return suited(size, family.native_px, family.size_step)


def resized(studio: Studio, path: str | None, factor: float, model: str) -> Any:
    """Width and height of the picture times `factor`; unchanged while there is no picture."""
    if not path:
        return gr.skip(), gr.skip()
    try:
        return tuple(scaled(size_of(studio.inputs.path(keep(studio, path))), factor, studio.model(model).family.size_step))
    except StudioError as error:
        raise refused(error) from None
