"""The first noise: one seed, one noise; a variation turns it without changing its length."""

from __future__ import annotations

import torch

from pipelines.spec.parts import Variation
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.noise import first_noise, generator, slerp

SHAPE = (4, 16, 16)


def noise(**fields: object) -> torch.Tensor:
    request = GenerationRequest(**fields)
    return first_noise(request, generator(request), SHAPE)


def test_a_seed_names_one_noise() -> None:
    assert torch.equal(noise(seed=1), noise(seed=1))
    assert not torch.equal(noise(seed=1), noise(seed=2))


def test_a_variation_of_strength_nought_is_the_seed_and_of_one_the_variation_seed() -> None:
    assert torch.equal(noise(seed=1, variation=Variation(seed=2, strength=0)), noise(seed=1))
    assert torch.allclose(noise(seed=1, variation=Variation(seed=2, strength=1)), noise(seed=2), atol=1e-5)


def test_a_variation_lies_between_and_keeps_the_length() -> None:
    a, b, mixed = noise(seed=1), noise(seed=2), noise(seed=1, variation=Variation(seed=2, strength=0.3))
    assert (mixed - a).norm() < (mixed - b).norm()
    assert abs(mixed.norm() / a.norm() - 1) < 0.05


def test_slerp_of_equal_noise_is_that_noise() -> None:
    a = torch.randn(SHAPE)
    assert torch.allclose(slerp(a, a, 0.5), a, atol=1e-5)
