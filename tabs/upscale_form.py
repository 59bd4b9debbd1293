"""The form of the upscale tab: pictures, how they are made larger, and how large; read as a recipe and sources."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines import upscale_job
from pipelines.metadata import SUFFIXES, read_texts
from pipelines.spec.errors import StudioError
from pipelines.spec.geometry import Size
from pipelines.studio import Studio
from pipelines.upscale_job import Source
from pipelines.upscalers import Target
from pipelines.upscalers.automatic import AUTOMATIC
from pipelines.upscalers.recipe import Faces, Recipe
from pipelines.upscalers.target import FACTORS, MAX_SIDE
from tabs.form import HELPED
from tabs.listeners import QUIET
from tabs.page import Page
from tabs.upscale_paint import PaintForm, offered, paths


class UpscaleForm:
    """Makes its components where `place` is called; `wire` connects what happens inside it."""

    def __init__(self, studio: Studio) -> None:
        self._studio, self._words = studio, studio.words
        self.paint = PaintForm(studio)

    # -- components ----------------------------------------------------------------------------------------------------

    def pictures(self) -> None:
        words = self._words
        with gr.Column(elem_classes="card"):
            self.sources = gr.Gallery(label=words("upscale_sources"), interactive=True, file_types=["image"], columns=3,
                                      fit_columns=False, object_fit="contain", height=260, sources=["upload", "clipboard"],
                                      buttons=[], elem_id="upscale-sources")
            self.folder = gr.Textbox(label=words("upscale_folder"), max_lines=1, visible=not self._studio.settings.exposed,
                                     elem_id="upscale-folder", elem_classes=HELPED)

    def settings(self) -> None:
        self._how()
        self._size()
        self.paint.place()

    def _how(self) -> None:
        words, names = self._words, self._studio.upscalers.names()
        with gr.Column(elem_classes="card"):
            self.upscaler = gr.Dropdown(offered(AUTOMATIC, names), value="", allow_custom_value=True, label=words("upscaler"),
                                        elem_id="upscale-upscaler", elem_classes=HELPED)
            with gr.Row():
                self.second = gr.Dropdown(offered("–", names), value="", allow_custom_value=True, label=words("upscaler_second"),
                                          min_width=190, elem_id="upscale-second", elem_classes=HELPED)
                self.visibility = gr.Slider(0, 1, 0.5, step=0.05, label=words("upscale_visibility"), buttons=[], min_width=190,
                                            elem_id="upscale-visibility", elem_classes=HELPED)

        self._faces()

    def _faces(self) -> None:
        """Shown where a network for it is installed."""
        words, names = self._words, self._studio.upscalers.restorers.names()
        with gr.Column(elem_classes="card", visible=bool(names)) as self._faces_card:
            self.restorer = gr.Dropdown(offered("–", names), value="", allow_custom_value=True, label=words("restore_faces"),
                                        elem_id="upscale-restorer", elem_classes=HELPED)
            with gr.Row():
                self.shown = gr.Slider(0, 1, 1, step=0.05, label=words("face_visibility"), buttons=[], min_width=150,
                                       elem_id="upscale-face-visibility", elem_classes=HELPED)
                self.weight = gr.Slider(0, 1, 0.5, step=0.05, label=words("codeformer_weight"), buttons=[], min_width=150,
                                        elem_id="upscale-weight", elem_classes=HELPED)

    def _size(self) -> None:
        words = self._words
        with gr.Column(elem_classes="card"):
            self.scale = gr.Slider(*FACTORS, 2, step=0.05, label=words("upscale_by"), buttons=[], elem_id="upscale-by",
                                   elem_classes=HELPED)
            with gr.Row():
                self.width = gr.Number(0, precision=0, minimum=0, maximum=MAX_SIDE, label=words("upscale_width"), min_width=120,
                                       elem_id="upscale-width", elem_classes=HELPED)
                self.height = gr.Number(0, precision=0, minimum=0, maximum=MAX_SIDE, label=words("upscale_height"),
                                        min_width=120, elem_id="upscale-height", elem_classes=HELPED)
            with gr.Row():
                self.crop = gr.Checkbox(True, label=words("upscale_crop"), min_width=120, elem_id="upscale-crop",
                                        elem_classes=HELPED)
                self.format = gr.Dropdown(list(SUFFIXES), value=self._studio.settings.output_format, label=words("file_format"),
                                          filterable=False, min_width=120, elem_id="upscale-format", elem_classes=HELPED)
            self.told = gr.HTML("", elem_id="upscale-told", elem_classes="told")

    # -- between them --------------------------------------------------------------------------------------------------

    @property
    def inputs(self) -> set[Component]:
        return {self.sources, self.folder, *self._kept, self.restorer, self.shown, self.weight, self.format}

    @property
    def _kept(self) -> list[Any]:
        """What the browser remembers."""
        return [self.upscaler, self.second, self.visibility, self.scale, self.width, self.height, self.crop, *self.paint.inputs]

    def wire(self, page: Page) -> None:
        gr.on([self.sources.change, self.scale.change, self.width.change, self.height.change, self.crop.change], self.sizes,
              [self.sources, self.scale, self.width, self.height, self.crop], self.told, trigger_mode="always_last", **QUIET)
        self.paint.wire(page, self.sources, self.inputs - {self.sources, self.folder, self.format}, self.recipe)
        ways = self._studio.upscalers
        page.lists |= {self.upscaler: lambda _: gr.update(choices=offered(AUTOMATIC, ways.names())),
                       self.second: lambda _: gr.update(choices=offered("–", ways.names())),
                       self.restorer: lambda _: gr.update(choices=offered("–", ways.restorers.names())),
                       self._faces_card: lambda _: gr.update(visible=bool(ways.restorers.names()))}
        page.keep("upscale", self._kept, len(self._kept), self.bring_back)

    def bring_back(self, values: Any) -> list[Any]:
        """What the browser kept; a network that is gone stays named, and *Make larger* says so."""
        known = [*[lambda v: isinstance(v, str)] * 2, *[lambda v: isinstance(v, int | float)] * 5, *self.paint.known()]
        held = values if isinstance(values, list) else []       # shorter where an older page kept it
        pairs = zip_longest(held[:len(known)], known)
        return [value if fits(value) else gr.skip() for value, fits in pairs]

    # -- what it says --------------------------------------------------------------------------------------------------

    def recipe(self, data: Mapping[Component, Any]) -> Recipe:
        target = target_of(data[self.scale], data[self.width], data[self.height], data[self.crop])
        return Recipe(data[self.upscaler] or "", data[self.second] or "", float(data[self.visibility]), target,
                      faces=Faces(data[self.restorer] or "", float(data[self.shown]), float(data[self.weight])))

    def given(self, data: Mapping[Component, Any]) -> list[Source]:
        """The uploads; without any, the folder's pictures."""
        files = paths(data[self.sources])
        if not files and (data[self.folder] or "").strip():
            return upscale_job.folder(self._studio, data[self.folder])
        return [upscale_job.given(self._studio, file) for file in files]

    def sizes(self, given: list[Any] | None, *size: Any) -> str:
        """"256×384 → 512×768" for the first picture; the refusal where that cannot be."""
        files = paths(given)
        if not files:
            return ""
        try:
            source = Size(*read_texts(files[0], brief=True).size)
            _, result = target_of(*size).sizes(source)
        except StudioError as error:
            return html.escape(str(error))
        return f"{source} → <b>{result}</b>"


def target_of(scale: Any, width: Any, height: Any, crop: Any) -> Target:
    """Empty fields count as they stand at first; what is no number of pixels becomes -1, which a target refuses."""
    across, down = (int(side or 0) if math.isfinite(side or 0) else -1 for side in (width, height))
    return Target(float(scale or 2), across, down, bool(crop))
