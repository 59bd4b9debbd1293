"""The fold of the detailer: which faces are painted again and how, and the faces alone of a finished picture."""

from __future__ import annotations

import html
from collections.abc import Mapping
from functools import partial
from typing import Any

import gradio as gr

from pipelines import metadata
from pipelines.spec.errors import FieldError, StudioError
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from pipelines.tasks.detailer import base, calls
from tabs.form import nested
from tabs.listeners import QUIET
from tabs.source import keep, size_of
from tabs.workbench import Workbench

PART = "detailer."
TOLD_BY = ("detailer", "model", "sampler", "steps", "detailer.denoising_strength", "detailer.steps")
ALSO = ("hires", "hires.model", "hires.sampler", "hires.steps")      # of a tab that has a second pass


class DetailerPanel:
    """Place it where it stands; `wire` it when the tab is whole."""

    def __init__(self, bench: Workbench) -> None:
        self._bench, form, words = bench, bench.form, bench.words
        with gr.Accordion(words("detailer_title"), open=False, elem_id=f"{bench.name}-detailer-fold") as self._fold:
            with gr.Row():
                form.switch("detailer", min_width=120)
                self._told = gr.HTML("", elem_id=f"{bench.name}-detailer-told", elem_classes="told")
            form.field("detailer.denoising_strength")
            bench.advisor.place("detailer.denoising_strength")
            for pair in (("padding", "mask_blur"), ("most", "smallest")):
                with gr.Row():
                    for name in pair:
                        form.field(PART + name, min_width=200)
            with gr.Accordion(words("detailer_own"), open=False, elem_id=f"{bench.name}-detailer-own"):
                form.field("detailer.prompt", lines=2, max_lines=8)
                form.field("detailer.negative_prompt", lines=1, max_lines=6)
                with gr.Row():
                    form.field("detailer.steps", min_width=160)
                    form.field("detailer.cfg_scale", min_width=160)

    def wire(self) -> None:
        bench, fields = self._bench, self._bench.form.fields
        seen = {path: fields[path] for path in (*TOLD_BY, *ALSO) if path in fields}
        gr.on([bench.page.blocks.load, *(f.change for f in seen.values())],
              lambda *values: told(bench.studio, dict(zip(seen, values, strict=True))), list(seen.values()), self._told,
              trigger_mode="always_last", **QUIET)
        bench.heads(self._fold, "detailer_title", "detailer")
        with bench.results.row:
            self._only = bench.button("detailer_only", "detailer-only")
        bench.page.later.append(lambda: bench.over_chosen(self._only, "detailer", partial(only_faces, bench.studio)))


def told(studio: Studio, values: Mapping[str, Any]) -> str:
    """"each face at 256×256, 10 more steps"; "" while a number is being typed."""
    words = studio.words
    if not values["detailer"]:
        return html.escape(words("detailer_off"))
    try:
        request = GenerationRequest.parse(nested(values))
        side = studio.model(base(request).model).family.native_px
    except StudioError:
        return ""
    return f"<b>{html.escape(words('detailer_told', side=side, steps=calls(request)))}</b>"


def only_faces(studio: Studio, file: str, settings: Mapping[str, Any]) -> GenerationRequest:
    """The request of a finished picture, begun at that picture: what is left to paint are its faces.

    Raises FieldError when the file does not say how it was made.
    """
    full = metadata.read(file).full
    if full is None:
        raise FieldError(studio.words("picture"), "", studio.words("no_settings_in_file").rstrip("."))
    width, height = size_of(file)
    step = studio.model(full.model).family.size_step
    alone = {"inpaint": None, "outpaint": None, "tiled": None, "sketch": None, "loopback": None, "hires": None, "control": (),
             "model_hash": "", "vae_hash": "", "control_hashes": ()}
    return base(full).merged(alone).merged({
        "width": width // step * step, "height": height // step * step, "detailer": dict(settings),
        "init": {"image": keep(studio, file), "strokes": "", "denoising_strength": 0, "resize_mode": "Crop and resize"}})
