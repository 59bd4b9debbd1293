"""What is kept of a model: its note and a button in the forms, its settings there by a click alone."""

from __future__ import annotations

import json
from pathlib import Path

import gradio as gr
import pytest

from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from tabs.form import Form
from tabs.model_notes import Offer, note_of
from tabs.workbench import choices

FIELDS = ("model", "steps", "cfg_scale", "width", "vae")


@pytest.fixture
def offer(studio: Studio) -> Offer:
    with gr.Blocks():
        form = Form("test", studio.words, lambda source: choices(studio, source))
        for path in FIELDS:
            form.field(path)
        return Offer(studio, form)


def test_the_note_stays_text_and_the_button_is_there_only_with_settings(studio: Studio, offer: Offer) -> None:
    assert offer.shown("mini") == ["", gr.update(visible=False)]
    studio.model_notes.write("mini", "<b>low</b> CFG")
    studio.model_notes.settle("mini", GenerationRequest(steps=9))
    assert offer.shown("mini") == ["&lt;b&gt;low&lt;/b&gt; CFG", gr.update(visible=True)]
    assert offer.shown("gone") == ["", gr.update(visible=False)]


def test_a_click_sets_what_is_kept_and_says_what_it_leaves_out(
        studio: Studio, offer: Offer, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(gr, "Info", lambda text, **_: said.append(text))
    monkeypatch.setattr(gr, "Warning", lambda text, **_: said.append(text))
    studio.model_notes.settle("mini", GenerationRequest(steps=9, cfg_scale=3.5, width=320))
    file = studio.settings.data_dir / "models.json"
    kept = json.loads(file.read_text())
    kept["models"]["mini"]["settings"] |= {"eta": 1, "vae": 5}
    file.write_text(json.dumps(kept))
    monkeypatch.setattr(studio, "model_notes", type(studio.model_notes)(file))
    updates = dict(zip(FIELDS, offer.taken("mini"), strict=True))
    assert (updates["steps"], updates["cfg_scale"]) == (9, 3.5) and updates["width"]["value"] == 320
    assert updates["model"] == updates["vae"] == gr.skip()
    assert said[0].startswith("VAE: 5 - not a text") and "eta: 1 - no such setting any more" in said[0]
    assert "Steps 9" in said[1] and "CFG scale 3.5" in said[1]


def test_without_a_note_of_ones_own_that_of_automatic1111_is_shown(studio: Studio, monkeypatch: pytest.MonkeyPatch,
                                                                   tmp_path: Path) -> None:
    from dataclasses import replace

    other = replace(studio.model("mini"), path=tmp_path / "foo.v1.safetensors", is_folder=False)
    monkeypatch.setattr(studio, "model", lambda name: other)
    (tmp_path / "foo.v1.json").write_text('{"description": "for books"}')
    assert note_of(studio, "foo.v1") == "for books"
    studio.model_notes.write("foo.v1", "mine")
    assert note_of(studio, "foo.v1") == "mine"
