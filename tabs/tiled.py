"""The fold of a tiled upscale: its settings, and before the run its tiles drawn on the picture, how many and how long."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component
from PIL import Image

from pipelines.previews import jpeg
from pipelines.spec.errors import StudioError
from pipelines.spec.geometry import Size
from pipelines.spec.larger import larger, refusal
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from pipelines.tasks.footprint import gib
from pipelines.tasks.tiles import Job, calls, narrow, plan, tile_side
from tabs.form import nested
from tabs.listeners import QUIET
from tabs.queue import clock
from tabs.source import keep
from tabs.workbench import Workbench

PART = "tiled."
ALSO = ("tiled", "model", "sampler", "steps", "cfg_scale", "init.denoising_strength", "init.exact_steps")
DRAWN = 1500            # tiles drawn at most; so many more are only counted


class TiledPanel:
    """Place it in a tab whose form starts from a picture; `wire` it when the tab is whole."""

    def __init__(self, bench: Workbench) -> None:
        self._bench, form, words = bench, bench.form, bench.words
        with gr.Accordion(words("tiled_title"), open=False, elem_id=f"{bench.name}-tiled-fold") as self._fold:
            form.switch("tiled")
            with gr.Row():
                form.field("tiled.upscaler", min_width=180)
                form.field("tiled.scale", min_width=180)
            with gr.Row():
                form.field("tiled.width", min_width=120)
                form.field("tiled.height", min_width=120)
            form.field("tiled.method")
            bench.advisor.place("tiled.method")
            bench.advised(("tiled.tile", "tiled.padding"), 200)
            with gr.Column(visible=False) as self._separate:
                with gr.Row():
                    form.field("tiled.mask_blur", min_width=180)
                    form.field("tiled.order", min_width=140)
                form.field("tiled.seam_fix")
                with gr.Row():
                    form.field("tiled.seam_denoising_strength", min_width=180)
                    form.field("tiled.seam_width", min_width=180)
            self._plan = gr.HTML("", elem_id=f"{bench.name}-tiled-plan", elem_classes="told")

    def wire(self, picture: gr.Image) -> None:
        bench = self._bench
        fields = bench.form.fields
        seen = {path: field for path, field in fields.items() if path.startswith(PART) or path in ALSO}
        method = fields["tiled.method"]
        bench.heads(self._fold, "tiled_title", "tiled")
        gr.on([bench.page.blocks.load, method.change], lambda way: gr.Column(visible=way == "Separate"), method,
              self._separate, **QUIET)

        def told(data: Mapping[Component, Any]) -> str:
            return planned(bench.studio, {path: data[field] for path, field in seen.items()}, data[picture])

        gr.on([bench.page.blocks.load, picture.change, *(f.change for f in seen.values())], told,
              {*seen.values(), picture}, self._plan, trigger_mode="always_last", **QUIET)


def planned(studio: Studio, values: Mapping[str, Any], picture: str | None) -> str:
    """What a run would do, in words and drawn on the picture; a line why not; "" while a number is being typed."""
    words = studio.words
    if not values["tiled"]:
        return html.escape(words("tiled_off"))
    if not picture:
        return html.escape(words("tiled_none"))
    try:
        file = studio.inputs.path(keep(studio, picture))
        request = GenerationRequest.parse(nested(dict(values)) | {"init": _init(values, file.stem)})
        return told(studio, request)
    except StudioError:
        return ""


def told(studio: Studio, request: GenerationRequest) -> str:
    """What a run of `request` would do, in words and drawn on the picture; the line why not. Raises FieldError."""
    words, family = studio.words, studio.model(request.model).family
    if request.tiled is None or request.init is None:
        return ""
    with Image.open(studio.inputs.path(request.init.image)) as opened:
        first = Size(*opened.size)
        if refused := refusal(first, request.tiled) or narrow(request.tiled, family):
            return html.escape(str(refused))
        small = jpeg(opened.convert("RGB"))
    jobs, size = plan(first, request.tiled, family), larger(first, request.tiled).final
    count, seams = calls(request, first, family), sum(job.seam for job in jobs)
    said = [words("tiled_plan", first=first, last=size, tiles=words("tiled_tiles", count=len(jobs) - seams),
                  side=tile_side(request.tiled, family))]
    said += [words("tiled_seams", count=seams)] if seams else []
    said.append(words("tiled_calls", count=count))
    said.append(words("memory_about", size=gib(studio.memory(request, first).total)))
    seconds = studio.past.seconds(request)
    said += [words("tiled_time", time=clock(seconds))] if seconds else []
    return f"<p><b>{html.escape(' · '.join(said))}</b></p>{drawn(jobs, size, small)}"


def _init(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    own = {path.partition(".")[2]: value for path, value in values.items() if path.startswith("init.")}
    return {**own, "image": name}


def drawn(jobs: list[Job], size: Size, small: bytes) -> str:
    """The picture with what each tile is responsible for, the strips of the second round, and the first window as seen."""
    data = base64.b64encode(small).decode()
    tiles = "".join(_rect(job.own.box, "seam" if job.seam else "tile") for job in jobs[:DRAWN])
    return (f'<svg class="tiles" viewBox="0 0 {size.width} {size.height}" role="img"><image href="data:image/jpeg;base64,{data}" '
            f'width="{size.width}" height="{size.height}" preserveAspectRatio="none"/>{tiles}'
            f'{_rect(jobs[0].window.box, "window")}</svg>')


def _rect(box: tuple[int, int, int, int], kind: str) -> str:
    left, top, right, bottom = box
    return f'<rect class="{kind}" x="{left}" y="{top}" width="{right - left}" height="{bottom - top}"/>'
