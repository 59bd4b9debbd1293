"""English and Ukrainian say the same things, with the same gaps to fill."""

from __future__ import annotations

import string
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from pipelines.advice import Advice
from pipelines.advice.book import SHIPPED
from pipelines.spec.request import GenerationRequest

FOLDER = SHIPPED / "advice"


def entries(data: object, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(data, dict):
        for key, value in data.items():
            assert isinstance(key, str), f"{prefix}{key} was read as {type(key)}"
            yield from entries(value, f"{prefix}{key}.")
    else:
        yield prefix.rstrip("."), str(data)


def catalogue(language: str) -> dict[str, str]:
    return dict(entries(yaml.safe_load((FOLDER / f"{language}.yaml").read_text(encoding="utf-8"))))


def test_both_catalogues_have_the_same_keys_and_gaps() -> None:
    english, ukrainian = catalogue("en"), catalogue("uk")
    assert english.keys() == ukrainian.keys()
    for key, text in english.items():
        gaps = {name for _, name, _, _ in string.Formatter().parse(text) if name}
        assert gaps == {name for _, name, _, _ in string.Formatter().parse(ukrainian[key]) if name}, key


def test_every_range_of_every_scale_has_its_words() -> None:
    english = catalogue("en")
    study = yaml.safe_load((SHIPPED / "recommendations.yaml").read_text(encoding="utf-8"))
    for field, scale in study["fields"].items():
        for part in scale["ranges"]:
            assert {f"{field}.{part['id']}.label", f"{field}.{part['id']}.text"} <= english.keys()


@pytest.mark.parametrize("family", ["sd15", "sd2", "mini", "flux", "sdxl"])
def test_ukrainian_verdicts_are_ukrainian(family: str, families: Any) -> None:
    request = GenerationRequest(prompt="photo of a lady", sampler="Euler a", steps=12, cfg_scale=12)
    english, ukrainian = (Advice(x).all(request, families[family]) for x in ("en", "uk"))
    for field, verdict in ukrainian.items():
        assert any("а" <= c <= "я" or c in "іїє" for c in verdict.text.lower()), field
        assert (verdict.level, verdict.band) == (english[field].level, english[field].band)


def test_a_language_nobody_translated_is_answered_in_english(families: Any) -> None:
    verdict = Advice("en").in_language("fr").verdict("steps", GenerationRequest(), families["sd15"])
    assert verdict and verdict.label == "Recommended"
