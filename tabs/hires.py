"""The fold of the second pass ("hires fix"): its settings, the sizes live, and the second pass alone over a finished picture."""

from __future__ import annotations

import html
from collections.abc import Mapping
from functools import partial
from typing import Any

import gradio as gr

from pipelines import metadata
from pipelines.spec.errors import FieldError, StudioError
from pipelines.spec.larger import larger, refusal
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from pipelines.tasks.footprint import gib
from tabs.listeners import QUIET
from tabs.source import keep, size_of
from tabs.workbench import Workbench

PART = "hires."
SIZED_BY = ("hires", "width", "height", "steps", "model",
            "hires.scale", "hires.width", "hires.height", "hires.steps", "hires.model")


class HiresPanel:
    """Place it where it stands; `wire` it when the tab is whole."""

    def __init__(self, bench: Workbench) -> None:
        self._bench, form, words = bench, bench.form, bench.words
        with gr.Accordion(words("hires_title"), open=False, elem_id=f"{bench.name}-hires-fold") as self._fold:
            with gr.Row():
                form.switch("hires", min_width=120)
                self._told = gr.HTML("", elem_id=f"{bench.name}-hires-sizes", elem_classes="told")
            with gr.Row():
                form.field("hires.upscaler", min_width=200)
                with gr.Column(min_width=200):
                    form.field("hires.scale")
                    bench.advisor.place("hires.scale")
            with gr.Row():
                form.field("hires.width", min_width=120)
                form.field("hires.height", min_width=120)
            bench.advised(("hires.steps", "hires.denoising_strength"), 200)
            with gr.Accordion(words("hires_own"), open=False, elem_id=f"{bench.name}-hires-own"):
                with gr.Row():
                    form.field("hires.sampler", min_width=180)
                    form.field("hires.schedule", min_width=180)
                with gr.Row():
                    form.field("hires.model", min_width=160)
                    form.field("hires.cfg_scale", min_width=160)
                form.field("hires.prompt", lines=2, max_lines=8)
                form.field("hires.negative_prompt", lines=1, max_lines=6)

    def wire(self) -> None:
        bench, fields = self._bench, self._bench.form.fields
        sized = {path: fields[path] for path in SIZED_BY}
        gr.on([bench.page.blocks.load, *(f.change for f in sized.values())],
              lambda *values: sizes(bench.studio, dict(zip(sized, values, strict=True))), list(sized.values()), self._told,
              trigger_mode="always_last", **QUIET)
        bench.heads(self._fold, "hires_title", "hires")
        with bench.results.row:
            self._only = bench.button("hires_only", "hires-only")
        bench.page.later.append(lambda: bench.over_chosen(self._only, "hires", partial(only_second, bench.studio)))


def sizes(studio: Studio, values: Mapping[str, Any]) -> str:
    """"from 256×384 to 512×768, 25 more steps"; "" while a number is being typed."""
    words = studio.words
    part = {path.removeprefix(PART): value for path, value in values.items() if path.startswith(PART)}
    try:
        request = GenerationRequest.parse({key: values[key] for key in ("width", "height", "steps", "model")} | {"hires": part})
        hires = request.hires
        if hires is None or not values["hires"]:
            return html.escape(f"{words('hires_off', first=request.size)} · {told(studio, request.merged({'hires': None}))}")
        step = studio.model(hires.model or request.model).family.size_step
    except StudioError:
        return ""
    if refused := refusal(request.size, hires, step):
        return html.escape(str(refused))
    last = larger(request.size, hires, step).final
    line = words("hires_sizes", first=request.size, last=last, steps=hires.steps or request.steps)
    return f"<b>{html.escape(line)}</b> · {html.escape(told(studio, request))}"


def told(studio: Studio, request: GenerationRequest) -> str:
    """"about 0.3 GiB of memory"."""
    return studio.words("memory_about", size=gib(studio.memory(request).total))


def only_second(studio: Studio, file: str, settings: Mapping[str, Any]) -> GenerationRequest:
    """The request of a finished picture, begun at that picture: what is left to paint is the second pass.

    Raises FieldError when the file does not say how it was made.
    """
    full = metadata.read(file).full
    if full is None:
        raise FieldError(studio.words("picture"), "", studio.words("no_settings_in_file").rstrip("."))
    width, height = size_of(file)
    step = studio.model(full.model).family.size_step
    alone = {"inpaint": None, "outpaint": None, "tiled": None, "sketch": None, "loopback": None, "model_hash": "", "vae_hash": ""}
    return full.merged(alone | {"hires": None}).merged({
        "width": width // step * step, "height": height // step * step,
        "init": {"image": keep(studio, file), "denoising_strength": 0, "resize_mode": "Crop and resize"}, "hires": dict(settings)})
