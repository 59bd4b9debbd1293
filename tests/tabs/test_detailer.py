"""The fold of the detailer: what it says before a run, what is refused, its words under styles, the faces alone of a picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from extensions.loader import Hooks
from pipelines import settings
from pipelines.metadata import write
from pipelines.spec.errors import FieldError, RequestError
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from tabs.detailer import only_faces, told

FORM = {"detailer": True, "model": "mini", "sampler": "Euler", "steps": 20, "detailer.denoising_strength": 0.4, "detailer.steps": 0}
SECOND = {"hires": True, "hires.model": "", "hires.sampler": "", "hires.steps": 10}


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    made = Studio(settings.checked({"data_dir": tmp_path}), Hooks())
    made.library.scan()
    yield made


@pytest.mark.parametrize(("change", "line"), [
    ({}, "each face at 256×256 px, 8 more steps"), ({"detailer.steps": 50}, "20 more steps"), (SECOND, "4 more steps"),
    ({"detailer": False}, "off: faces stay as they were painted"), ({"steps": None}, ""),
], ids=["as the picture", "its own", "as the second pass", "off", "being typed"])
def test_what_a_face_takes_is_told_live(studio: Studio, change: dict, line: str) -> None:
    said = told(studio, FORM | change)
    assert line in said and bool(line) == bool(said)


def test_the_faces_alone_start_from_the_picture_as_its_last_pass_left_it(studio: Studio, tmp_path: Path) -> None:
    file = tmp_path / "made.png"
    own = GenerationRequest(prompt="a boy", seed=4, steps=6).merged(
        {"hires": {"scale": 2, "prompt": "a girl", "steps": 9}, "model_hash": "0" * 10, "control": [{"model": "canny"}]})
    write(Image.effect_noise((208, 320), 40).convert("RGB"), file, own, {})
    request = only_faces(studio, str(file), {"denoising_strength": 0.5, "most": 1})
    assert (request.prompt, request.steps, request.seed, request.model_hash) == ("a girl", 9, 4, "")
    assert (request.size, request.init.denoising_strength, request.hires, request.control) == ((208, 320), 0, None, ())
    assert (request.detailer.denoising_strength, request.detailer.most) == (0.5, 1)
    assert studio.check(request).detailer == request.detailer
    Image.new("RGB", (64, 64)).save(file)
    with pytest.raises(FieldError):
        only_faces(studio, str(file), {})


@pytest.mark.parametrize(("fields", "line"), [
    ({"steps": 10, "detailer": {"denoising_strength": 0.05}}, "of 10 steps none would run"),
    ({"detailer": {"denoising_strength": 2}}, "Detailer denoising strength: 2"),
    ({"detailer": {"prompt": "a <lora:none:1>"}}, "none"),
], ids=["no step", "out of range", "no such LoRA"])
def test_what_cannot_be_done_is_refused_before_it_is_queued(studio: Studio, fields: dict, line: str) -> None:
    with pytest.raises(RequestError, match=line):
        studio.check(GenerationRequest.parse(fields))


def test_styles_are_laid_over_its_own_words_and_over_no_others(studio: Studio) -> None:
    def words(**own: str) -> tuple[str, str]:
        made, _ = studio.prepare(GenerationRequest.parse({"prompt": "a hill", "styles": ["Photograph"], "detailer": own}))
        return made.detailer.prompt, made.detailer.negative_prompt

    prompt, negative = words(prompt="a smile [SEP] a frown", negative_prompt="mud")
    assert [part.startswith("photo of a ") for part in prompt.split("[SEP]")] == [True, True] and negative.startswith("mud, ")
    assert words() == ("", "")
