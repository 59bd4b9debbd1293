"""The likeness tab's prompt: what is wrong is said before a run, and one click mends it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from extensions.hooks import Hooks
from pipelines import settings
from pipelines.ranking import scorer
from pipelines.studio import Studio
from tabs.advise import Advisor
from tabs.form import Form
from tabs.photomaker import fixed, ready

ASKED = {"model": "mini", "identity.adapter": "thin", "negative_prompt": "", "steps": 10, "emphasis": "Original"}


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    """With a file that is listed as mini's adapter."""
    place = tmp_path / "home" / "models" / "photomaker"
    place.mkdir(parents=True)
    save_file({"id_encoder.fuse_module.layer_norm.weight": torch.zeros(192)}, place / "thin.safetensors")
    made = Studio.open(settings.checked({"data_dir": tmp_path / "home"}), Hooks())
    made.library.scan()
    yield made
    made.close()


@pytest.mark.parametrize(("prompt", "says", "label"), [
    ("a man img on a beach", "PhotoMaker: thin", None),
    ("a man on a beach", "is missing", "Write “a man img on a beach”"),
    ("on a beach", "is missing", "Name the person by the photos, and add the trigger"),
    ("a man [img::0.5] on a beach", "is missing", "Write “a man img [::0.5] on a beach”"),
    ("", "PhotoMaker: thin", None)], ids=["right", "no trigger", "nobody", "gone half way", "empty"])
def test_what_is_wrong_with_a_prompt_is_said_and_mended(studio: Studio, prompt: str, says: str, label: str | None) -> None:
    told, fix = ready(studio, ASKED | {"prompt": prompt})
    assert says in told and fix.visible is (label is not None)
    assert label is None or fix.value == label


def test_a_trigger_in_the_negative_prompt_is_said_while_it_is_written(studio: Studio) -> None:
    told, fix = ready(studio, ASKED | {"prompt": "a man img", "negative_prompt": "a bad img"})
    assert "belongs into the prompt only" in told and not fix.visible


def test_a_click_mends_the_prompt_and_the_photos_name_the_person(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fixed(studio, "a man on a beach", "mini", []) == "a man img on a beach"
    monkeypatch.setattr(scorer, "class_word", lambda photos, places: "girl" if len(photos) == 1 else "")
    photo = studio.inputs.keep(Image.new("RGB", (8, 8)))
    assert fixed(studio, "on a beach", "mini", [photo]) == "a girl img, on a beach"
    assert fixed(studio, "on a beach", "mini", None) == "a person img, on a beach"


@pytest.mark.parametrize(("field", "offered"),
                         [("identity.adapter", "a girl img with pink hair"), ("steps", "a girl with pink hair")],
                         ids=["likeness", "other tab"])
def test_the_prompt_that_is_offered_for_none_has_the_trigger_where_it_is_wanted(studio: Studio, field: str, offered: str) -> None:
    with gr.Blocks():
        form = Form("some", studio.words, lambda source: [])
        advisor = Advisor(studio, form)
        for path in ("prompt", "model", field):
            form.field(path)
        advisor.place("prompt")
    shown = advisor.refresh({form.fields["prompt"]: "", form.fields["model"]: "mini", form.fields[field]: form.fields[field].value})
    assert f"Try “{offered}" in shown[0]
