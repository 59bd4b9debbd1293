"""The fold of the upscale tab that lets a model paint the enlarged picture again, tile by tile, and tells the plan before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines import metadata
from pipelines.spec.errors import StudioError
from pipelines.spec.param import param_of
from pipelines.spec.parts import SEAM_FIXES, TILINGS, Tiled
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from pipelines.tasks.repaint import STRENGTH, Repaint
from pipelines.upscalers.automatic import AUTOMATIC
from tabs.listeners import QUIET
from tabs.page import Page
from tabs.tiled import planned


class PaintForm:
    """Makes its components where `place` is called. Empty prompt and model: what the picture's own file says."""

    def __init__(self, studio: Studio) -> None:
        self._studio, self._words = studio, studio.words

    def place(self) -> None:
        words, names = self._words, [m.name for m in self._studio.library.models()]
        with gr.Accordion(words("repaint_title"), open=False, elem_id="upscale-paint"):
            with gr.Row():
                self.on = gr.Checkbox(False, label=words("repaint_on"), min_width=160, elem_id="upscale-paint-on")
                self.held = gr.Checkbox(False, label=words("repaint_held"), min_width=160, elem_id="upscale-paint-held")
            self.strength = gr.Slider(0, 1, STRENGTH, step=0.01, label=words.label("init.denoising_strength", "Denoising strength"),
                                      buttons=[], elem_id="upscale-paint-strength")
            self.prompt = gr.Textbox(label=words("repaint_prompt"), lines=2, max_lines=6, elem_id="upscale-paint-prompt")
            self.model = gr.Dropdown([(words("repaint_model"), ""), *((n, n) for n in names)], value="",
                                     label=words.label("model", "Model"), elem_id="upscale-paint-model")
            with gr.Row():
                self.method = self._choice("method", TILINGS)
                self.seam_fix = self._choice("seam_fix", SEAM_FIXES)
            with gr.Row():
                self.tile, self.padding = self._slider("tile"), self._slider("padding")
            self.plan = gr.HTML("", elem_id="upscale-paint-plan", elem_classes="told")

    def _choice(self, name: str, choices: tuple[str, ...]) -> gr.Dropdown:
        return gr.Dropdown(list(choices), value=Tiled.model_fields[name].default, filterable=False, min_width=140,
                           label=self._words.label(f"tiled.{name}"), elem_id=f"upscale-paint-{name.replace('_', '-')}")

    def _slider(self, name: str) -> gr.Slider:
        param = param_of(Tiled, name)
        assert param is not None, name
        return gr.Slider(param.minimum or 0, param.maximum or 0, Tiled.model_fields[name].default, step=param.step or 1, buttons=[],
                         label=self._words.label(f"tiled.{name}"), min_width=160, elem_id=f"upscale-paint-{name}")

    @property
    def inputs(self) -> list[Any]:
        return [self.on, self.held, self.strength, self.prompt, self.model, self.method, self.seam_fix, self.tile, self.padding]

    def known(self) -> list[Callable[[Any], bool]]:
        """For each of `inputs` whether a value that the browser kept still fits."""
        def number(value: Any) -> bool:
            return isinstance(value, int | float)

        models = ["", *(m.name for m in self._studio.library.models())]
        return [number, number, number, lambda v: isinstance(v, str), lambda v: v in models, lambda v: v in TILINGS,
                lambda v: v in SEAM_FIXES, number, number]

    def repaint(self, data: Mapping[Component, Any]) -> Repaint | None:
        """What is asked for; None while the fold is switched off."""
        if not data[self.on]:
            return None
        return Repaint(data[self.strength], data[self.tile], data[self.padding], data[self.method], data[self.seam_fix],
                       prompt=(data[self.prompt] or "").strip() or None, model=data[self.model] or None, held=bool(data[self.held]))

    def wire(self, page: Page, sources: Component, size: list[Any]) -> None:
        """size: upscaler, factor, width, height."""
        seen = [sources, *size, *self.inputs]
        told = {sources, *size, *self.inputs}

        def plan(data: Mapping[Component, Any]) -> str:
            files, repaint = paths(data[sources]), self.repaint(data)
            return told_of(self._studio, files[0], repaint, [data[part] for part in size]) if files and repaint else ""

        gr.on([component.change for component in seen], plan, told, self.plan,        # type: ignore[attr-defined]
              trigger_mode="always_last", **QUIET)


def told_of(studio: Studio, file: str, repaint: Repaint, size: list[Any]) -> str:
    """The tiles of the first picture, drawn on it, with counts and times; "" while a number is being typed."""
    try:
        own = metadata.read(file).full
    except StudioError:
        return ""
    base = own or GenerationRequest()
    upscaler, scale, width, height = size
    values = {"tiled": True, "model": repaint.model or base.model, "sampler": base.sampler, "steps": base.steps,
              "cfg_scale": base.cfg_scale, "init.denoising_strength": repaint.denoising_strength, "init.exact_steps": False,
              "tiled.scale": scale, "tiled.width": width or 0, "tiled.height": height or 0, "tiled.upscaler": upscaler or AUTOMATIC,
              "tiled.method": repaint.method, "tiled.seam_fix": repaint.seam_fix, "tiled.tile": repaint.tile,
              "tiled.padding": repaint.padding}
    return planned(studio, values, file)


def paths(given: list[Any] | None) -> list[str]:
    """The files a Gallery holds."""
    return [str(entry[0] if isinstance(entry, (list, tuple)) else entry) for entry in given or ()]
