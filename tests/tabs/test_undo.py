"""What was painted is put aside before another picture takes its place, and comes back with it; the rest of undo is script."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipelines.studio import Studio
from tabs.canvas import SHELVED, Canvas, flattened
from tabs.form import Form
from tabs.theme import ASSETS
from tabs.workbench import choices

STEPS = """
globalThis.document = { listeners: {}, addEventListener(kind, act) { (this.listeners[kind] ??= []).push(act); },
                        querySelector: () => null };
globalThis.window = globalThis;
const act = (kind) => document.listeners[kind].forEach((f) => f({ type: kind, target: { closest: () => null }, key: 'x' }));
(%s)();
const { begin, note, step } = window.atelierUndo, forms = [['a', 2], ['b', 1]], stay = '{"__type__":"update"}';
const said = [];
const tell = (values) => said.push(values.map((v) => JSON.stringify(v) === stay ? '-' : v).join(' '));
begin(forms, [1, 'x', 'p']);
note('a', [1, 'x']);                                // what the browser had kept, once more
act('pointerdown'); note('a', [2, 'x']); note('a', [2, 'y']);      // a preset: one gesture, two fields
act('pointerdown'); note('a', [3, 'y']); note('b', ['q']);         // sent to another form
tell(step(-1, forms, [3, 'y', 'q'])); note('a', [2, 'y']); note('b', ['p']);      // the page says what it became
const late = [2, 'y', 'p'];                         // values may come late after a step: they are no change
for (const by of [-1, -1, 1, 1, 1]) tell(step(by, forms, late));
act('pointerdown'); tell(step(-1, forms, [3, 'z', 'q']));          // a change that no form has reported yet
console.log(said.join('|'));
"""


@pytest.fixture
def canvas(studio: Studio) -> Canvas:
    with gr.Blocks():
        return Canvas(studio, Form("test", studio.words, lambda source: choices(studio, source)))


def strokes(colour: str = "red") -> Image.Image:
    layer = Image.new("RGBA", (40, 30))
    ImageDraw.Draw(layer).rectangle((5, 5, 20, 20), fill=colour)
    return layer


def shown(updates: list[Any]) -> Any:
    return updates[1]["value"] if isinstance(updates[1], dict) else None


def test_a_mask_comes_back_with_its_picture(canvas: Canvas, studio: Studio) -> None:
    shelf = canvas.shelve("one.png", {"layers": [strokes()]}, "colours", {})
    updates = canvas.followed("one.png", None, {"background": "two.png"}, shelf)
    again = shown(updates)
    assert again["background"] == "one.png" and updates[4] == "colours" and updates[7] == {}
    assert (np.asarray(Image.open(updates[5])) > 0).sum() == 16 * 16         # also as the mask's file
    assert list(Image.open(again["layers"][0]).getdata()) == list(strokes().getdata())


def test_what_is_painted_now_is_never_replaced_by_what_was_put_aside(canvas: Canvas) -> None:
    shelf = canvas.shelve("one.png", {"layers": [strokes()]}, "mask", {})
    same = {"background": "one.png"}
    assert canvas.followed("one.png", {"layers": [strokes("blue")]}, same, shelf) == [gr.skip()] * 8
    assert shown(canvas.followed("one.png", {"layers": []}, same, shelf))["layers"]


def test_a_shelf_holds_the_newest_and_nothing_blank(canvas: Canvas) -> None:
    shelf: dict = {}
    for number in range(SHELVED + 3):
        shelf = canvas.shelve(f"{number}.png", {"layers": [strokes()]}, "mask", shelf)
    assert len(shelf) == SHELVED and "0.png" not in shelf
    assert canvas.shelve("x.png", {"layers": [Image.new("RGBA", (40, 30))]}, "mask", {}) == {}


@pytest.mark.parametrize("way", ["colours", "whole"])
def test_a_sketch_comes_back_from_its_request_with_what_it_counted_as(canvas: Canvas, studio: Studio, way: str) -> None:
    source = str(studio.inputs.path(studio.inputs.keep(Image.new("RGB", (40, 30), "teal"))))
    names = canvas.read({canvas.source.image: source, canvas.editor: {"layers": [strokes()]}, canvas.file: None, canvas.way: way})
    mask = studio.inputs.open(names["inpaint.mask"]).convert("L")
    assert (mask.getpixel((0, 0)), mask.getpixel((9, 9))) == ((255, 255) if way == "whole" else (0, 255))
    updates = canvas.write(names)
    assert shown(updates)["background"] == source and updates[4] == way and updates[5] is None      # no file of a mask
    assert Image.open(shown(updates)["layers"][0]).getpixel((9, 9)) == (255, 0, 0, 255)


def test_colours_of_several_layers_are_one_picture_of_the_pictures_size() -> None:
    above = Image.new("RGBA", (40, 30))
    ImageDraw.Draw(above).rectangle((5, 5, 9, 9), fill="blue")
    made = flattened([strokes(), above], (80, 60))
    assert made.size == (80, 60) and made.getpixel((14, 14)) == (0, 0, 255, 255) and made.getpixel((30, 30)) == (255, 0, 0, 255)
    assert flattened([], (80, 60)) is None


def test_a_gesture_is_one_step_in_whatever_forms_it_changed() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node here: the script is tried in the browser tests")
    script = STEPS % (ASSETS / "undo.js").read_text(encoding="utf-8")
    said = subprocess.run([node, "-e", script], capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    assert said == "2 - p|1 x -|- - -|2 y -|3 - q|- - -|- y -"


def test_an_editor_that_was_hidden_is_sent_its_strokes_once_more_and_loses_none(canvas: Canvas, studio: Studio) -> None:
    file = str(studio.inputs.path(studio.inputs.keep(strokes())))
    sent, other = {"background": "one.png", "layers": [file], "composite": None}, Image.new("RGBA", (40, 30))
    ImageDraw.Draw(other).rectangle((30, 22, 35, 27), fill="blue")
    worked_on = strokes()
    worked_on.paste((0, 0, 0, 0), (5, 5, 12, 12))
    assert canvas.again({"background": "x", "layers": [strokes()]}, sent) == sent, "what was sent is reported, shown or not"
    assert canvas.again({"background": None, "layers": []}, sent) == canvas.again(None, sent) == sent
    assert canvas.again({"background": "x", "layers": [worked_on]}, sent) == gr.skip(), "they were there"
    both = Image.open(canvas.again({"background": "x", "layers": [other]}, sent)["layers"][0])
    assert both.getpixel((10, 10)) == (255, 0, 0, 255) and both.getpixel((32, 24)) == (0, 0, 255, 255)


def test_an_editor_that_shows_a_picture_without_strokes_is_left_alone(canvas: Canvas) -> None:
    bare = {"background": "one.png", "layers": [], "composite": None}
    assert canvas.again({"background": "x", "layers": [strokes()]}, bare) == canvas.again(None, None) == gr.skip()
    assert canvas.again({"background": None, "layers": []}, bare) == bare, "nothing of it has come"
