"""The folds of the second pass and of the tiled upscale: what they say before a run, and the second pass alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gradio as gr
import pytest
from PIL import Image

from extensions.loader import Hooks
from pipelines import settings
from pipelines.metadata import write
from pipelines.spec.errors import FieldError, RequestError
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from tabs.advise import Advisor
from tabs.form import Form
from tabs.hires import only_second, sizes
from tabs.page import tab_of
from tabs.tiled import planned

FIRST = {"hires": True, "width": 256, "height": 384, "steps": 20, "model": "mini", "hires.scale": 2.0, "hires.width": 0,
         "hires.height": 0, "hires.steps": 0, "hires.model": ""}
TILED = {"tiled": True, "tiled.scale": 2.0, "tiled.method": "Blended", "tiled.tile": 0, "tiled.padding": 32, "model": "mini",
         "sampler": "Euler", "steps": 10, "cfg_scale": 7.0, "init.denoising_strength": 0.3, "init.exact_steps": False}


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    made = Studio(settings.checked({"data_dir": tmp_path}), Hooks())
    made.library.scan()
    yield made


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture of 256×256 that says how it was made, with its own second pass."""
    own = GenerationRequest(prompt="a car", seed=4, steps=6).merged({"hires": {"scale": 3}, "model_hash": "0" * 10})
    write(Image.effect_noise((256, 256), 40).convert("RGB"), tmp_path / "made.png", own, {})
    return tmp_path / "made.png"


@pytest.mark.parametrize(("change", "line"), [
    ({}, "from 256×384 to 512×768, 20 more steps"), ({"hires": False}, "off: pictures stay at 256×384"),
    ({"hires.width": 512, "hires.height": 512, "hires.steps": 9}, "from 256×384 to 512×512, 9 more steps"),
    ({"hires.width": 520}, "Hires width: 520 - this model needs a multiple of 16"), ({"width": None}, ""),
], ids=["by scale", "off", "to a size", "off the grid", "being typed"])
def test_the_sizes_are_told_live(studio: Studio, change: dict, line: str) -> None:
    assert line in sizes(studio, FIRST | change) and bool(line) == bool(sizes(studio, FIRST | change))


@pytest.mark.parametrize(("change", "size"), [({"hires": False}, "0.3 GiB"), ({}, "0.5 GiB"), ({"hires.scale": 8}, "4.0 GiB")],
                         ids=["one pass", "two", "a large one"])
def test_the_memory_of_a_run_is_told_before_it(studio: Studio, change: dict, size: str) -> None:
    assert sizes(studio, FIRST | change).endswith(f" · about {size} of memory")


def test_the_second_pass_alone_starts_from_the_picture_and_belongs_to_txt2img(studio: Studio, picture: Path) -> None:
    request = only_second(studio, str(picture), {"scale": 2.0, "steps": 5, "upscaler": "Automatic"})
    assert (request.prompt, request.seed, request.model_hash) == ("a car", 4, "")
    assert request.init.denoising_strength == 0 and studio.inputs.open(request.init.image).size == (256, 256)
    assert (request.hires.scale, request.hires.steps) == (2.0, 5) and tab_of(request) == "txt2img"
    checked = studio.check(request)
    assert checked.hires.upscaler == "mini-x2" and GenerationRequest.from_json(checked.to_json()) == checked
    Image.new("RGB", (64, 64)).save(picture)
    with pytest.raises(FieldError):
        only_second(studio, str(picture), {})


@pytest.mark.parametrize(("change", "lines"), [
    ({}, ["256×256 to 512×512: 9 tiles of 256 px · 27 model calls · about 0.4 GiB of memory", 'class="window"']),
    ({"tiled.method": "Separate", "tiled.seam_fix": "Band", "tiled.seam_denoising_strength": 0.3},
     ["4 tiles of 256 px · and 4 over the borders · 24 model calls", 'class="seam"']),
    ({"tiled": False}, ["off: "]), ({"tiled.width": 16384}, ["too large to be made"]),
    ({"tiled.tile": 64}, ["Tile padding: 32 - neighbours would share 64 of the 64 pixels"]), ({"steps": None}, [""]),
], ids=["blended", "separate", "off", "too large", "too small a tile", "being typed"])
def test_the_plan_is_told_and_drawn(studio: Studio, picture: Path, change: dict, lines: list[str]) -> None:
    told = planned(studio, TILED | change, str(picture))
    assert all(line in told for line in lines) and len(told) < 60_000
    assert "Choose a picture" in planned(studio, TILED, None)


@pytest.mark.parametrize(("fields", "line"), [
    ({"hires": {"upscaler": "lanzos"}}, "Hires upscaler: lanzos - not found"), ({"hires": {"sampler": "Oiler"}}, "Sampler: Oiler"),
    ({"hires": {"model": "other"}}, "other"),
    ({"hires": {"sampler": "LCM", "steps": 25, "denoising_strength": 0.2}}, "too many for LCM"),
    ({"tiled": {}}, "a tiled upscale needs one"),
], ids=["upscaler", "sampler", "model", "steps", "no picture"])
def test_what_cannot_be_done_is_refused_before_it_is_queued(studio: Studio, fields: dict, line: str) -> None:
    with pytest.raises(RequestError, match=line):
        studio.check(GenerationRequest.parse(fields))


@pytest.mark.parametrize(("more", "line"), [
    ({"tiled": {"tile": 64}}, "Tile padding: 32 - neighbours would share 64 of the 64 pixels of a tile. Allowed: 0-24"),
    ({"tiled": {}, "loopback": {"loops": 3}}, "Loops: 3 - each would make the picture larger"),
], ids=["A14", "loops"])
def test_tiles_that_run_away_are_refused_before_they_are_queued(studio: Studio, picture: Path, more: dict, line: str) -> None:
    init = {"image": studio.inputs.keep_file(picture)}
    with pytest.raises(RequestError, match=line):
        studio.check(GenerationRequest.parse({"init": init} | more))


def test_styles_are_laid_over_the_second_passes_own_words_and_over_no_others(studio: Studio) -> None:
    def words(**hires: str) -> tuple[str, str]:
        made, _ = studio.prepare(GenerationRequest.parse({"prompt": "a hill", "styles": ["Photograph"], "hires": hires}))
        return made.hires.prompt, made.hires.negative_prompt

    both = words(prompt="a car", negative_prompt="mud")
    assert both[0].startswith("photo of a car") and both[1].startswith("mud") and "painting" in both[1]
    assert words(prompt="a car") == (both[0], "") and words(negative_prompt="mud") == ("", both[1])


def test_the_loras_of_the_first_pass_must_fit_the_checkpoint_of_the_second(studio: Studio, monkeypatch) -> None:
    def looked_at(**hires: str) -> list[tuple[str, str]]:
        seen.clear()
        studio.check(GenerationRequest.parse({"prompt": "a <lora:x:1>", "hires": hires}))
        return list(seen)

    mini, seen = studio.model("mini"), []
    monkeypatch.setattr(studio, "model", lambda name: replace(mini, name="other") if name == "other" else mini)
    monkeypatch.setattr("pipelines.reception.loras.check", lambda prompt, model, _: seen.append((prompt, model.name)) or [])
    first = ("a <lora:x:1>", "mini")
    assert looked_at() == looked_at(model="mini") == [first]
    assert looked_at(model="other") == [first, ("a <lora:x:1>", "other")]
    assert looked_at(prompt="b", model="other") == [first, ("b", "other")]


@pytest.mark.parametrize(("steps", "mark"), [(0, "left:16.7%"), (75, "left:50.0%")], ids=["as in the first", "its own"])
def test_the_mark_of_the_hires_steps_stands_at_the_steps_that_are_run(studio: Studio, steps: int, mark: str) -> None:
    with gr.Blocks():
        form = Form("txt2img", studio.words, lambda source: [])
        advisor = Advisor(studio, form)
        form.switch("hires")
        for path in ("steps", "hires.steps"):
            form.field(path)
            advisor.place(path)
    shown = advisor.refresh({form.fields["hires"]: True, form.fields["steps"]: 25, form.fields["hires.steps"]: steps})
    assert f'<span class="mark" style="{mark}"' in shown[1]


def test_a_result_that_its_format_cannot_hold_is_refused_before_it_is_painted(tmp_path: Path) -> None:
    studio = Studio(settings.checked({"data_dir": tmp_path, "output_format": "webp"}), Hooks())
    studio.library.scan()
    init = {"image": studio.inputs.keep(Image.new("RGB", (4096, 64)))}
    with pytest.raises(RequestError, match="Format: webp - a side of 16384 pixels is more than WebP can hold. Allowed: png, png16"):
        studio.check(GenerationRequest.parse({"init": init, "tiled": {"scale": 4}}))
    studio.check(GenerationRequest.parse({"init": init, "tiled": {"scale": 3}}))
