"""The fold of the upscale tab that lets a model paint the enlarged picture again, tile by tile, and tells the plan before."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines import upscale_job
from pipelines.spec.errors import StudioError
from pipelines.spec.param import param_of
from pipelines.spec.parts import SEAM_FIXES, TILE_ORDERS, TILINGS, Tiled
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from pipelines.tasks.repaint import STRENGTH, Repaint
from pipelines.upscalers.recipe import Recipe
from tabs.form import HELPED
from tabs.listeners import QUIET
from tabs.page import Page
from tabs.tiled import told


class PaintForm:
    """Makes its components where `place` is called. Empty prompt and model: what the picture's own file says."""

    def __init__(self, studio: Studio) -> None:
        self._studio, self._words = studio, studio.words

    def place(self) -> None:
        words = self._words
        with gr.Accordion(words("repaint_title"), open=False, elem_id="upscale-paint"):
            with gr.Row():
                self.on = gr.Checkbox(False, label=words("repaint_on"), min_width=160, elem_id="upscale-paint-on",
                                      elem_classes=HELPED)
                self.held = gr.Checkbox(False, label=words("repaint_held"), min_width=160, elem_id="upscale-paint-held",
                                        elem_classes=HELPED)
            self.strength = gr.Slider(0, 1, STRENGTH, step=0.01, label=words.label("init.denoising_strength", "Denoising strength"),
                                      buttons=[], elem_id="upscale-paint-strength", elem_classes=HELPED)
            self.prompt = gr.Textbox(label=words("repaint_prompt"), lines=2, max_lines=6, elem_id="upscale-paint-prompt",
                                     elem_classes=HELPED)
            self.negative = gr.Textbox(label=words("repaint_negative"), lines=1, max_lines=4, elem_id="upscale-paint-negative",
                                       elem_classes=HELPED)
            self.model = gr.Dropdown(self._models(), value="", allow_custom_value=True,
                                     label=words.label("model", "Model"), elem_id="upscale-paint-model", elem_classes=HELPED)
            self.method = self._choice("method", TILINGS)
            with gr.Row():
                self.tile, self.padding = self._slider("tile"), self._slider("padding")
            with gr.Column(visible=False) as self._separate:
                with gr.Row():
                    self.mask_blur, self.order = self._slider("mask_blur"), self._choice("order", TILE_ORDERS)
                self.seam_fix = self._choice("seam_fix", SEAM_FIXES)
                with gr.Row():
                    self.seam_strength, self.seam_width = self._slider("seam_denoising_strength"), self._slider("seam_width")
            self.plan = gr.HTML("", elem_id="upscale-paint-plan", elem_classes="told")

    def _models(self) -> list[tuple[str, str]]:
        return offered(self._words("repaint_model"), [m.name for m in self._studio.library.models()])

    def _choice(self, name: str, choices: tuple[str, ...]) -> gr.Dropdown:
        return gr.Dropdown(list(choices), value=Tiled.model_fields[name].default, filterable=False, min_width=140,
                           label=self._words.label(f"tiled.{name}"), elem_id=f"upscale-paint-{name.replace('_', '-')}",
                           elem_classes=HELPED)

    def _slider(self, name: str) -> gr.Slider:
        param = param_of(Tiled, name)
        assert param is not None, name
        return gr.Slider(param.minimum or 0, param.maximum or 0, Tiled.model_fields[name].default, step=param.step or 1, buttons=[],
                         label=self._words.label(f"tiled.{name}"), min_width=160, elem_id=f"upscale-paint-{name.replace('_', '-')}",
                         elem_classes=HELPED)

    @property
    def inputs(self) -> list[Any]:
        """In the order in which the browser keeps them: new ones come last."""
        return [self.on, self.held, self.strength, self.prompt, self.model, self.method, self.seam_fix, self.tile, self.padding,
                self.negative, self.mask_blur, self.order, self.seam_strength, self.seam_width]

    def known(self) -> list[Callable[[Any], bool]]:
        """For each of `inputs` whether a value that the browser kept still fits."""
        def number(value: Any) -> bool:
            return isinstance(value, int | float)

        def words(value: Any) -> bool:
            return isinstance(value, str)

        return [number, number, number, words, words, lambda v: v in TILINGS, lambda v: v in SEAM_FIXES,
                number, number, words, number, lambda v: v in TILE_ORDERS, number, number]

    def repaint(self, data: Mapping[Component, Any]) -> Repaint | None:
        """What is asked for; None while the fold is switched off."""
        if not data[self.on]:
            return None
        return Repaint(data[self.strength], data[self.tile], data[self.padding], data[self.method], data[self.mask_blur],
                       data[self.order], data[self.seam_fix], data[self.seam_strength], data[self.seam_width],
                       prompt=(data[self.prompt] or "").strip() or None, model=data[self.model] or None, held=bool(data[self.held]),
                       negative_prompt=(data[self.negative] or "").strip() or None)

    def wire(self, page: Page, sources: Component, asked: set[Any], recipe: Callable[[Mapping[Component, Any]], Recipe]) -> None:
        """asked: what `recipe` is read from."""
        seen: set[Any] = {sources, *asked, *self.inputs}
        page.lists[self.model] = lambda _: gr.update(choices=self._models())

        def plan(data: Mapping[Component, Any]) -> str:
            files, repaint = paths(data[sources]), self.repaint(data)
            return told_of(self._studio, files[0], repaint, recipe(data)) if files and repaint else ""

        gr.on([component.change for component in seen], plan, seen, self.plan, trigger_mode="always_last", **QUIET)
        gr.on([page.blocks.load, self.method.change], lambda way: gr.Column(visible=way == "Separate"), self.method,
              self._separate, **QUIET)


def offered(first: str, names: list[str]) -> list[tuple[str, str]]:
    """Choices: `first` for nothing chosen, then the names."""
    return [(first, ""), *((name, name) for name in names)]


def told_of(studio: Studio, file: str, repaint: Repaint, recipe: Recipe) -> str:
    """The tiles of the first picture, drawn on it, with counts and times, by the request that would run; the line why not."""
    try:
        source = upscale_job.given(studio, file)
        own = GenerationRequest.parse(source.request) if source.request else None
        return told(studio, repaint.request(source.picture, own, recipe, studio.library, studio.preprocessors))
    except StudioError as error:
        return html.escape(str(error))


def paths(given: list[Any] | None) -> list[str]:
    """The files a Gallery holds."""
    return [str(entry[0] if isinstance(entry, (list, tuple)) else entry) for entry in given or ()]
