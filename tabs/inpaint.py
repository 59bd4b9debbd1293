"""A part of a picture painted anew, and pictures continued beyond their edges."""

from __future__ import annotations

import html
from typing import Any
from urllib.parse import quote

import gradio as gr

from pipelines.spec.errors import StudioError
from pipelines.studio import Studio
from tabs.canvas import BY, SIDES, Canvas
from tabs.detailer import DetailerPanel
from tabs.form import Form
from tabs.img2img import denoising, loops, sizes, wire_denoising, wire_sizes
from tabs.listeners import QUIET, SPOKEN
from tabs.many import Many
from tabs.page import Page
from tabs.send import pass_on
from tabs.source import keep, size_of
from tabs.undo import keeping
from tabs.units import Units
from tabs.workbench import Workbench

LARGEST = 4096      # px a side of the new frame


def build(studio: Studio, page: Page) -> Form:
    """Place everything of the tab; call inside its `gr.Tab`."""
    bench = Workbench(studio, page, "inpaint")
    with gr.Row(elem_classes="workbench"):
        with gr.Column(scale=5, min_width=340, elem_classes="controls"):
            bench.prompts()
            with gr.Column(elem_classes="card picture"):
                canvas = Canvas(studio, bench.form)
                pass_on(studio, page, "inpaint", canvas.source.image)
            bench.form.pictures = canvas
            bench.actions()
            many = Many(bench, canvas)
            _mask(bench)
            told = denoising(bench)
            frame = _outpaint(bench)
            loops(bench)
            bench.presets()
            bench.sampling()
            take, factor = sizes(bench)
            detailer = DetailerPanel(bench)
            bench.seed()
            units = Units(studio, bench.form)
            bench.advanced()
        bench.easel()
    wire_denoising(bench, told)
    wire_sizes(bench, canvas.source, take, factor)
    many.wire()
    _wire_canvas(bench, canvas)
    _wire_frame(bench, canvas, frame)
    units.wire(page, canvas.source.image)
    detailer.wire()
    return bench.wire()


def _mask(bench: Workbench) -> None:
    """How the mask is read, and what stands under it at the start."""
    form = bench.form
    with gr.Column(elem_classes="card"):
        with gr.Row():
            form.field("inpaint.area", min_width=200)
            form.field("inpaint.mask_mode", min_width=200)
        with gr.Row():
            form.field("inpaint.mask_blur", min_width=200)
            form.field("inpaint.padding", min_width=200)
        with gr.Row():
            form.field("inpaint.masked_content", min_width=160)
            form.field("inpaint.mask_grow", min_width=200)
        with gr.Row():
            form.field("inpaint.seam_strength", min_width=200)
            form.field("inpaint.seam_width", min_width=200)
        form.field("inpaint.soft")


def _outpaint(bench: Workbench) -> gr.HTML:
    """The four sides and the frame that they make."""
    with gr.Accordion(bench.words("group_outpaint"), open=False, elem_id="inpaint-outpaint"):
        for pair in (SIDES[:2], SIDES[2:]):
            with gr.Row():
                for side in pair:
                    bench.form.field(f"outpaint.{side}", min_width=200)
        return gr.HTML("", elem_id="inpaint-frame")


def _wire_canvas(bench: Workbench, canvas: Canvas) -> None:
    fields = bench.form.fields
    canvas.source.image.upload(canvas.arrived, [canvas.source.image, fields["model"]],
                               [*canvas.outputs, fields["width"], fields["height"]], **QUIET)
    keeping(bench.form, canvas.other.click)(canvas.emptied, None, canvas.outputs, **QUIET)
    gr.on([canvas.fold.expand, canvas.source.image.change], lambda path: path, canvas.source.image, canvas.wand, **QUIET)
    canvas.wand.select(canvas.touched, [canvas.source.image, canvas.file, canvas.tolerance, canvas.by], canvas.file, **SPOKEN)
    canvas.by.change(lambda by: gr.Slider(visible=by == BY[0]), canvas.by, canvas.tolerance, **QUIET)
    canvas.alpha.click(canvas.from_alpha, canvas.source.image, [canvas.file, canvas.fold], **QUIET)


def _wire_frame(bench: Workbench, canvas: Canvas, frame: gr.HTML) -> None:
    sides = [bench.form.fields[f"outpaint.{side}"] for side in SIDES]
    gr.on([canvas.source.image.change, *(s.change for s in sides)], lambda *values: framed(bench.studio, *values),
          [canvas.source.image, *sides], frame, trigger_mode="always_last", **QUIET)


def framed(studio: Studio, path: str | None, *added: Any) -> str:
    """The picture in its new frame as a small drawing; `added`: pixels left, right, top, bottom."""
    if not path or not all(isinstance(a, (int, float)) for a in added) or not any(added):
        return ""
    try:
        size = size_of(studio.inputs.path(keep(studio, path)))
    except StudioError:
        return ""
    left, right, top, bottom = (int(a) for a in added)
    width, height = left + size.width + right, top + size.height + bottom
    line = html.escape(studio.words("new_frame", width=width, height=height))
    if max(width, height) > LARGEST:
        line += f' <b class="error">{html.escape(studio.words("frame_too_large"))}</b>'
    picture = html.escape(f"/gradio_api/file={quote(path)}", quote=True)
    pen = max(width, height) / 150
    return (f'<div class="frame"><svg viewBox="0 0 {width} {height}" role="img" aria-label="{line.partition(" <")[0]}">'
            f'<rect class="new" width="{width}" height="{height}"/>'
            f'<image href="{picture}" x="{left}" y="{top}" width="{size.width}" height="{size.height}"/>'
            f'<rect class="old" x="{left}" y="{top}" width="{size.width}" height="{size.height}" stroke-width="{pen:.1f}"/>'
            f'</svg><p>{line}</p></div>')
