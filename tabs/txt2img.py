"""From words to pictures: the form of a text request, its advice, and the results."""

from __future__ import annotations

import gradio as gr

from pipelines.studio import Studio
from tabs.detailer import DetailerPanel
from tabs.form import Form
from tabs.hires import HiresPanel
from tabs.history import History
from tabs.page import Page
from tabs.units import Units
from tabs.workbench import Workbench


def build(studio: Studio, page: Page) -> Form:
    """Place everything of the tab; call inside its `gr.Tab`."""
    bench = Workbench(studio, page, "txt2img")
    with gr.Row(elem_classes="workbench"):
        with gr.Column(scale=5, min_width=340, elem_classes="controls"):
            bench.prompts()
            History(studio, page)
            bench.actions()
            bench.presets()
            bench.sampling()
            bench.size()
            hires = HiresPanel(bench)
            detailer = DetailerPanel(bench)
            bench.seed()
            units = Units(studio, bench.form)
            bench.advanced()
        bench.easel()
    units.wire(page)
    hires.wire()
    detailer.wire()
    return bench.wire()
