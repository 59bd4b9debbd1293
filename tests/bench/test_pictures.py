"""What the bench of pictures asks for is what its renders show: one attribute differs, and the mask covers where it does."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from PIL import Image

from bench.pictures import Change, Inpainted, garment, sky
from pipelines.training.mini.world.draw import draw
from pipelines.training.mini.world.labels import labels
from pipelines.training.mini.world.scene import Curriculum, Scene, sample

DRESSED = Curriculum(people=1.0, nothing=0.0, framings=(0.0, 1.0, 0.0))
OUTSIDE = Curriculum(people=0.0, nothing=1.0)


@pytest.fixture(scope="module")
def changes() -> list[Change]:
    place = replace(sample(5, OUTSIDE), place="meadow", time="day")
    return [garment(sample(3, DRESSED), Random(1)), sky(place, Random(1))]


def test_one_attribute_differs_and_its_words_say_so(changes: list[Change]) -> None:
    for change in changes:
        before, after = labels(change.before), labels(change.after)
        assert {key for key in before if before[key] != after[key]} == {change.attribute}
        assert change.wanted == after[change.attribute]
    assert changes[0].wanted in changes[0].words and changes[1].wanted in ("night", "sunset")


def test_the_mask_of_a_garment_is_where_the_renders_differ_and_nowhere_else(changes: list[Change]) -> None:
    before, after = (np.asarray(draw(scene), int) for scene in (changes[0].before, changes[0].after))
    differs, mask = np.abs(before - after).max(-1) > 12, np.asarray(changes[0].mask) > 0
    assert differs.any() and mask[differs].all() and mask.sum() < 2 * differs.sum()


def test_the_sky_is_above_the_ground(changes: list[Change]) -> None:
    mask = np.asarray(changes[1].mask) > 0
    assert mask[:40].all() and not mask[-60:].any()


def test_a_room_has_no_sky() -> None:
    assert sky(replace(sample(5, OUTSIDE), place="room"), Random(1)) is None


def test_by_colour_the_render_that_was_asked_for_has_changed_and_the_old_one_has_not(changes: list[Change]) -> None:
    def judged(scene: Scene, change: Change) -> bool:
        result = Image.composite(draw(scene), draw(change.before), change.mask)
        return Inpainted(change, draw(change.before), result, True).by_colour

    for change in changes:
        assert judged(change.after, change) and not judged(change.before, change)
