"""A pasted text of another program: what it would change is shown first, then the form holds it and nothing of before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from extensions.hooks import Hooks
from pipelines import settings
from pipelines.metadata import from_infotext
from pipelines.reception import absent, at_home
from pipelines.studio import Studio
from tabs.form import Form
from tabs.paste import Paste
from tabs.workbench import choices

PATHS = ("prompt", "negative_prompt", "model", "sampler", "schedule", "steps", "cfg_scale", "width", "height", "seed",
         "variation.seed", "variation.strength", "hires.scale", "hires.upscaler", "hires.denoising_strength", "hires.prompt")
TEXT = ("a red car, at night\nNegative prompt: <b>fog\nSteps: 12, Sampler: Euler a, CFG scale: 9, Seed: 5, Size: 256x256, "
        "Model: mini, Denoising strength: 0.4, Hires upscale: 1.5, Hires upscaler: Latent, ENSD: 31337")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with Studio.open(settings.checked({"data_dir": Path(tmp_path_factory.mktemp("data"))}), Hooks()) as made:
        yield made


@pytest.fixture
def paste(studio: Studio) -> Paste:
    with gr.Blocks():
        form = Form("test", studio.words, lambda source: choices(studio, source))
        for path in PATHS:
            form.field(path)
        form.switch("hires")
        made = Paste(studio, form)
        made.wire()
    return made


def held(paste: Paste, text: str, **values: Any) -> dict[Any, Any]:
    """The form as a visitor left it, and what stands in the field for texts."""
    form = paste._form
    named = {path: getattr(component, "value", None) for path, component in form.fields.items()}
    return {form.fields[path]: value for path, value in (named | values).items()} | {paste._text: text}


def told(paste: Paste, updates: list[Any]) -> dict[str, Any]:
    values = [u.get("value") if isinstance(u, dict) else getattr(u, "value", u) for u in updates]
    return dict(zip(paste._form.fields, values, strict=False))


def test_what_would_change_is_shown_before_it_does(paste: Paste) -> None:
    shown, button = paste.shown(held(paste, TEXT, prompt="a red car", steps=12))
    for chip in ("+ at night", "Negative prompt: + &lt;b&gt;fog", "CFG scale 7 → 9", "Seed -1 → 5", "Hires fix – → ✓"):
        assert f'<span class="change">{chip}</span>' in shown, chip
    assert "Steps 1" not in shown and "Not used: ENSD" in shown and "explain-trouble" not in shown
    assert button.interactive


def test_what_is_not_here_is_said_before_it_is_taken(paste: Paste) -> None:
    text = TEXT.replace("Model: mini", "Model: v1-5-pruned").replace("upscaler: Latent", "upscaler: 4x-UltraSharp")
    shown, button = paste.shown(held(paste, text))
    assert "explain-trouble" in shown and "v1-5-pruned" in shown and button.interactive
    shown, _ = paste.shown(held(paste, text.replace("v1-5-pruned", "mini")))
    assert "4x-UltraSharp" in shown.partition("explain-trouble")[2]


def test_taken_it_is_what_the_form_holds_and_nothing_of_before(paste: Paste) -> None:
    now = told(paste, paste.taken(TEXT, "a cat"))
    assert (now["prompt"], now["steps"], now["hires"], now["hires.scale"]) == ("a red car, at night", 12, True, 1.5)
    assert (now["variation.strength"], now["hires.prompt"]) == (0.0, ""), "what the text does not name was off"
    assert told(paste, paste.taken(TEXT.partition(", Denoising")[0], ""))["hires"] is False


def test_a_text_in_the_prompt_is_understood_as_well(paste: Paste) -> None:
    shown, button = paste.shown(held(paste, "", prompt=TEXT))
    assert "Steps 25 → 12" in shown and button.interactive
    assert told(paste, paste.taken("", TEXT))["prompt"] == "a red car, at night"


def test_the_text_of_a_style_becomes_the_style(studio: Studio) -> None:
    prompt, negative = studio.styles.apply("a red car", "fog", ["Watercolour"])
    text = f"{prompt}\nNegative prompt: {negative}\nSteps: 12, Sampler: Euler, CFG scale: 9, Seed: 5, Size: 256x256"
    found = at_home(studio, from_infotext(text))
    assert (found["prompt"], found["negative_prompt"], found["styles"]) == ("a red car", "fog", ["Watercolour"])
    own = at_home(studio, from_infotext(f"{text}, Hires upscale: 2, Hires prompt: {prompt} at night"))
    assert own["prompt"] == prompt and not own["styles"], "its own words hold the style too, and would get it twice"


@pytest.mark.parametrize("text", ["a cat, at night", "Steps: 3", "x" * 300_000], ids=["prompt", "too short", "too long"])
def test_a_text_without_settings_changes_nothing(paste: Paste, text: str) -> None:
    shown, button = paste.shown(held(paste, text))
    assert "No settings in this text" in shown and not button.interactive
    assert all(update == gr.skip() for update in paste.taken(text, ""))


def test_a_model_of_another_name_is_found_by_its_hash(studio: Studio) -> None:
    digest = studio.model("mini").short_hash()
    read = from_infotext(f"a\nSteps: 2, Sampler: Euler, CFG scale: 7, Seed: 1, Model hash: {digest}, Model: renamed")
    assert at_home(studio, read)["model"] == "mini"
    other = from_infotext("a\nSteps: 2, Sampler: Euler, CFG scale: 7, Seed: 1, Model hash: 0123456789, Model: renamed")
    assert "model" not in at_home(studio, other) and absent(studio, other) == [("model", "renamed")]


def test_files_that_are_not_here_are_left_out_and_told(paste: Paste, monkeypatch: pytest.MonkeyPatch) -> None:
    text = ("a cat\nSteps: 9, Sampler: Euler a, CFG scale: 6, Seed: 1, Size: 256x256, Model: far-away, VAE: lost, "
            "Denoising strength: 0.5, Hires upscale: 2, Hires upscaler: 4x-Unknown")
    said = []
    monkeypatch.setattr(gr, "Warning", lambda line, **_: said.append(line))
    shown, button = paste.shown(held(paste, text))
    assert button.interactive and all(f"{name} is not here" in shown for name in ("far-away", "lost", "4x-Unknown"))
    taken = told(paste, paste.taken(text, ""))
    assert said[0].count("is not here") == 3 and taken["steps"] == 9 and taken["hires"] and taken["hires.scale"] == 2
    assert [taken.get(path) for path in ("model", "vae", "hires.upscaler")] == [None] * 3, "as the form has them"
