"""What is said before a request that starts from a picture is queued."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from pipelines.archive.inputs import Inputs
from pipelines.spec.errors import FieldError
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.start import check_steps, started
from pipelines.tasks.steps import steps_run

SEAMS = {"method": "Separate", "seam_fix": "Band", "seam_denoising_strength": 0.02}


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
    ({"init": {"image": "kept"}, "inpaint": {"mask": "kept", "seam_strength": 0.02}}, "Coherence pass: 0.02 - of 25 steps none"),
    ({"init": {"image": "kept"}, "tiled": SEAMS}, "Seam denoising strength: 0.02 - of 25 steps none would run"),
    ({"init": {"image": "kept"}, "tiled": SEAMS | {"seam_denoising_strength": 0}}, "Seam denoising strength: 0 - nothing would"),
], ids=["no picture", "mask alone", "no mask", "gone", "A12: too weak", "A9: nought with a mask", "seam too weak",
        "seam of tiles too weak", "seam of tiles nought"])
def test_what_cannot_be_run_is_said_in_one_line(inputs: Inputs, parts: dict, line: str) -> None:
    with pytest.raises(FieldError, match=line):
        started(asked(inputs, **parts), inputs, 16)


@pytest.mark.parametrize("tiled", [{"method": "Blended"}, {"seam_fix": "None"}, {"seam_denoising_strength": 0.5}])
def test_a_seam_fix_that_is_not_on_or_runs_is_not_refused(inputs: Inputs, tiled: dict) -> None:
    assert started(asked(inputs, init={"image": "kept"}, tiled=SEAMS | tiled), inputs, 16) == {}


@pytest.mark.parametrize("steps", range(1, 151))
def test_the_strength_that_is_named_as_enough_is_enough(inputs: Inputs, steps: int) -> None:
    request = asked(inputs, init={"image": "kept", "denoising_strength": 0.001}).merged({"steps": steps})
    with pytest.raises(FieldError) as refused:
        check_steps(request)
    least = float(refused.value.allowed.partition("-")[0])
    check_steps(request.merged({"init": {"denoising_strength": least}}))
    assert steps == 1 or steps_run(steps, round(least - 0.01, 2)) == 0, "and a hundredth less is not"


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
