"""A prompt's structure, its contradictions with the negative prompt, and the reasons after a run."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml

from pipelines.advice import Advice
from pipelines.advice.book import SHIPPED
from pipelines.families import FAMILIES
from pipelines.spec.request import GenerationRequest

STUDY = yaml.safe_load((SHIPPED / "recommendations.yaml").read_text(encoding="utf-8"))
SLOTS = [
    ("", set()),
    ("a red car, in the snow", {"subject", "medium", "details"}),
    ("a white cat at night", {"subject", "medium", "lighting"}),
    ("snowy mountains behind a green meadow at sunset", {"subject", "medium", "details", "lighting"}),
    ("Batman", {"subject"}),
    ("oil painting, sharp focus", {"style", "resolution"}),
    ("(a young lady:1.3), [[evening]], best quality", {"subject", "medium", "lighting", "resolution"}),
    (STUDY["prompt"]["final_people_prompt"], {"subject", "medium", "style", "details", "lighting"}),
    (STUDY["prompt"]["ladders"][1][1], {"subject", "medium", "style", "details", "lighting"}),
]


@pytest.mark.parametrize(("prompt", "slots"), SLOTS, ids=[p[:30] or "empty" for p, _ in SLOTS])
def test_the_slots_of_a_prompt_are_recognised(advice: Advice, prompt: str, slots: set[str]) -> None:
    found = advice.prompt_structure(prompt)
    assert {s.id for s in found.slots if s.present} == slots
    assert [s.id for s in found.slots] == ["subject", "medium", "style", "details", "resolution", "lighting"]


def test_the_completed_prompt_has_every_slot(advice: Advice) -> None:
    for prompt in ("", "a girl", "a valley,", "sharp focus"):
        structure = advice.prompt_structure(prompt)
        assert not advice.prompt_structure(structure.completed(prompt)).missing, structure.completed(prompt)


def test_quality_words_before_the_subject_are_named(advice: Advice) -> None:
    early = advice.prompt_structure("masterpiece, best quality, a girl")
    right = advice.prompt_structure("a girl, masterpiece, best quality")
    assert any('"a girl"' in v.text and v.label == "Order" for v in early.verdicts)
    assert not any(v.label == "Order" for v in right.verdicts)


@pytest.mark.parametrize(("prompt", "negative", "pairs"), [
    ("a lady, denim jacket", "blue jacket", {("denim jacket", "blue jacket")}),
    ("a street, evening", "(night:1.3)", {("evening", "night")}),
    ("people around", "people", {("people around", "people")}),
    ("best anatomy, a girl", "bad anatomy, low quality", set()),
    ("a street, neon lights", "street signs, road signs", set()),
    ("a cat", "dog, blurry", set())],
    ids=["same thing", "near word", "same word", "fault words", "other thing", "nothing"])
def test_a_contradiction_of_prompt_and_negative_prompt_is_named(
        advice: Advice, prompt: str, negative: str, pairs: set[tuple[str, str]]) -> None:
    found = advice.prompt_structure(prompt, negative)
    assert {(c.positive, c.negative) for c in found.contradictions} == pairs
    assert sum("pull against" in v.text for v in found.verdicts) == len(pairs)


def test_the_studys_conflict_example_is_found_and_its_own_examples_are_clean(advice: Advice) -> None:
    conflict = STUDY["negative_prompt"]["conflict_example"]
    assert len(advice.prompt_structure(conflict["prompt"], conflict["negative"]).contradictions) >= 2
    for item in STUDY["worked_examples"]["items"]:
        assert not advice.prompt_structure(item["prompt"], item["negative"]).contradictions


def test_body_words_are_useless_for_a_landscape(advice: Advice) -> None:
    valley = advice.prompt_structure("a green valley", "extra limbs, blurry")
    person = advice.prompt_structure("a young lady", "extra limbs, blurry")
    assert any('"limb"' in v.text for v in valley.verdicts)
    assert not any("useless" in v.text for v in person.verdicts)


def test_a_prompt_in_another_script_is_told_that_english_works(advice: Advice) -> None:
    assert any("English" in v.text for v in advice.prompt_structure("дівчина у місті").verdicts)


def test_the_studys_negative_prompt_is_offered_where_its_numbers_hold(advice: Advice, sd15: Any, families: Any) -> None:
    request = GenerationRequest(prompt="a young lady")
    offered = advice.verdict("negative_prompt", request, sd15)
    assert offered and "anatomy" in offered.changes["negative_prompt"]
    mini = advice.verdict("negative_prompt", request, families["mini"])
    assert mini and not mini.changes


@pytest.mark.parametrize("text", ["a," * 50_000, "(" * 99_000, "<a:" * 33_000, "[a:" * 33_000, "night, " * 14_000],
                         ids=["commas", "brackets", "tags", "edits", "repeats"])
def test_hostile_prompts_are_read_in_linear_time(advice: Advice, text: str) -> None:
    start = time.process_time()         # its own, whatever else runs; quadratic it would be minutes
    advice.prompt_structure(text, text)
    assert time.process_time() - start < 8


def test_an_empty_prompt_is_offered_one_that_suits_the_model(advice: Advice, families: Any) -> None:
    for family in FAMILIES:
        offered = advice.verdict("prompt", GenerationRequest(), family)
        assert offered and offered.changes == {"prompt": family.example}
        structure = advice.prompt_structure(family.example)
        assert any(slot.id == "subject" and slot.present for slot in structure.slots) and not structure.contradictions
    unknown = advice.verdict("prompt", GenerationRequest(), families["flux"])
    assert unknown and not unknown.changes


def test_why_a_picture_looks_bad_names_the_worst_first(advice: Advice, sd15: Any) -> None:
    request = GenerationRequest(prompt="a lady", steps=5, cfg_scale=18, width=640, height=640)
    found = advice.explain_result(request, sd15)
    assert [v.field for v in found][:1] == ["steps"] and {"cfg_scale", "size"} <= {v.field for v in found}
    assert [v.severity for v in found] == sorted((v.severity for v in found), reverse=True)


def test_when_nothing_stands_out_it_says_so(advice: Advice, sd15: Any) -> None:
    prompt = STUDY["prompt"]["final_people_prompt"]
    [only] = advice.explain_result(GenerationRequest(prompt=prompt, width=512, height=512), sd15)
    assert only.level == "recommended" and "other seeds" in only.text


def test_following_all_changes_leaves_nothing_to_complain_of(advice: Advice, sd15: Any) -> None:
    request = GenerationRequest(prompt="photo of a lady, evening", sampler="Euler a", steps=3, clip_skip=4)
    for verdict in advice.all(request, sd15).values():
        request = request.merged(verdict.changes)
    assert [v.level for v in advice.explain_result(request, sd15)] == ["recommended"]
