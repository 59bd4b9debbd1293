"""What Generate will cost: from what the newest pictures took, said under it before it is pressed."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest
from PIL import Image

from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from tabs import cost
from tabs.page import Page
from tabs.workbench import Workbench

BASE = GenerationRequest(prompt="a red car", seed=1, steps=20, cfg_scale=4)


def painted(studio: Studio, seconds: object, **changes: Any) -> None:
    studio.archive.save(Image.new("RGB", (64, 64)), BASE.merged(changes), {"seconds": seconds})
    studio.past.forget()


def test_nothing_is_said_of_time_before_the_model_has_painted(studio: Studio) -> None:
    assert studio.past.seconds(BASE) is None and "about 0." in cost.told(studio, BASE) and "·" not in cost.told(studio, BASE)
    painted(studio, "soon")
    painted(studio, 3, model="another")
    assert studio.past.seconds(BASE) is None


@pytest.mark.parametrize(("changes", "times"), [
    ({}, 1), ({"steps": 40}, 2), ({"cfg_scale": 1}, 0.5), ({"cfg_end": 0.5}, 0.75), ({"width": 512}, 2),
    ({"sampler": "Heun"}, 39 / 20),
    ({"init": {"denoising_strength": 0.5}}, 0.5), ({"init": {"denoising_strength": 0.5, "exact_steps": True}}, 1),
    ({"hires": {"scale": 2, "steps": 10, "denoising_strength": 0.5}}, 3), ({"detailer": {}}, 1.4)], ids=str)
def test_time_follows_the_calls_of_all_passes_and_their_pixels(studio: Studio, changes: dict[str, Any], times: float) -> None:
    painted(studio, 4)
    assert studio.past.seconds(BASE.merged(changes)) == pytest.approx(4 * times, rel=0.02)


def test_pictures_of_the_same_kind_and_size_say_the_pace(studio: Studio) -> None:
    painted(studio, 4)
    for _ in range(5):
        painted(studio, 20, width=512, height=512)      # larger ones are quicker by the pixel, and this one was no control's
    painted(studio, 9, control=[{"model": "canny", "image": "0" * 64}])
    assert studio.past.seconds(BASE.merged({"width": 512, "height": 512})) == pytest.approx(20)
    assert studio.past.seconds(BASE.merged({"control": [{"model": "canny", "image": "0" * 64}]})) == pytest.approx(9)


def test_the_load_before_the_first_picture_is_not_expected_again(studio: Studio) -> None:
    painted(studio, 12)
    painted(studio, 4)
    assert studio.past.seconds(BASE) == pytest.approx(4)


def test_a_line_counts_the_pictures(studio: Studio) -> None:
    painted(studio, 30)
    told = cost.told(studio, BASE.merged({"batch_count": 4}))
    assert told.startswith("4 pictures · about 2:00 · about ") and told.endswith("GiB of memory")
    assert cost.told(studio, BASE).startswith("about 30 s · ")
    assert cost.told(studio, BASE.merged({"tiled": {}, "init": {}})) == ""


def test_the_line_stands_under_generate_and_knows_the_strength(studio: Studio) -> None:
    with gr.Blocks() as blocks, gr.Tabs() as tabs, gr.Tab():
        bench = Workbench(studio, Page(blocks, tabs, gr.BrowserState(), ""), "img2img")
        bench.actions()
        bench.sampling()
        bench.form.field("init.denoising_strength")
    painted(studio, 30)
    shown = {field: field.value for field in bench.form.fields.values()}
    steps, strength = (bench.form.fields[path] for path in ("steps", "init.denoising_strength"))
    said = [bench.advisor.refresh({**shown, steps: 20, strength: value})[-1].split(" · ")[0] for value in (1, 0.5)]
    assert said == ["about 30 s", "about 15 s"]
