"""The denoising strength of every loop."""

from __future__ import annotations

import pytest

from pipelines.spec.request import GenerationRequest
from pipelines.tasks.loops import loops_of, strengths


def looping(**loopback: object) -> GenerationRequest:
    return GenerationRequest.parse({"init": {"denoising_strength": 0.8}, "loopback": loopback})


@pytest.mark.parametrize(("curve", "middle"), [("Linear", 0.5), ("Aggressive", 0.3757), ("Lazy", 0.6243)])
def test_a_curve_goes_from_the_first_strength_to_the_last(curve: str, middle: float) -> None:
    found = strengths(looping(loops=3, final_denoising_strength=0.2, curve=curve))
    assert found == [0.8, middle, 0.2]


def test_one_loop_is_none_and_without_a_picture_there_is_nothing() -> None:
    assert strengths(looping(loops=1, final_denoising_strength=0.2)) == [0.8]
    assert strengths(GenerationRequest()) == [] and loops_of(GenerationRequest()) == 1


@pytest.mark.parametrize("curve", ["Linear", "Aggressive", "Lazy"])
def test_every_curve_is_monotonous(curve: str) -> None:
    found = strengths(looping(loops=32, final_denoising_strength=0.1, curve=curve))
    assert found == sorted(found, reverse=True) and len(set(found)) == 32
