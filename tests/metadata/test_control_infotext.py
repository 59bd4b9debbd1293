"""ControlNet units in AUTOMATIC1111's text: sd-webui-controlnet's order, both ways; what the text cannot say is told."""

from __future__ import annotations

import pytest

from pipelines.metadata import from_infotext, infotext
from pipelines.spec.request import GenerationRequest

UNIT = ("Module: canny, Model: control_v11p_sd15_canny [d14c016b], Weight: 1.0, Resize Mode: Crop and Resize, Processor Res: 512, "
        "Threshold A: 100.0, Threshold B: 200.0, Guidance Start: 0.0, Guidance End: 1.0, Pixel Perfect: False, "
        "Control Mode: Balanced")
HEAD = "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, "


def test_a_unit_is_written_as_the_extension_writes_it() -> None:
    request = GenerationRequest.parse({"seed": 1, "control_hashes": ["d14c016b"], "control": [{
        "preprocessor": "canny", "model": "control_v11p_sd15_canny", "pixel_perfect": False, "threshold_a": 100,
        "threshold_b": 200}]})
    assert f'ControlNet 0: "{UNIT}"' in infotext(request)


def test_a_unit_is_read_back_and_its_picture_asked_for() -> None:
    read = from_infotext(f'{HEAD}ControlNet 0: "{UNIT}", Version: v1.10.1')
    [unit] = GenerationRequest.parse(read.request).control
    assert (unit.preprocessor, unit.model, unit.threshold_b) == ("canny", "control_v11p_sd15_canny", 200)
    assert not unit.pixel_perfect and any("choose it again" in note for note in read.notes)
    assert not any("Not used" in note for note in read.notes)


def test_what_was_written_is_read_as_it_was() -> None:
    units = [{"preprocessor": "canny", "model": "a, b: c/net", "weight": 0.35, "start": 0.1, "end": 0.6, "resolution": 640,
              "control_mode": "My prompt is more important", "resize_mode": "Resize and Fill", "hr_option": "High res only"},
             {"model": "union:Depth", "pixel_perfect": False, "threshold_a": 12.5}]
    request = GenerationRequest.parse({"seed": 1, "control": units})
    read = GenerationRequest.parse(from_infotext(infotext(request)).request)
    assert read.control == request.control


@pytest.mark.parametrize(("text", "field", "value"), [
    ("preprocessor: depth_midas, model: x [abcdef12], weight: 1, starting/ending: (0.1, 0.8), resize mode: Just Resize, "
     "pixel perfect: True, control mode: Balanced, preprocessor params: (512, 100, 200)", "end", 0.8),
    ("Module: depth, Model: None, Weight: 1, Guidance Start: 0, Pixel Perfect: True, Hr Option: Both", "preprocessor",
     "depth_midas"),
    ("Module: canny, Model: x, Weight: 1, Hr Option: HiResFixOption.LOW_RES_ONLY", "hr_option", "Low res only"),
    ("Module: canny, Model: x, Hr Option: High res only, Weight: 0.5", "hr_option", "High res only"),
    ("Module: canny, Model: x, Weight: 99", "weight", 1.0),
    ("Module: nobody_knows_it, Model: x, Weight: 0.5", "preprocessor", "none"),
    ("", "weight", 1.0),
], ids=["the old form", "Forge and an alias", "a constant's name", "hires", "out of range", "an unknown preprocessor", "nothing"])
def test_other_versions_are_read_as_far_as_they_go(text: str, field: str, value: object) -> None:
    read = from_infotext(f'{HEAD}ControlNet 0: "{text or " "}"')
    [unit] = GenerationRequest.parse(read.request).control
    assert getattr(unit, field) == value


def test_more_units_than_a_request_has_are_told() -> None:
    read = from_infotext(HEAD + ", ".join(f'ControlNet {number}: "{UNIT}"' for number in range(12)))
    assert len(GenerationRequest.parse(read.request).control) == 10
    assert sum("left out; a request has at most 10 units" in note for note in read.notes) == 2


def test_a_text_without_units_turns_them_off() -> None:
    assert from_infotext(f"{HEAD}Version: v1.10.1").request["control"] == []
