"""Width and height against the training size of the family."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.advice import Advice
from pipelines.spec.request import GenerationRequest

SIZES = [
    ("sd15", 512, 512, "recommended"), ("sd15", 512, 768, "recommended"), ("sd15", 768, 512, "recommended"),
    ("sd15", 640, 512, "recommended"), ("sd15", 512, 1024, "acceptable"), ("sd15", 512, 256, "acceptable"),
    ("sd15", 384, 640, "less_recommended"), ("sd15", 256, 256, "not_recommended"),
    ("sd15", 640, 640, "not_recommended"),
    ("mini", 256, 256, "recommended"), ("mini", 256, 384, "recommended"), ("mini", 512, 512, "not_recommended"),
    ("sd2", 768, 768, "recommended"), ("sd2", 512, 512, "recommended"), ("sd2", 1024, 1024, "not_recommended"),
    ("sdxl", 1024, 1024, "recommended"), ("sdxl", 832, 1216, "recommended"), ("sdxl", 1152, 896, "recommended"),
    ("sdxl", 512, 512, "not_recommended"), ("sdxl", 2048, 2048, "not_recommended"), ("flux", 1024, 1024, "recommended"),
]


@pytest.mark.parametrize(("name", "width", "height", "level"), SIZES)
def test_a_size_is_judged_against_the_training_size(
        advice: Advice, name: str, width: int, height: int, level: str, families: Any) -> None:
    request = GenerationRequest(width=width, height=height)
    found = advice.all(request, families[name])
    assert {found[f].level for f in ("size", "width", "height")} == {level}, found["size"].text


def test_both_sides_above_name_the_doubles_and_the_way_out(advice: Advice, families: Any) -> None:
    request = GenerationRequest(width=640, height=1024)
    verdict = advice.verdict("size", request, families["sd15"])
    assert verdict and "doubled" in verdict.text and "512×768" in verdict.text
    assert request.merged(verdict.changes).size == (512, 768)


def test_the_band_of_one_side_opens_when_the_other_is_native(advice: Advice, families: Any) -> None:
    wide = advice.verdict("width", GenerationRequest(width=640, height=512), families["sd15"])
    both = advice.verdict("width", GenerationRequest(width=640, height=640), families["sd15"])
    assert wide and wide.band == (512, 768)
    assert both and both.band == (512, 512)


def test_another_size_is_said_to_be_another_picture(advice: Advice, families: Any) -> None:
    verdict = advice.verdict("width", GenerationRequest(), families["mini"])
    assert verdict and "not a bigger copy" in verdict.note
