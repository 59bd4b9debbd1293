"""A request refuses what it cannot be, in one line, and is the same after every trip."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.spec.errors import RequestError, unknown
from pipelines.spec.param import declared
from pipelines.spec.parts import LAST_SEED
from pipelines.spec.request import GenerationRequest

REFUSED = [     # faults.md A1-A8, A12, B18
    ({"steps": 0}, "Steps: 0 - too small. Allowed: 1-150."),
    ({"steps": -5}, "Steps: -5 - too small. Allowed: 1-150."),
    ({"steps": 10000}, "Steps: 10000 - too large. Allowed: 1-150."),
    ({"steps": 20.7}, "Steps: 20.7 - not a whole number. Allowed: 1-150."),
    ({"steps": "abc"}, "Steps: abc - not a number. Allowed: 1-150."),
    ({"steps": None}, "Steps: None - not a number. Allowed: 1-150."),
    ({"steps": [1]}, "Steps: [1] - not a number. Allowed: 1-150."),
    ({"steps": {}}, "Steps: {} - not a number. Allowed: 1-150."),
    ({"steps": True}, "Steps: True - not a number. Allowed: 1-150."),
    ({"cfg_scale": float("nan")}, "CFG scale: nan - not a finite number. Allowed: 1-30."),
    ({"cfg_scale": float("inf")}, "CFG scale: inf - not a finite number. Allowed: 1-30."),
    ({"cfg_scale": "1e400"}, "CFG scale: 1e400 - not a finite number. Allowed: 1-30."),
    ({"width": 0}, "Width: 0 - too small. Allowed: 64-4096 in steps of 8."),
    ({"width": 513}, "Width: 513 - must be a multiple of 8. Allowed: 64-4096 in steps of 8. Nearest: 512."),
    ({"height": 100000}, "Height: 100000 - too large. Allowed: 64-4096 in steps of 8."),
    ({"seed": 2**32}, "Seed: 4294967296 - too large. Allowed: -1 to 4294967295."),
    ({"seed": 2**64}, "Seed: 18446744073709551616 - too large. Allowed: -1 to 4294967295."),
    ({"seed": 1e30}, "Seed: 1e+30 - too large. Allowed: -1 to 4294967295."),
    ({"seed": "12ab"}, "Seed: 12ab - not a number. Allowed: -1 to 4294967295."),
    ({"seed": -7}, "Seed: -7 - too small. Allowed: -1 to 4294967295."),
    ({"batch_size": 0}, "Batch size: 0 - too small. Allowed: 1-64."),
    ({"batch_size": 65}, "Batch size: 65 - too large. Allowed: 1-64."),
    ({"batch_count": 1001}, "Batch count: 1001 - too large. Allowed: 1-1000."),
    ({"clip_skip": 0}, "Clip skip: 0 - too small. Allowed: 1-12."),
    ({"clip_skip": 13}, "Clip skip: 13 - too large. Allowed: 1-12."),
    ({"variation": {"strength": 1.1}}, "Variation strength: 1.1 - too large. Allowed: 0-1."),
    ({"prompt": 7}, "Prompt: 7 - not a text. Allowed: up to 100000 characters."),
    ({"prompt": "x" * 1_000_000},
     "Prompt: xxxxxxxxxxxxxxxxxxx… - 1000000 characters are too long. Allowed: up to 100000 characters."),
    ({"tiling": "yes"}, "Seamless tiling: yes - neither true nor false. Allowed: true, false."),
    ({"nonsense": 1}, "nonsense: 1 - no such field."),
    ({"control": [{}] * 1000}, "ControlNet units: 1000 - too many. Allowed: 0-10. Take some of them away."),
]


@pytest.mark.parametrize(("data", "line"), REFUSED, ids=[line[:34] for _, line in REFUSED])
def test_a_bad_value_gets_one_clear_line(data: dict, line: str) -> None:
    with pytest.raises(RequestError) as caught:
        GenerationRequest.parse(data)
    assert str(caught.value) == line


def test_every_refused_field_is_named_at_once() -> None:
    with pytest.raises(RequestError) as caught:
        GenerationRequest.parse({"steps": 0, "width": 7, "seed": "x"})
    assert [e.field for e in caught.value.errors] == ["Steps", "Width", "Seed"]


def test_an_unknown_name_shows_the_three_nearest() -> None:
    error = unknown("Sampler", "Eular", ["Heun", "Euler", "Euler a", "DDIM", "UniPC"])
    assert str(error).startswith("Sampler: Eular - not found. Allowed: Euler, Euler a, ")


@pytest.mark.parametrize("text", ["[]", "{", "null", '{"steps": 0}', "[" * 100_000, ""],
                         ids=["list", "cut", "null", "bad value", "deep", "empty"])
def test_json_that_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(RequestError):
        GenerationRequest.from_json(text)


anything = st.fixed_dictionaries({
    "prompt": st.text(st.characters(), max_size=50), "negative_prompt": st.text(st.characters(), max_size=50),
    "steps": st.integers(1, 150), "cfg_scale": st.floats(1, 30), "seed": st.integers(-1, LAST_SEED),
    "width": st.integers(8, 512).map(lambda n: n * 8), "tiling": st.booleans(),
    "styles": st.lists(st.text(max_size=5), max_size=3),
    "variation": st.none() | st.fixed_dictionaries({"seed": st.integers(-1, LAST_SEED), "strength": st.floats(0, 1)}),
})


@settings(max_examples=200, deadline=None)
@given(anything)
def test_json_gives_the_same_request_back(data: dict) -> None:
    request = GenerationRequest.parse(data)
    again = GenerationRequest.from_json(request.to_json())
    assert again == request and again.digest() == request.digest()


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "\u202eabc", "👩‍👩‍👧", "a\r\nb", "(x:1.2) AND [a|b] BREAK \\("],
                         ids=["NUL", "surrogate", "bidi", "ZWJ", "CRLF", "syntax"])
def test_strange_text_survives_json_exactly(text: str) -> None:     # faults.md B20
    assert GenerationRequest.from_json(GenerationRequest(prompt=text).to_json()).prompt == text


def test_a_drawn_request_has_no_random_seed_left() -> None:
    request = GenerationRequest.parse({"variation": {"strength": 0.3}}).drawn(random.Random(1))
    assert request.seed >= 0 and request.variation.seed >= 0
    assert request.drawn() == request


def test_seeds_count_up_with_the_pictures_and_wrap() -> None:
    request = GenerationRequest(seed=LAST_SEED, batch_count=2, batch_size=3)
    assert [request.image(i).seed for i in range(3)] == [LAST_SEED, 0, 1]
    assert request.count == 6 and request.image(4).count == 1


def test_with_a_variation_only_its_seed_counts_up() -> None:
    request = GenerationRequest.parse({"seed": 7, "variation": {"seed": 40, "strength": 0.2}})
    third = request.image(2)
    assert (third.seed, third.variation.seed) == (7, 42)


def test_merging_reaches_into_a_part_and_checks_again() -> None:
    request = GenerationRequest.parse({"variation": {"seed": 5, "strength": 0.2}}).merged({"variation": {"strength": 1}})
    assert (request.variation.seed, request.variation.strength) == (5, 1)
    with pytest.raises(RequestError):
        request.merged({"steps": 0})


def test_every_field_declares_a_label_and_a_help() -> None:
    rows = list(declared(GenerationRequest))
    assert len({r.path for r in rows}) == len(rows) > 15
    assert all(r.param.label and r.param.help for r in rows)
