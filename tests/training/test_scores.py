"""Scores: prompts state what is asked, ranks correlate as they should, and conditions are followed by their own renders best."""

from random import Random

import numpy as np
import pytest

from pipelines.tasks.picture_book import PictureBook
from pipelines.training.mini import control_score, score
from pipelines.training.mini.world.draw import draw
from pipelines.training.mini.world.labels import labels
from pipelines.training.mini.world.scene import Curriculum, sample


@pytest.mark.parametrize("seed", range(12))
def test_a_rich_prompt_states_every_attribute_that_is_read(seed):
    scene = sample(seed, score.RICH)
    said, truth = score.rich_prompt(scene, Random(0)), labels(scene)
    colours = [truth[name] for name in ("colour", "top colour", "bottom colour", "pose") if name in truth]
    assert all(word in said for word in colours)
    assert {"1": "one ", "2": "two ", "3": "three "}[truth["count"]] in said or scene.people


def test_a_plain_prompt_leaves_out_what_it_is_not_judged_on():
    scene = sample(3, Curriculum(people=1.0, nothing=0.0))
    assert "hair" not in score.prompt(scene, Random(0)) and scene.people[0].pose not in score.prompt(scene, Random(0))


def test_rank_correlation_sees_order_alone():
    values = np.array([0.1, 0.4, 0.2, 0.9])
    assert control_score.rank_correlation(values, values**3) == pytest.approx(1)
    assert control_score.rank_correlation(values, -values) == pytest.approx(-1)
    assert abs(control_score.rank_correlation(values, np.array([1, 1, 2, 1]))) < 1


@pytest.mark.parametrize("kind", ["canny", "scribble"])
def test_a_render_follows_its_own_lines_and_not_another_scenes(kind):
    mine, other = sample(3, control_score.WORLD), sample(4, control_score.WORLD)
    network = PictureBook()
    assert control_score.follows(kind, mine, draw(mine), network) > 0.75
    assert control_score.follows(kind, mine, draw(other), network) < 0.6
