"""The verdict on a number equals the study's table at every boundary, within the study's scope only."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from pipelines.advice import LEVELS, Advice
from pipelines.advice.book import SHIPPED
from pipelines.families import FAMILIES
from pipelines.spec.errors import StudioError
from pipelines.spec.registry import Registry
from pipelines.spec.request import GenerationRequest

CFG = [(1, "not_recommended"), (6.5, "not_recommended"), (7, "recommended"), (10, "recommended"),
       (10.5, "less_recommended"), (15, "less_recommended"), (15.5, "not_recommended"), (20, "not_recommended"),
       (20.5, "unusable"), (30, "unusable")]
STEPS = [(1, "unusable"), (10, "unusable"), (11, "acceptable"), (19, "acceptable"), (20, "recommended"),
         (35, "recommended"), (36, "less_recommended"), (100, "less_recommended"), (150, "less_recommended")]
DENOISING = [(0, "unusable"), (0.01, "less_recommended"), (0.19, "less_recommended"), (0.2, "recommended"),
             (0.49, "recommended"), (0.5, "acceptable"), (0.75, "acceptable"), (0.76, "not_recommended"),
             (1, "not_recommended")]


@pytest.mark.parametrize(("value", "level"), CFG)
def test_cfg_scale_is_judged_by_the_table(advice: Advice, sd15: Any, value: float, level: str) -> None:
    verdict = advice.verdict("cfg_scale", GenerationRequest(cfg_scale=value), sd15)
    assert verdict and verdict.level == level
    assert verdict.band == (7, 10) and verdict.recommended == 7 and verdict.source == "study"
    assert verdict.changes == ({} if level == "recommended" else {"cfg_scale": 7})


@pytest.mark.parametrize(("value", "level"), STEPS)
def test_steps_are_judged_by_the_table(advice: Advice, sd15: Any, value: int, level: str) -> None:
    verdict = advice.verdict("steps", GenerationRequest(steps=value), sd15)
    assert verdict and verdict.level == level and verdict.band == (20, 35) and verdict.recommended == 25


@pytest.mark.parametrize(("value", "level"), DENOISING)
def test_denoising_strength_is_judged_by_the_table(advice: Advice, sd15: Any, value: float, level: str) -> None:
    verdict = advice.value("denoising_strength", value, sd15)
    assert verdict.level == level and verdict.band == (0.2, 0.49)


def test_the_zones_of_a_slider_follow_one_another_without_gaps(advice: Advice, sd15: Any) -> None:
    verdict = advice.verdict("cfg_scale", GenerationRequest(), sd15)
    assert verdict
    zones = verdict.zones
    assert (zones[0].low, zones[-1].high) == (1, 30) and len(zones) == 5
    assert all(a.high == b.low for a, b in zip(zones, zones[1:], strict=False))


def test_every_field_of_the_form_that_is_a_number_has_a_verdict_with_a_reason(advice: Advice, sd15: Any) -> None:
    found = advice.all(GenerationRequest(), sd15)
    assert {"clip_skip", "steps", "cfg_scale", "cfg_rescale", "width", "height", "seed", "variation.seed",
            "variation.strength", "batch_count", "batch_size", "sampler", "schedule", "prompt"} <= set(found)
    assert all(v.level in LEVELS and v.label and v.text.endswith(".") for v in found.values())


@pytest.mark.parametrize("name", ["sd2", "sdxl", "mini"])
def test_another_family_hears_where_the_numbers_come_from(advice: Advice, name: str, families: Any) -> None:
    verdict = advice.verdict("steps", GenerationRequest(steps=5), families[name])
    assert verdict and verdict.level == "unusable" and "1.5" in verdict.note and name in verdict.note


def test_a_family_the_study_never_met_is_neither_praised_nor_blamed(advice: Advice, families: Any) -> None:
    verdict = advice.verdict("cfg_scale", GenerationRequest(cfg_scale=30), families["flux"])
    assert verdict and (verdict.level, verdict.band, verdict.changes) == ("acceptable", None, {})


def test_what_was_measured_for_a_family_replaces_the_study(tmp_path: Path, families: Any) -> None:
    folder = copytree(SHIPPED, tmp_path / "presets")
    measured = {"source": "measured", "recommended": 4, "best": [3, 5],
                "ranges": [{"id": "r1", "below": 3, "level": "not_recommended"}, {"id": "r2", "level": "recommended"}]}
    table = {"kind": "family", "name": "mini", "fields": {"cfg_scale": measured}}
    (folder / "families" / "mini.yaml").write_text(yaml.safe_dump(table))
    verdict = Advice("en", folder).verdict("cfg_scale", GenerationRequest(cfg_scale=12), families["mini"])
    assert verdict and (verdict.level, verdict.band, verdict.source) == ("recommended", (3, 5), "measured")


@pytest.mark.parametrize(("value", "level"), [
    (1, "not_recommended"), (2.5, "acceptable"), (4, "recommended"), (7, "less_recommended"), (14, "not_recommended")])
def test_minis_own_cfg_is_judged_by_what_was_measured_with_it(advice: Advice, families: Any, value: float, level: str) -> None:
    verdict = advice.verdict("cfg_scale", GenerationRequest(cfg_scale=value), families["mini"])
    assert verdict and (verdict.level, verdict.source, verdict.recommended) == (level, "measured", 4)
    assert "blurry" not in verdict.note and "Measured with this model" in verdict.note


def test_what_is_recommended_for_mini_is_what_a_form_begins_with(advice: Advice, families: Any) -> None:
    verdict = advice.verdict("cfg_scale", GenerationRequest(), families["mini"])
    assert verdict and verdict.recommended == FAMILIES.get("mini").default_request["cfg_scale"]


def test_numbers_that_do_not_rise_are_refused_by_name(tmp_path: Path, families: Any) -> None:
    folder = copytree(SHIPPED, tmp_path / "presets")
    table = {"kind": "family", "name": "mini", "fields": {"steps": {"recommended": 1, "best": [1, 2], "ranges": []}}}
    (folder / "families" / "mini.yaml").write_text(yaml.safe_dump(table))
    with pytest.raises(StudioError, match="steps"):
        Advice("en", folder).verdict("steps", GenerationRequest(), families["mini"])


@pytest.mark.parametrize(("sampler", "calls"), [("Heun", 49), ("DPM2", 49), ("DPM++ SDE", 49)])
def test_a_sampler_with_two_calls_a_step_says_its_cost(advice: Advice, sd15: Any, sampler: str, calls: int) -> None:
    verdict = advice.verdict("steps", GenerationRequest(sampler=sampler, steps=25), sd15)
    assert verdict and f"{calls} times" in verdict.note


def test_a_stochastic_sampler_does_not_settle_but_is_never_called_unrepeatable(advice: Advice, sd15: Any) -> None:
    found = advice.all(GenerationRequest(sampler="Euler a"), sd15)
    assert "does not settle" in found["steps"].note and "same seed repeats" in found["sampler"].note


def test_few_steps_name_the_samplers_that_hold_up(advice: Advice, sd15: Any) -> None:
    euler = advice.verdict("steps", GenerationRequest(sampler="Euler", schedule="Automatic", steps=15), sd15)
    multistep = advice.verdict("steps", GenerationRequest(sampler="DPM++ 2M", schedule="Karras", steps=15), sd15)
    assert euler and "DPM++ 2M" in euler.note
    assert multistep and "DPM++ 2M" not in multistep.note


@pytest.mark.parametrize(("steps", "cfg", "levels"), [
    (4, 1, ("recommended", "recommended")), (25, 7, ("less_recommended", "not_recommended")),
    (1, 1, ("not_recommended", "recommended"))], ids=["as made for", "as the study says", "one step"])
def test_distilled_samplers_have_their_own_numbers(
        advice: Advice, sd15: Any, steps: int, cfg: float, levels: tuple[str, str]) -> None:
    found = advice.all(GenerationRequest(sampler="LCM", steps=steps, cfg_scale=cfg), sd15)
    assert (found["steps"].level, found["cfg_scale"].level) == levels
    assert found["steps"].source == "paper" and "2311.05556" in found["steps"].note
    assert "schedule" not in found


def test_a_distilled_checkpoint_is_not_warned_with_the_study(advice: Advice, families: Any) -> None:
    verdict = advice.verdict("steps", GenerationRequest(model="sd_xl_turbo_1.0", steps=1), families["sdxl"])
    assert verdict and (verdict.level, verdict.band, verdict.source) == ("acceptable", None, "practice")


def test_facts_of_samplers_the_study_did_not_try_come_from_the_studio(sd15: Any) -> None:
    row = SimpleNamespace(name="Two Calls", aliases=("tc",), stochastic=True, calls_per_step=2)
    advice = Advice("en", samplers=Registry("Sampler", [row]))
    found = advice.all(GenerationRequest(sampler="TC", steps=10), sd15)
    assert "19 times" in found["steps"].note and found["sampler"].label == "Not in the study"


def test_advice_blocks_nothing_even_for_names_nobody_knows(advice: Advice, families: Any) -> None:
    found = advice.all(GenerationRequest(sampler="no such", schedule="nor this", model="x"), families["flux"])
    assert found["sampler"].level == "acceptable"


@pytest.mark.parametrize(("parts", "value", "level", "to"), [
    ({}, 1.0, "not_recommended", 0.3), ({"inpaint": {}}, 1.0, "acceptable", 0.75), ({"inpaint": {}}, 0.6, "recommended", None),
    ({"inpaint": {"masked_content": "latent noise"}}, 0.75, "not_recommended", 1.0),
    ({"inpaint": {"masked_content": "fill"}}, 1.0, "recommended", None), ({"outpaint": {"left": 64}}, 0.75, "not_recommended", 1.0),
    ({"inpaint": {}, "outpaint": {"left": 0}}, 0.0, "unusable", 0.75),
], ids=["whole picture", "under a mask", "change", "noise", "fill", "margins", "nought"])
def test_a_strength_is_judged_by_what_painting_starts_from(advice: Advice, sd15: Any, parts: dict, value: float, level: str,
                                                           to: float | None) -> None:
    found = advice.strength(GenerationRequest.parse({"init": {"image": "a" * 64}} | parts), value, sd15)
    assert (found.field, found.level) == ("denoising_strength", level)
    assert found.changes == ({"denoising_strength": to} if to else {}) and found.zones[-1].high == 1
