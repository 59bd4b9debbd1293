"""`--control TYPE:FILE,…` becomes units: what suits the type here, kept pictures, one line for what cannot be understood."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pipelines.archive.inputs import Inputs
from pipelines.cli.control_flags import taken_apart, units
from pipelines.cli.flags import parse
from pipelines.families import FAMILIES
from pipelines.loading.library import Library
from pipelines.spec.errors import FieldError, ImageFileError
from pipelines.spec.parts import CONTROL_MODES
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.preprocess import Preprocessors

NET = {"controlnet_cond_embedding.conv_in.weight": (8, 3, 3, 3), "controlnet_down_blocks.0.weight": (4, 4, 1, 1),
       "conv_in.weight": (4, 16, 3, 3)}


@pytest.fixture
def studio(tmp_path: Path) -> Any:
    """What of a studio is asked: mini with two ControlNets, no weights for preprocessors."""
    for name in ("canny", "pose"):
        path = tmp_path / "models" / "ControlNet" / name / "diffusion_pytorch_model.safetensors"
        path.parent.mkdir(parents=True)
        save_file({key: torch.zeros(shape) for key, shape in NET.items()}, path)
    Image.new("RGB", (64, 64), "red").save(tmp_path / "a, b.png")
    return SimpleNamespace(library=Library([tmp_path]), inputs=Inputs(tmp_path), preprocessors=Preprocessors([tmp_path]),
                           model=lambda name: SimpleNamespace(family=FAMILIES.get("mini")))


@pytest.mark.parametrize(("text", "expected"), [
    ("canny:photo.png", ("canny", "photo.png", {})),
    ("pose:FILE,weight=0.8,start=0,end=0.7", ("pose", "FILE", {"weight": "0.8", "start": "0", "end": "0.7"})),
    ("canny:a, b.png,weight=1", ("canny", "a, b.png", {"weight": "1"})),
    ("depth:C:\\x.png, mode=Balanced", ("depth", "C:\\x.png", {"control_mode": "Balanced"})),
    ("canny:,model=mini/canny,pixel-perfect=false", ("canny", "", {"model": "mini/canny", "pixel_perfect": False})),
    ("canny:x.png,hires=high res only", ("canny", "x.png", {"hr_option": "high res only"})),
], ids=["plain", "the issue's own", "a comma in the name", "a drive", "no file", "a pass"])
def test_a_unit_is_taken_apart(text: str, expected: tuple) -> None:
    assert taken_apart(text) == expected


@pytest.mark.parametrize("text", ["canny", ":photo.png", "canny:photo.png,wait=3"], ids=["no file", "no type", "no such option"])
def test_what_is_no_unit_is_one_line(text: str) -> None:
    with pytest.raises(FieldError, match="--control: "):
        taken_apart(text)


def test_model_and_preprocessor_follow_from_the_type(studio: Any, tmp_path: Path) -> None:
    texts = parse(["generate", "--control", f"canny:{tmp_path / 'a, b.png'},weight=0.5", "--control", "pose:"], {}).given["control"]
    first, second = GenerationRequest.parse({"control": units(texts, studio, "mini")}).control
    assert (first.preprocessor, first.model, first.weight) == ("canny", "canny", 0.5)
    assert studio.inputs.open(first.image).size == (64, 64)
    assert first.control_mode == second.control_mode == FAMILIES.get("mini").control_mode != CONTROL_MODES[0]
    [said] = GenerationRequest.parse({"control": units([texts[1] + ",mode=balanced"], studio, "mini")}).control
    assert said.control_mode == CONTROL_MODES[0]
    assert (second.preprocessor, second.model, second.image) == ("none", "pose", "")        # nothing here finds people


def test_the_json_of_a_pose_is_drawn(studio: Any, root: Path) -> None:
    file = next((root / "presets" / "poses").glob("*.json"))
    [unit] = units([f"pose:{file}"], studio, "mini")
    drawn = studio.inputs.open(unit["image"])
    assert unit["preprocessor"] == "none" and drawn.getpixel((0, 0)) == (0, 0, 0) and len(drawn.getcolors(10_000)) > 10


@pytest.mark.parametrize(("text", "error", "line"), [
    ("cany:x.png", FieldError, "Control type: cany - not found. Allowed: canny"),
    ("depth:", FieldError, "Control model: Depth - none of this type for Mini .embedded. is installed. Allowed: canny, pose"),
    ("canny:nowhere.png", ImageFileError, "nowhere.png - no such file"),
], ids=["an unknown type", "no model of the type", "no such file"])
def test_what_cannot_be_is_said(studio: Any, text: str, error: type[Exception], line: str) -> None:
    with pytest.raises(error, match=line):
        units([text], studio, "mini")
