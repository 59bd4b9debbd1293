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
from pipelines.tasks.canvas import alike_around, greys, plain
from tabs.form import Form, refused
from tabs.source import IMAGE, Source, needed, shown, size_of

MASK, STROKES = "inpaint.mask", "init.strokes"
SIDES = ("left", "right", "top", "bottom")
PAINT = ("#e2593a", 0.6)        # see-through, so that one sees what is painted over
COLOURS = ("#000000", "#ffffff", "#c8372d", "#e8a33d", "#f2d95c", "#4c9a4e", "#3f7fc1", "#6b4fa0", "#8a5a3a", "#f0c4a4")
# Before a picture is there. Gradio 6.31 lays strokes that it is sent into the middle of this or the picture, whichever is larger:
# with its own 800×800 those of a smaller picture came to lie beside it, unseen.
EMPTY = (16, 16)
SHELVED = 20            # pictures whose strokes are put aside
BY = ("colour", "object")       # what a click on the wand's picture masks
WAYS = ("mask", "colours", "whole")     # what was painted is: a mask; colours and their mask; colours over the whole picture


class Canvas:
    """The picture fields of the inpaint tab. The editor is shown as soon as there is a picture, in its place."""

    def __init__(self, studio: Studio, form: Form) -> None:
        words = studio.words
        self._studio, self._form = studio, form
        self.source = Source(studio, "inpaint")
        self.editor = gr.ImageEditor(
            type="pil", image_mode="RGBA", sources=(), transforms=(), layers=False, format="png", visible=False,
            label=words("editor_hint"), brush=gr.Brush(colors=[PAINT, *COLOURS], default_color=PAINT),
            eraser=gr.Eraser(), height=480, canvas_size=EMPTY, buttons=["fullscreen"], elem_id="inpaint-editor")
        self.way = gr.Radio([(words(f"painted_{way}"), way) for way in WAYS], value=WAYS[0], show_label=False, container=False,
                            elem_id="inpaint-way")
        with gr.Row(elem_classes="chips", visible=False) as self.chips:
            self.other = gr.Button(words("other_picture"), size="sm", min_width=90, elem_id="inpaint-other")
            self.alpha = gr.Button(words("mask_from_alpha"), size="sm", min_width=90, elem_id="inpaint-alpha")
        with gr.Accordion(words("mask_picture"), open=False, elem_id="inpaint-mask-fold") as self.fold:
            self.file = gr.Image(type="filepath", image_mode=None, show_label=False, height=220, buttons=["fullscreen"],
                                 sources=["upload", "clipboard"], elem_id="inpaint-mask-file")
            self.wand = gr.Image(type="filepath", image_mode=None, interactive=False, label=words("wand"), height=220, buttons=[],
                                 elem_id="inpaint-wand")
            self.by = gr.Radio([(words(f"wand_{by}"), by) for by in BY], value=BY[0], show_label=False, container=False,
                               visible=studio.objects.folder() is not None, elem_id="inpaint-wand-by")
            self.tolerance = gr.Slider(0, 128, 24, step=1, label=words("wand_tolerance"), buttons=[])
        self.sent = gr.State(None)      # what the editor was sent last, for one that was not on screen yet
        self.shelf = gr.State({})       # what had been painted on pictures that another one replaced, by their files
        self.noted: list[Any] = [self.source.image, self.file, self.way]
        self.inputs: set[Component] = {self.source.image, self.editor, self.file, self.way}
        self.outputs: list[Any] = [self.source.image, self.editor, self.chips, self.sent, self.way, self.file, self.fold]

    # -- into a request ------------------------------------------------------------------------------------------------

    def read(self, data: Mapping[Component, Any]) -> dict[str, str]:
        """The picture and its mask, kept. Raises FieldError without a picture, or when nothing would be painted."""
        name = needed(self._studio, data[self.source.image])
        size, layers = size_of(self._studio.inputs.path(name)), (data[self.editor] or {}).get("layers") or ()
        mask, strokes = self._mask(data, size), None
        if data.get(self.way, WAYS[0]) != WAYS[0]:
            strokes = flattened(layers, size)
        if strokes is not None and data[self.way] == "whole":
            mask = Image.new("L", size, 255)
        if mask is not None and mask.getbbox() is not None:
            colours = self._studio.inputs.keep(strokes) if strokes is not None else ""
            return {IMAGE: name, MASK: self._studio.inputs.keep(mask), STROKES: colours}
        if not any(data.get(self._form.fields[f"outpaint.{side}"]) for side in SIDES):
            words = self._studio.words
            raise FieldError(words("group_inpaint"), "", words("nothing_masked"), fix=words("mask_how_to"))
        return {IMAGE: name, MASK: "", STROKES: ""}

    def _mask(self, data: Mapping[Component, Any], size: tuple[int, int]) -> Image.Image | None:
        """White where it is painted anew, of the picture's size; a file goes before what was painted."""
        if data[self.file]:
            return greys(open_image(data[self.file])).resize(size, Image.Resampling.BILINEAR)
        mask = painted((data[self.editor] or {}).get("layers") or ())
        return mask if mask is None or mask.size == size else mask.resize(size, Image.Resampling.NEAREST)

    # -- onto the page -------------------------------------------------------------------------------------------------

    def write(self, names: Mapping[str, str]) -> list[Any]:
        mask = shown(self._studio, names.get(MASK, ""))
        strokes = shown(self._studio, names.get(STROKES, ""))
        way = self._way(mask, strokes)
        picture: list[Any] = [gr.skip()] * 5
        if IMAGE in names:
            picture = self._showing(shown(self._studio, names[IMAGE]), strokes, way)
        if MASK not in names:
            return [*picture, gr.skip(), gr.skip()]
        if strokes:                     # the strokes are shown, and what they cover follows from them
            mask = None
        return [*picture, mask, gr.Accordion(open=bool(mask))]

    def _way(self, mask: str | None, strokes: str | None) -> str:
        if not strokes:
            return WAYS[0]
        whole = mask is None or open_image(mask).convert("L").getextrema()[0] == 255
        return "whole" if whole else "colours"

    def _showing(self, path: str | None, strokes: str | None = None, way: str = WAYS[0]) -> list[Any]:
        """Updates for source, editor, chips, `sent` and way: the editor over the picture, or the empty field."""
        value = {"background": path, "layers": [strokes] if strokes else [], "composite": None} if path else None
        return [gr.update(value=path, visible=not path), gr.update(value=value, visible=bool(path)),
                gr.Row(visible=bool(path)), value, way]

    def arrived(self, path: str, model: str) -> list[Any]:
        """A picture was given: updates for `outputs` without a mask, and a width and height that suit it."""
        kept, width, height = self.source.arrived(path, model)
        return [*self._showing(kept), None, gr.skip(), width, height]

    def again(self, held: Mapping[str, Any] | None, sent: Mapping[str, Any] | None) -> Any:
        """Update for an editor that has come on screen since it was sent its picture: the same once more.

        One that was hidden may show none of the layers it was sent. Until a stroke is added it reports them all the same, so
        what it holds does not tell; then it reports that stroke alone, and the two are laid over one another.
        """
        if not sent or (held or {}).get("background") is not None and not sent["layers"]:
            return gr.skip()
        layers = (held or {}).get("layers") or ()
        if not sent["layers"] or not layers:
            return sent
        strokes = open_image(sent["layers"][0]).convert("RGBA")
        added = flattened(layers, strokes.size)
        if added is None or _footprint(added).tobytes() == _footprint(strokes).tobytes():
            return sent
        if ImageChops.multiply(_footprint(added), _footprint(strokes)).getbbox() is not None:
            return gr.skip()        # they are there, and were worked on
        strokes.alpha_composite(added)
        return {**sent, "layers": [str(self._studio.inputs.path(self._studio.inputs.keep(strokes)))]}

    def shelve(self, path: str | None, held: Mapping[str, Any] | None, way: str,
               shelf: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
        """`shelf` with what is painted on the picture at `path`, which is about to be replaced."""
        layers = (held or {}).get("layers") or ()
        strokes = flattened(layers, layers[0].size) if path and layers else None
        if strokes is None:
            return shelf
        kept = str(self._studio.inputs.path(self._studio.inputs.keep(strokes)))
        return dict([*((p, s) for p, s in shelf.items() if p != path), (str(path), (kept, way))][-SHELVED:])

    def followed(self, path: str | None, held: Mapping[str, Any] | None, sent: Mapping[str, Any] | None,
                 shelf: dict[str, tuple[str, str]]) -> list[Any]:
        """After an undo: updates for source, editor, chips, `sent`, way, mask file, its fold and shelf: the picture that came back.

        What was painted also comes back as the mask's file: an editor that was hidden may not show the layers it is sent.
        """
        strokes, way = shelf.get(path or "", (None, WAYS[0]))
        painted_on = painted((held or {}).get("layers") or ())
        blank = painted_on is None or painted_on.getbbox() is None
        if path == ((sent or {}).get("background")) and not (blank and strokes):
            return [gr.skip()] * 8
        mask: list[Any] = [gr.skip()] * 2
        if strokes:
            footprint = _footprint(open_image(strokes).convert("RGBA"))
            mask = [str(self._studio.inputs.path(self._studio.inputs.keep(footprint))), gr.Accordion(open=True)]
        left = {file: found for file, found in shelf.items() if file != path}
        return [*self._showing(path, strokes, way), *mask, left]

    def emptied(self) -> list[Any]:
        """Updates for `outputs`: room for another picture."""
        return [*self._showing(None), None, gr.Accordion(open=False)]

    def touched(self, path: str | None, mask: str | None, tolerance: float, by: str, event: gr.SelectData) -> str:
        """The mask's file with what is alike around the pixel that was clicked, or with the object that it belongs to."""
        try:
            picture = plain(self._studio.inputs.open(needed(self._studio, path)))
            at = int(event.index[0]), int(event.index[1])
            found = self._studio.objects.at(picture, at) if by == "object" else alike_around(picture, at, int(tolerance))
            if mask:
                found = ImageChops.lighter(found, greys(open_image(mask)).resize(found.size, Image.Resampling.BILINEAR))
            return str(self._studio.inputs.path(self._studio.inputs.keep(found)))
        except StudioError as error:
            raise refused(error) from None

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
        footprint = _footprint(layer)
        if union is not None and union.size != footprint.size:
            footprint = footprint.resize(union.size, Image.Resampling.NEAREST)
        union = footprint if union is None else ImageChops.lighter(union, footprint)
    return union


def _footprint(layer: Image.Image) -> Image.Image:
    """255 wherever the RGBA `layer` has any colour, else 0."""
    return layer.getchannel("A").point(lambda alpha: 255 if alpha else 0)


def flattened(layers: Any, size: tuple[int, int]) -> Image.Image | None:
    """The colours of all strokes as one RGBA picture of `size`; None without any."""
    if not layers or painted(layers).getbbox() is None:     # type: ignore[union-attr]
        return None
    whole = Image.new("RGBA", layers[0].size)
    for layer in layers:
        whole.alpha_composite(layer if layer.size == whole.size else layer.resize(whole.size))
    return whole if whole.size == tuple(size) else whole.resize(size, Image.Resampling.BILINEAR)
