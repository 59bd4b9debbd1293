"""The judges of a likeness count what they say they count."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from PIL import Image

from bench.likeness import Sitter, area, centred, distances, rise


@pytest.mark.parametrize(("table", "share"), [(np.eye(4), 1.0), (1 - np.eye(4), 0.0)], ids=["alike", "unlike"])
def test_the_area_counts_pairs(table: np.ndarray, share: float) -> None:
    assert area(table) == share


def test_what_all_persons_share_says_nothing() -> None:
    rows = np.random.default_rng(0).normal(size=(5, 8))
    assert np.allclose(centred(rows), centred(rows + 100)) and np.allclose(np.linalg.norm(centred(rows), axis=1), 1)


@pytest.mark.parametrize(("values", "largest"), [([3.0, 2.0, 1.0], -1.0), ([1.0, 2.0, 1.0], 1.0)], ids=["falls", "rises"])
def test_a_rise_is_seen(values: list[float], largest: float) -> None:
    assert rise([np.full(4, value) for value in values]) == largest
    assert rise([np.zeros(4), np.array([-1.0, 1.0, -1.0, 1.5])]) < 0  # four persons cannot tell this from nothing


def test_a_sitter_is_one_person_on_different_photos() -> None:
    one = Sitter.of(0, Random(0))
    assert (len(one.photos), len(one.others)) == (3, 6) and one.hair_colour
    assert distances([one.photos[0]], [one.photos[1]]) > 5 > distances([one.photos[0]], [one.photos[0]])


def test_distance_is_the_mean_of_pixels() -> None:
    black, grey = (Image.new("RGB", (4, 4), (v, v, v)) for v in (0, 10))
    assert list(distances([black, black], [grey, black])) == [10, 0]
