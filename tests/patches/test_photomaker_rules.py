"""The trigger stands once, after its class word, and the likeness joins when the reference lets it."""

from __future__ import annotations

import pytest

from pipelines.patches.photomaker.rules import check_prompt, mended, merge_step, split
from pipelines.spec.errors import FieldError

REFUSED = {
    "missing": ("a man on a beach", "a man img on a beach"),
    "missing, no person": ("a beach", "Write a word for the person"),
    "twice": ("a man img and a woman img", "stands 2 times"),
    "first": ("img, a woman on a beach", "a woman img on a beach"),
    "capital letters": ("a man IMG", "missing"),
    "inside a word": ("a man imgur", "missing"),
    "other brackets": ("a (man) img", "inside the same brackets"),
    "gone half way": ("a man [img::0.5] here", "missing"),
}


@pytest.mark.parametrize(("prompt", "says"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_trigger_is_refused_with_the_fix(prompt: str, says: str) -> None:
    with pytest.raises(FieldError, match="Prompt: ") as refusal:
        check_prompt(prompt, steps=10)
    assert says in str(refusal.value)


@pytest.mark.parametrize(("prompt", "word", "right"), [
    ("a man img, here", "", "a man img, here"), ("a (man:1.2) img", "", "a (man img:1.2)"),
    ("on a beach", "girl", "a girl img, on a beach"), ("", "girl", "a girl img"), ("on a beach", "", ""),
    ("img on a beach", "boy", "a boy img, on a beach"),
    ("a man img and his img", "", "a man img and his"), ("a man [img::0.5] here", "", "a man img [::0.5] here")],
    ids=["right", "brackets", "no word", "empty", "no word known", "first", "twice", "schedule"])
def test_a_prompt_is_mended_where_its_meaning_is_plain(prompt: str, word: str, right: str) -> None:
    assert mended(prompt, word) == right


@pytest.mark.parametrize("prompt", ["a man img, in a park", "(a man img:1.3) in [snow:rain:0.5]", "woman img"])
def test_a_right_trigger_passes(prompt: str) -> None:
    check_prompt(prompt, "blurry, imgur", steps=10)


def test_the_trigger_in_the_negative_prompt_is_refused() -> None:
    with pytest.raises(FieldError, match="Negative prompt"):
        check_prompt("a man img", "ugly img")


def test_the_trigger_is_taken_out_whole() -> None:
    assert split("a man img, in a park") == ("a man ", ", in a park")
    assert split("a man") is None


@pytest.mark.parametrize(("strength", "steps", "last"), [(20, 20, 4), (20, 50, 10), (0, 50, 0), (100, 50, 30), (15, 10, 1)])
def test_the_merge_step_follows_the_reference(strength: float, steps: int, last: int) -> None:
    assert merge_step(strength, steps) == last


def test_a_style_strength_outside_its_range_is_refused() -> None:
    with pytest.raises(FieldError, match="0-100"):
        merge_step(101, 10)


def test_two_prompts_at_once_are_refused() -> None:
    with pytest.raises(FieldError, match="AND cannot"):
        check_prompt("a man img AND a beach")
