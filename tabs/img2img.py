"""From a picture to pictures: how far to leave it, and at which size."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from pipelines.spec.errors import FieldError
from pipelines.studio import Studio
from pipelines.tasks.steps import steps_run
from pipelines.words import Words
from tabs.detailer import DetailerPanel
from tabs.form import Form
from tabs.listeners import QUIET
from tabs.many import Many
from tabs.page import Page
from tabs.send import pass_on
from tabs.source import Source, resized
from tabs.tiled import TiledPanel
from tabs.units import Units
from tabs.workbench import Workbench

DENOISING = ("init.denoising_strength", "init.exact_steps")


def build(studio: Studio, page: Page) -> Form:
    """Place everything of the tab; call inside its `gr.Tab`."""
    bench = Workbench(studio, page, "img2img")
    with gr.Row(elem_classes="workbench"):
        with gr.Column(scale=5, min_width=340, elem_classes="controls"):
            bench.prompts()
            with gr.Column(elem_classes="card picture"):
                source = Source(studio, "img2img")
                pass_on(studio, page, "img2img", source.image)
            bench.form.pictures = source
            bench.actions()
            many = Many(bench)
            told = denoising(bench)
            loops(bench)
            bench.presets()
            bench.sampling()
            take, factor = sizes(bench)
            tiled = TiledPanel(bench)
            detailer = DetailerPanel(bench)
            bench.seed()
            units = Units(studio, bench.form)
            bench.advanced()
        bench.easel()
    wire_denoising(bench, told)
    wire_sizes(bench, source, take, factor)
    many.wire()
    fields = bench.form.fields
    source.image.upload(source.arrived, [source.image, fields["model"]], [source.image, fields["width"], fields["height"]],
                        **QUIET)
    units.wire(page, source.image)
    tiled.wire(source.image)
    detailer.wire()
    return bench.wire()


def denoising(bench: Workbench) -> gr.HTML:
    """The card of how far a picture is left; the returned line tells how many steps will really run."""
    form = bench.form
    with gr.Column(elem_classes="card denoising"):
        form.field("init.denoising_strength")
        bench.advisor.place("init.denoising_strength")
        told = gr.HTML("", elem_id=f"{bench.name}-steps-run", elem_classes="told")
        with gr.Row():
            form.field("init.exact_steps", min_width=140)
            form.field("init.color_correction", min_width=140)
        form.field("init.resize_mode")
    return told


def loops(bench: Workbench) -> None:
    """The fold of pictures in a row, each the start of the next."""
    with gr.Accordion(bench.words("group_loopback"), open=False, elem_id=f"{bench.name}-loopback"):
        bench.form.field("loopback.loops")
        with gr.Row():
            bench.form.field("loopback.final_denoising_strength", min_width=200)
            bench.form.field("loopback.curve", min_width=160)


def wire_denoising(bench: Workbench, told: gr.HTML) -> None:
    fields = [bench.form.fields[path] for path in ("steps", *DENOISING)]
    gr.on([bench.page.blocks.load, *(f.change for f in fields)], lambda *values: really_run(bench.words, *values), fields, told,
          trigger_mode="always_last", **QUIET)


def really_run(words: Words, steps: object, strength: object, exact: object) -> str:
    """How many steps will run; "" while one of the numbers is being typed."""
    try:
        count = steps_run(int(str(steps)), float(str(strength)), bool(exact))
    except (ValueError, FieldError):
        return ""
    return html.escape(words("steps_will_run", count=count, steps=steps))


def sizes(bench: Workbench) -> tuple[gr.Button, gr.Number]:
    """The size card with what takes the picture's own size, or a multiple of it."""
    placed: list[Any] = []

    def more() -> None:
        placed.append(bench.button("take_size", "take-size"))

    def beside() -> None:
        placed.append(gr.Number(1, label=bench.words("resize_by"), minimum=0.1, maximum=8, step=0.25, min_width=100,
                                elem_id=f"{bench.name}-resize-by"))

    bench.size(more, beside)
    return placed[0], placed[1]


def wire_sizes(bench: Workbench, source: Source, take: gr.Button, factor: gr.Number) -> None:
    fields = bench.form.fields
    side, model = [fields["width"], fields["height"]], fields["model"]
    take.click(lambda path, name: resized(bench.studio, path, 1.0, name), [source.image, model], side, **QUIET)
    factor.input(lambda path, times, name: resized(bench.studio, path, times or 1.0, name), [source.image, factor, model], side,
                 trigger_mode="always_last", **QUIET)
