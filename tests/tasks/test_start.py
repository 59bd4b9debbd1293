"""What is said before a request that starts from a picture is queued."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from pipelines.archive.inputs import Inputs
from pipelines.spec.errors import FieldError
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.start import started


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    return Inputs(tmp_path)


def asked(inputs: Inputs, **parts: object) -> GenerationRequest:
    name = inputs.keep(Image.new("RGB", (250, 100), "red"))
    given = {key: {k: name if v == "kept" else v for k, v in part.items()} for key, part in parts.items()}
    return GenerationRequest.parse({"steps": 25} | given)


@pytest.mark.parametrize(("parts", "line"), [
    ({"init": {}}, "Picture: none - there is nothing to start from"),
    ({"inpaint": {"mask": "kept"}}, "Picture: none - inpainting and outpainting need one"),
    ({"init": {"image": "kept"}, "inpaint": {}}, "Mask: none - nothing would be painted"),
    ({"init": {"image": "f" * 64}}, "Picture: ffffffffffff - this input picture is no longer kept"),
    ({"init": {"image": "kept", "denoising_strength": 0.02}}, "Denoising strength: 0.02 - of 25 steps none would run"),
    ({"init": {"image": "kept", "denoising_strength": 0}, "inpaint": {"mask": "kept"}}, "nothing would change"),
], ids=["no picture", "mask alone", "no mask", "gone", "A12: too weak", "A9: nought with a mask"])
def test_what_cannot_be_run_is_said_in_one_line(inputs: Inputs, parts: dict, line: str) -> None:
    with pytest.raises(FieldError, match=line):
        started(asked(inputs, **parts), inputs, 16)


def test_width_and_height_follow_the_outpainted_frame_up_to_the_familys_step(inputs: Inputs) -> None:
    request = asked(inputs, init={"image": "kept"}, outpaint={"left": 128})
    assert started(request, inputs, 16) == {"width": 384, "height": 112}
    with pytest.raises(FieldError, match="the new frame is too large"):
        big = inputs.keep(Image.new("RGB", (4000, 64)))
        started(request.merged({"init": {"image": big}}), inputs, 16)


def test_a_text_request_is_left_alone(inputs: Inputs) -> None:
    assert started(GenerationRequest(), inputs, 8) == {}


def test_a_kept_picture_has_one_name_and_comes_back_as_it_was(inputs: Inputs) -> None:
    picture = Image.effect_noise((30, 20), 60).convert("RGBA")
    name = inputs.keep(picture)
    assert inputs.keep(picture) == name and list(inputs.open(name).getdata()) == list(picture.getdata())
    inputs.path(name).write_bytes(b"cut")
    with pytest.raises(FieldError, match="damaged"):
        inputs.open(name)
