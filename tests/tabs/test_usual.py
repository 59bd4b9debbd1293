"""A fresh form shows what its model is usually painted with, and another family brings its own values."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from pipelines.families import FAMILIES
from pipelines.studio import Studio
from tabs import usual
from tabs.form import Form
from tabs.workbench import choices

MINI, SD15, SDXL = (FAMILIES.get(name) for name in ("mini", "sd15", "sdxl"))
FRESH = dict(MINI.default_request)


def test_a_fresh_form_shows_what_mini_is_usually_painted_with(studio: Studio) -> None:
    with gr.Blocks():
        form = Form("test", studio.words, lambda source: choices(studio, source), usual.start(studio))
        shown = {path: form.field(path).value for path in ("cfg_scale", "steps", "width", "sampler", "schedule")}
    usually = MINI.default_request
    assert {path: usually[path] for path in ("cfg_scale", "steps", "width", "sampler")}.items() <= shown.items()
    assert shown["schedule"] == "Automatic"


def test_what_nobody_set_becomes_the_new_familys() -> None:
    changes = usual.moved(MINI, SDXL, FRESH)
    assert changes == {"cfg_scale": SDXL.default_request["cfg_scale"], "width": 1024, "height": 1024}
    assert usual.moved(SDXL, MINI, {**FRESH, **changes}) == {path: FRESH[path] for path in changes}


def test_a_size_keeps_its_shape() -> None:
    portrait = MINI.sizes["portrait"]
    changes = usual.moved(MINI, SD15, {**FRESH, "width": portrait.width, "height": portrait.height})
    assert (changes["width"], changes["height"]) == tuple(SD15.sizes["portrait"])


def test_what_somebody_set_stays() -> None:
    assert usual.moved(MINI, SDXL, {**FRESH, "cfg_scale": 9.5, "width": 304, "steps": 40, "sampler": "Euler a"}) == {}


def test_another_checkpoint_of_the_same_family_changes_nothing() -> None:
    assert usual.moved(SD15, SD15, {**FRESH, **SD15.default_request, "cfg_scale": MINI.default_request["cfg_scale"]}) == {}


@pytest.mark.parametrize("watched_first", [True, False])
def test_the_former_model_is_known_whichever_handler_comes_first(studio: Studio, watched_first: bool,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usual, "_family", lambda studio, name: {"mini": MINI, "large": SDXL}.get(name))
    with gr.Blocks() as blocks:
        form = Form("test", studio.words, lambda source: choices(studio, source), usual.start(studio))
        for path in ("model", "steps", "cfg_scale", "sampler", "width", "height"):
            form.field(path)
        usual.follow(studio, form)
    watch, choose = (one.fn for one in blocks.fns.values())
    seen = next(one for one in blocks.blocks.values() if isinstance(one, gr.State))
    state: list[str] = ["", "mini"]
    held: dict[Any, Any] = {form.fields[path]: FRESH[path] for path in ("steps", "cfg_scale", "sampler", "width", "height")}
    if watched_first:
        state = watch(state, "large")
    state, steps, cfg, sampler, width, height = choose({**held, seen: state, form.fields["model"]: "large"})
    assert (width, height, cfg) == (1024, 1024, SDXL.default_request["cfg_scale"])
    assert steps == sampler == gr.skip()
    state = watch(state, "large")
    state, *rest = choose({**held, seen: state, form.fields["model"]: "large"})     # chosen once more: what is set stays
    assert rest == [gr.skip()] * 5
