"""The sampler by what is painted; where the study contradicts itself both sides are said."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.advice import Advice
from pipelines.samplers import SAMPLERS
from pipelines.spec.request import GenerationRequest

PERSON, VALLEY, DRAWING = "photo of a young lady", "a green valley, photo", "illustration of a castle"
TABLE = [
    ("Euler", "photo of a castle", "recommended"), ("Euler a", "photo of a castle", "recommended"),
    ("Euler a", PERSON, "less_recommended"), ("DPM2 a", PERSON, "less_recommended"),
    ("DPM++ 2S a", PERSON, "less_recommended"), ("DPM++ 2M", PERSON, "recommended"),
    ("DPM++ 2M", DRAWING, "recommended"),
    ("DPM++ SDE", DRAWING, "recommended"), ("Heun", PERSON, "acceptable"), ("DDIM", PERSON, "not_recommended"),
    ("PLMS", VALLEY, "not_recommended"), ("Euler a", VALLEY, "recommended"), ("UniPC", PERSON, "acceptable"),
]


@pytest.mark.parametrize(("sampler", "prompt", "level"), TABLE)
def test_a_sampler_is_judged_by_the_subject(advice: Advice, sd15: Any, sampler: str, prompt: str, level: str) -> None:
    verdict = advice.verdict("sampler", GenerationRequest(sampler=sampler, prompt=prompt), sd15)
    assert verdict and verdict.level == level, verdict


def test_euler_a_for_a_photo_of_a_person_hears_both_sides(advice: Advice, sd15: Any) -> None:
    verdict = advice.verdict("sampler", GenerationRequest(sampler="Euler a", prompt=PERSON), sd15)
    assert verdict and "drifted" in verdict.text and "nevertheless" in verdict.note
    assert verdict.changes == {"sampler": "DPM++ 2M", "schedule": "Karras"}


@pytest.mark.parametrize(("sampler", "schedule", "level"), [
    ("DPM++ 2M", "Karras", "recommended"), ("DPM++ 2M", "Automatic", "acceptable"), ("Euler", "Karras", "acceptable")])
def test_a_schedule_type_is_praised_where_the_study_names_it(
        advice: Advice, sd15: Any, sampler: str, schedule: str, level: str) -> None:
    verdict = advice.verdict("schedule", GenerationRequest(sampler=sampler, schedule=schedule), sd15)
    assert verdict and verdict.level == level


def test_automatic_is_judged_by_what_it_stands_for(sd15: Any) -> None:
    request = GenerationRequest(sampler="DPM++ 2M", schedule="Automatic", steps=15)
    found = Advice("en", samplers=SAMPLERS).all(request, sd15)
    assert found["schedule"].level == "recommended" and not found["schedule"].changes
    assert "DPM++ 2M" not in found["steps"].note


@pytest.mark.parametrize("sampler", [s.name for s in SAMPLERS if not s.broken])
def test_every_sampler_of_the_studio_gets_a_verdict_and_what_it_recommends_exists(sd15: Any, sampler: str) -> None:
    for prompt in ("photo of a lady", "illustration of a castle", "a valley"):
        found = Advice("uk", samplers=SAMPLERS).all(GenerationRequest(sampler=sampler, prompt=prompt), sd15)
        assert found["sampler"].changes.get("sampler", sampler) in SAMPLERS and found["steps"].text


@pytest.mark.parametrize(("model", "prompt", "level"), [
    ("mini", "", "less_recommended"), ("dreamshaper_lcm", "", "recommended"),
    ("mini", "a cat <lora:lcm-lora-sdv1-5:1>", "recommended")], ids=["plain weights", "distilled checkpoint", "lora"])
def test_lcm_fits_distilled_weights_only(advice: Advice, sd15: Any, model: str, prompt: str, level: str) -> None:
    verdict = advice.verdict("sampler", GenerationRequest(sampler="LCM", model=model, prompt=prompt), sd15)
    assert verdict and verdict.level == level


def test_weights_distilled_for_lcm_want_that_sampler(advice: Advice, sd15: Any) -> None:
    verdict = advice.verdict("sampler", GenerationRequest(sampler="Euler", model="dreamshaper-lcm"), sd15)
    assert verdict and verdict.changes == {"sampler": "LCM"}
