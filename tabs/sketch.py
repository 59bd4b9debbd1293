"""From a drawing to a picture: draw or drop lines and colours, say what they are, look at the result beside them, also live."""

from __future__ import annotations

import base64
import html
import io
import uuid
import zlib
from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines.live import LivePainter
from pipelines.spec.errors import StudioError
from pipelines.spec.parts import RANDOM_SEED
from pipelines.studio import Studio
from tabs.detailer import DetailerPanel
from tabs.form import HELPED, Form, refused
from tabs.listeners import QUIET, SPOKEN
from tabs.page import Page
from tabs.sketchpad import Sketchpad
from tabs.units import Units
from tabs.workbench import Workbench

NAME = "sketch"
KNOBS = ("sketch.faithfulness", "sketch.stroke_faithfulness", "sketch.realism")
LIVE_SEED = 1       # while the seed is left to chance: a live picture must not jump
# The sheet takes the shape of the picture.
SHAPED = """(width, height) => { window.atelierSheet = [width || 256, height || 256];
  window.dispatchEvent(new CustomEvent('atelier-sheet', { detail: window.atelierSheet })); }"""


def build(studio: Studio, page: Page) -> Form:
    """Place everything of the tab; call inside its `gr.Tab`."""
    words = studio.words
    bench = Workbench(studio, page, NAME)
    form = bench.form
    with gr.Row(elem_classes="workbench"):
        with gr.Column(scale=5, min_width=340, elem_classes="controls"):
            with gr.Column(elem_classes="card prompts"):
                live = bench.prompt(lambda: gr.Checkbox(False, label=words("live"), elem_id=f"{NAME}-live",
                                                                elem_classes=HELPED), lines=2, max_lines=6)
            bench.actions()     # above the sheet, which alone fills a screen
            pad = Sketchpad(studio, NAME)
            with gr.Column(elem_classes="card"):
                for path in KNOBS:
                    form.field(path)
                form.field("sketch.way")
                told = gr.HTML("", elem_id=f"{NAME}-told", elem_classes="told")
            with gr.Column(elem_classes="card prompts"):
                bench.other_words()
            units = Units(studio, form)
            form.pictures = pad     # after the units: a drawing is no picture that a unit may take
            bench.sampling()
            bench.size()
            detailer = DetailerPanel(bench)
            bench.seed()
            bench.advanced()
        shown = bench.easel(lambda: gr.HTML("", elem_id=f"{NAME}-shown", elem_classes="live-picture"), ranked=True)
    units.wire(page)
    detailer.wire()
    bench.wire()
    _wire_live(studio, page, form, live, shown)
    _wire_small(studio, page, form, told)
    return form


def _wire_live(studio: Studio, page: Page, form: Form, live: gr.Checkbox, shown: gr.HTML) -> None:
    painter, pad, fields = LivePainter(studio), form.pictures, form.fields
    assert isinstance(pad, Sketchpad)

    def repaint(data: Mapping[Component, Any]) -> Any:
        return painted(studio, painter, form, data) if data[live] else ""

    # "always_last" keeps one call under way and one waiting, so strokes never pile up and the last one is always painted.
    whole = {*form.whole, live, page.owner}
    gr.on([pad.sheet.change, live.change, fields["prompt"].change, *(fields[k].release for k in KNOBS)],    # type: ignore[attr-defined]
          repaint, whole, shown, trigger_mode="always_last", **SPOKEN)


def _wire_small(studio: Studio, page: Page, form: Form, told: gr.HTML) -> None:
    """The sheet's shape, and in words how a drawing will be followed."""
    fields = form.fields
    gr.on([page.blocks.load, fields["width"].change, fields["height"].change], None, [fields["width"], fields["height"]], None,
          js=SHAPED, queue=False, show_progress="hidden", api_visibility="private")
    gr.on([page.blocks.load, fields["model"].change, fields["sketch.way"].change], lambda *asked: way_told(studio, *asked),
          [fields["model"], fields["sketch.way"]], told, **QUIET)


def painted(studio: Studio, painter: LivePainter, form: Form, data: Mapping[Component, Any]) -> Any:
    """The picture of the sheet as it is now; nothing for an empty sheet; the old one while a newer drawing is coming."""
    pad = form.pictures
    assert isinstance(pad, Sketchpad)
    if not data[pad.sheet]:
        return ""
    owner = next((value for component, value in data.items() if isinstance(component, gr.BrowserState)), "") or uuid.uuid4().hex
    try:
        request = form.read({component: value for component, value in data.items() if component not in pad.inputs})
        request = request.merged(nested_names(pad.lent(data)))
        if request.seed == RANDOM_SEED:
            request = request.merged({"seed": LIVE_SEED})
        picture = painter.paint(request, str(owner))
    except StudioError as error:
        raise refused(error) from None
    if picture is None:
        return gr.skip()
    held = io.BytesIO()
    picture.save(held, "WEBP", quality=90, method=0)
    address = base64.b64encode(held.getvalue()).decode()
    drawn = zlib.crc32(data[pad.sheet].encode())     # tells the picture of the newest stroke from those of older ones
    return f'<img alt="{html.escape(studio.words("live"), quote=True)}" data-of="{drawn}" src="data:image/webp;base64,{address}">'


def nested_names(names: Mapping[str, str]) -> dict[str, Any]:
    """{"sketch.lines": a} -> {"sketch": {"lines": a}}."""
    return {"sketch": {path.partition(".")[2]: name for path, name in names.items()}}


def way_told(studio: Studio, model: str, way: str) -> str:
    """How a drawing will be followed with this model, and what is missing for a better way."""
    from pipelines.tasks.sketch import outlook

    try:
        return html.escape(outlook(studio.library, studio.model(model), way))
    except StudioError as error:
        return html.escape(str(error))
