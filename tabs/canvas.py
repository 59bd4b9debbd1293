"""The canvas of the inpaint tab: a picture, the mask painted over it or given as a file, and what they are in a request.

The picture itself never goes through the browser's canvas: what is sent to the engine is the file that was given, and of
the editor only the alpha of its layers is used. So pixels outside the mask are the source's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component
from PIL import Image, ImageChops

from pipelines.images import open_image
from pipelines.spec.errors import FieldError, StudioError
from pipelines.studio import Studio
from tabs.form import Form, refused
from tabs.source import IMAGE, Source, needed, shown, size_of

MASK = "inpaint.mask"
SIDES = ("left", "right", "top", "bottom")
PAINT = ("#e2593a", 0.6)        # see-through, so that one sees what is painted over


class Canvas:
    """The picture fields of the inpaint tab. The editor is shown as soon as there is a picture, in its place."""

    def __init__(self, studio: Studio, form: Form) -> None:
        words = studio.words
        self._studio, self._form = studio, form
        self.source = Source(studio, "inpaint")
        self.editor = gr.ImageEditor(
            type="pil", image_mode="RGBA", sources=(), transforms=(), layers=False, format="png", visible=False,
            label=words("editor_hint"), brush=gr.Brush(colors=[PAINT], default_color=PAINT, color_mode="fixed"),
            eraser=gr.Eraser(), height=480, buttons=["fullscreen"], elem_id="inpaint-editor")
        with gr.Row(elem_classes="chips", visible=False) as self.chips:
            self.other = gr.Button(words("other_picture"), size="sm", min_width=90, elem_id="inpaint-other")
            self.alpha = gr.Button(words("mask_from_alpha"), size="sm", min_width=90, elem_id="inpaint-alpha")
        with gr.Accordion(words("mask_picture"), open=False, elem_id="inpaint-mask-fold") as self.fold:
            self.file = gr.Image(type="filepath", image_mode=None, show_label=False, height=220, buttons=["fullscreen"],
                                 sources=["upload", "clipboard"], elem_id="inpaint-mask-file")
        self.inputs: set[Component] = {self.source.image, self.editor, self.file}
        self.outputs: list[Any] = [self.source.image, self.editor, self.chips, self.file, self.fold]

    # -- into a request ------------------------------------------------------------------------------------------------

    def read(self, data: Mapping[Component, Any]) -> dict[str, str]:
        """The picture and its mask, kept. Raises FieldError without a picture, or when nothing would be painted."""
        name = needed(self._studio, data[self.source.image])
        mask = self._mask(data, name)
        if mask is not None and mask.getbbox() is not None:
            return {IMAGE: name, MASK: self._studio.inputs.keep(mask)}
        if not any(data.get(self._form.fields[f"outpaint.{side}"]) for side in SIDES):
            words = self._studio.words
            raise FieldError(words("group_inpaint"), "", words("nothing_masked"), fix=words("mask_how_to"))
        return {IMAGE: name, MASK: ""}

    def _mask(self, data: Mapping[Component, Any], name: str) -> Image.Image | None:
        """White where it is painted anew, as large as the picture; a file goes before what was painted."""
        size = size_of(self._studio.inputs.path(name))
        if data[self.file]:
            return of_file(data[self.file]).resize(size, Image.Resampling.BILINEAR)
        mask = painted((data[self.editor] or {}).get("layers") or ())
        return mask if mask is None or mask.size == size else mask.resize(size, Image.Resampling.NEAREST)

    # -- onto the page -------------------------------------------------------------------------------------------------

    def write(self, names: Mapping[str, str]) -> list[Any]:
        picture: list[Any] = [gr.skip()] * 3
        if IMAGE in names:
            picture = self._showing(shown(self._studio, names[IMAGE]))
        if MASK not in names:
            return [*picture, gr.skip(), gr.skip()]
        mask = shown(self._studio, names[MASK])
        return [*picture, mask, gr.Accordion(open=bool(mask))]

    def _showing(self, path: str | None) -> list[Any]:
        """Updates for source, editor and chips: the editor over the picture, or the empty field."""
        value = {"background": path, "layers": [], "composite": None} if path else None
        return [gr.update(value=path, visible=not path), gr.update(value=value, visible=bool(path)),
                gr.Row(visible=bool(path))]

    def arrived(self, path: str, model: str) -> list[Any]:
        """A picture was given: updates for `outputs` without a mask, and a width and height that suit it."""
        kept, width, height = self.source.arrived(path, model)
        return [*self._showing(kept), None, gr.skip(), width, height]

    def again(self, path: str | None) -> Any:
        """Update for the editor: its picture once more, for an editor that was not on screen yet when it was sent."""
        return {"background": path, "layers": [], "composite": None} if path else gr.skip()

    def emptied(self) -> list[Any]:
        """Updates for `outputs`: room for another picture."""
        return [*self._showing(None), None, gr.Accordion(open=False)]

    def from_alpha(self, path: str | None) -> list[Any]:
        """Updates for the mask's file and its fold: white where the picture is see-through."""
        try:
            picture = open_image(needed(self._studio, path) and str(path))
            words = self._studio.words
            if picture.mode != "RGBA" or picture.getchannel("A").getextrema()[0] == 255:
                raise FieldError(words("group_inpaint"), "", words("no_alpha").rstrip("."))
            mask = ImageChops.invert(picture.getchannel("A"))
            return [str(self._studio.inputs.path(self._studio.inputs.keep(mask))), gr.Accordion(open=True)]
        except StudioError as error:
            raise refused(error) from None


def painted(layers: Any) -> Image.Image | None:
    """The footprint of all strokes, 255 or 0, of RGBA layers of one size; None without layers."""
    union: Image.Image | None = None
    for layer in layers:
        footprint = layer.getchannel("A").point(lambda alpha: 255 if alpha else 0)
        if union is not None and union.size != footprint.size:
            footprint = footprint.resize(union.size, Image.Resampling.NEAREST)
        union = footprint if union is None else ImageChops.lighter(union, footprint)
    return union


def of_file(path: str) -> Image.Image:
    """The greys of a mask's file; what is see-through in it is not masked. Raises ImageFileError."""
    picture = open_image(path)
    grey = picture.convert("L")
    return ImageChops.multiply(grey, picture.getchannel("A")) if picture.mode == "RGBA" else grey
