"""What an editor may hold when a request is read from it (faults.md C33), and how often one picture is kept (C37, C38)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipelines.archive.inputs import Inputs
from pipelines.batch import Batch, given, kept
from pipelines.spec.errors import FieldError
from pipelines.spec.request import GenerationRequest
from pipelines.words import Words
from tabs.canvas import MASK, STROKES, Canvas


@pytest.fixture
def canvas(tmp_path: Any) -> Canvas:
    def disc(picture: Image.Image, at: tuple[int, int]) -> Image.Image:
        mask = Image.new("L", picture.size)
        ImageDraw.Draw(mask).ellipse((at[0] - 5, at[1] - 5, at[0] + 5, at[1] + 5), fill=255)
        return mask

    objects = SimpleNamespace(folder=lambda: tmp_path, at=disc)
    studio: Any = SimpleNamespace(words=Words("en"), inputs=Inputs(tmp_path), objects=objects)
    with gr.Blocks():
        sides = {f"outpaint.{side}": gr.Number(0) for side in ("left", "right", "top", "bottom")}
        return Canvas(studio, SimpleNamespace(fields=sides))     # type: ignore[arg-type]


def layer(width: int = 400, height: int = 300, box: tuple[int, int, int, int] = (100, 100, 199, 149)) -> Image.Image:
    made = Image.new("RGBA", (width, height))
    ImageDraw.Draw(made).rectangle(box, fill=(226, 89, 58, 153))
    return made


def read(canvas: Canvas, editor: Any, size: tuple[int, int] = (400, 300), way: str = "mask") -> tuple[dict[str, str], np.ndarray]:
    """The names in a request, and where its mask is white."""
    inputs = canvas._studio.inputs
    source = str(inputs.path(inputs.keep(Image.new("RGB", size, "teal"))))
    names = canvas.read({canvas.source.image: source, canvas.editor: editor, canvas.file: None, canvas.way: way})
    return names, np.asarray(inputs.open(names[MASK]).convert("L")) > 0


@pytest.mark.parametrize("editor", [
    None, {}, {"background": None, "layers": None}, {"background": "x", "layers": []},
    {"layers": [Image.new("RGBA", (400, 300))]}, {"layers": [Image.new("RGBA", (400, 300))] * 33},
], ids=["nothing", "empty", "no background", "no layer", "no stroke", "33 blank layers"])
def test_without_a_stroke_one_line_says_what_to_do(canvas: Canvas, editor: Any) -> None:
    with pytest.raises(FieldError, match="nothing is masked"):
        read(canvas, editor)


def test_strokes_of_33_layers_are_one_mask(canvas: Canvas) -> None:
    layers = [layer(box=(12 * n, 0, 12 * n + 5, 9)) for n in range(33)]
    assert read(canvas, {"layers": layers})[1].sum() == 33 * 6 * 10


def test_a_layer_of_another_size_counts_where_it_was_painted(canvas: Canvas) -> None:
    _, mask = read(canvas, {"layers": [layer(), layer(200, 150, (0, 0, 9, 9))]})
    assert mask.shape == (300, 400) and mask[0:20, 0:20].all() and mask[100:150, 100:200].all()
    assert mask.sum() == 20 * 20 + 100 * 50


@pytest.mark.parametrize("way", ["mask", "colours"])
def test_what_was_painted_on_a_small_canvas_covers_the_same_part_of_a_4k_picture(canvas: Canvas, way: str) -> None:
    editor = {"layers": [layer(800, 600, (200, 200, 399, 299))]}
    names, mask = read(canvas, editor, (3840, 2880), way)
    assert mask.shape == (2880, 3840) and mask[970:1430, 970:1910].all() and mask.mean() == pytest.approx(1 / 24, rel=0.01)
    assert not names[STROKES] if way == "mask" else canvas._studio.inputs.open(names[STROKES]).size == (3840, 2880)


def test_one_picture_given_a_thousand_times_is_kept_once_and_painted_under_a_thousand_names(tmp_path: Any) -> None:
    studio: Any = SimpleNamespace(inputs=Inputs(tmp_path))
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    name = kept(studio, str(tmp_path / "a.png"))
    assert kept(studio, str(tmp_path / "a.png")) == name and len(list(studio.inputs.folder.iterdir())) == 1
    batch = Batch(GenerationRequest(), given([("a.png", name)] * 1000))
    assert len({batch.file(i) for i in range(batch.count)}) == 1000


def test_a_click_masks_what_is_alike_around_it_and_adds_to_what_is_masked(canvas: Canvas) -> None:
    picture = Image.new("RGB", (60, 40), "teal")
    draw = ImageDraw.Draw(picture)
    for box in ((5, 5, 14, 14), (40, 5, 49, 14)):       # two squares of one colour that do not touch
        draw.rectangle(box, fill=(200, 40, 40))
    inputs = canvas._studio.inputs
    source, at = str(inputs.path(inputs.keep(picture))), SimpleNamespace
    first = canvas.touched(source, None, 20, "colour", at(index=[9, 9]))
    assert (np.asarray(Image.open(first)) > 0).sum() == 100
    both = np.asarray(Image.open(canvas.touched(source, first, 20, "colour", at(index=[45, 9]))).convert("L")) > 0
    assert both.sum() == 200 and both[9, 9] and both[9, 45]
    assert (np.asarray(Image.open(canvas.touched(source, None, 255, "colour", at(index=[0, 0])))) > 0).all()


def test_a_click_masks_the_object_it_belongs_to_and_adds_the_next(canvas: Canvas) -> None:
    inputs = canvas._studio.inputs
    source, at = str(inputs.path(inputs.keep(Image.new("RGB", (60, 40), "teal")))), SimpleNamespace
    first = canvas.touched(source, None, 20, "object", at(index=[12, 12]))
    both = np.asarray(Image.open(canvas.touched(source, first, 20, "object", at(index=[45, 25]))).convert("L")) > 0
    assert both[12, 12] and both[25, 45] and not both[25, 12] and both.sum() == 2 * (np.asarray(Image.open(first)) > 0).sum()
