"""The ControlNet tab: the units of conditions large, beside the prompt and the pictures they steer."""

from __future__ import annotations

import gradio as gr

from pipelines.studio import Studio
from tabs.form import Form
from tabs.page import Page
from tabs.units import Units
from tabs.workbench import Workbench

NAME = "control"


def build(studio: Studio, page: Page) -> Form:
    """Place everything of the tab; call inside its `gr.Tab`."""
    bench = Workbench(studio, page, NAME)
    with gr.Row(elem_classes="workbench"):
        with gr.Column(scale=5, min_width=340, elem_classes="controls"):
            bench.prompts()
            bench.actions()
            units = Units(studio, bench.form, open=True)
            bench.sampling()
            bench.size()
            bench.seed()
            with gr.Row(elem_classes="card"):
                bench.form.field("vae", min_width=140)
                bench.form.field("emphasis", min_width=140)
        bench.easel()
    units.wire(page)
    return bench.wire()
