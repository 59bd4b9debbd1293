"""The picture-book world: the same seed is the same picture, captions say only what is true, truth lies on the picture."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from pipelines.training.mini.world.captions import caption
from pipelines.training.mini.world.draw import draw
from pipelines.training.mini.world.labels import VALUES, labels
from pipelines.training.mini.world.scene import FIRST, PLACES, STYLES, TIMES, WIDE, sample
from pipelines.training.mini.world.truth import truth


@pytest.mark.parametrize("seed", range(6))
def test_the_same_seed_is_the_same_picture(seed):
    first, second = draw(sample(seed, WIDE)), draw(sample(seed, WIDE))
    assert first.tobytes() == second.tobytes()


def test_different_seeds_are_different_pictures():
    assert len({draw(sample(seed)).tobytes() for seed in range(20)}) == 20


@pytest.mark.parametrize("style", STYLES)
def test_every_style_paints_every_place_and_hour_at_full_size(style):
    for place, time in zip(PLACES, TIMES * 2, strict=True):
        scene = replace(sample(5, FIRST), place=place, time=time, style=style)
        assert draw(scene).size == (scene.width, scene.height)


def test_wide_world_has_portrait_and_landscape_buckets_in_multiples_of_sixteen():
    sizes = {(s.width, s.height) for s in (sample(k, WIDE) for k in range(80))}
    assert {(256, 256), (208, 320), (320, 208)} <= sizes
    assert all(side % 16 == 0 for size in sizes for side in size)


def test_captions_state_only_what_the_labels_hold():
    rng = Random(0)
    for seed in range(300):
        scene = sample(seed, WIDE)
        said = caption(scene, rng)
        assert said.text and said.text == said.text.lower()
        assert said.states.items() <= labels(scene).items()
        assert all(value in VALUES[name] for name, value in said.states.items())


def test_a_stated_colour_stands_in_the_text():
    rng = Random(1)
    for seed in range(200):
        said = caption(sample(seed), rng)
        if "colour" in said.states:
            assert said.states["colour"] in said.text


def test_captions_of_one_scene_vary():
    rng = Random(2)
    assert len({caption(sample(3), rng).text for _ in range(30)}) > 20


@pytest.mark.parametrize("seed", range(8))
def test_truth_maps_lie_on_the_picture(seed):
    scene = sample(seed, WIDE)
    found = truth(scene)
    shape = (scene.height, scene.width)
    assert found.depth.shape == found.owners.shape == found.outline.shape == shape and found.normals.shape == (*shape, 3)
    assert found.depth.min() >= 0 and found.depth.max() <= 1
    assert np.allclose(np.linalg.norm(found.normals, axis=-1), 1, atol=1e-5)
    assert found.owners.max() == len(scene.things) + len(scene.people)


def test_a_subject_is_nearer_than_the_sky_and_stands_where_its_mask_is():
    scene = next(s for s in map(sample, range(50)) if len(s.things) == 1)
    found, thing = truth(scene), scene.things[0]
    mask = found.owners == 1
    assert found.depth[mask].mean() > found.depth[:10].mean()
    assert abs(np.nonzero(mask)[1].mean() / scene.width - thing.x) < 0.12


def test_key_points_of_a_full_figure_lie_on_the_figure():
    scene = next(s for s in map(sample, range(100)) if s.people and s.framing == "full figure" and s.people[0].pose == "standing")
    found = truth(scene)
    points = found.key_points[0]
    assert len(points) == 18
    inside = [found.owners[int(y), int(x)] == 1 for x, y in (q for q in points if q is not None)]
    assert sum(inside) >= 0.9 * len(inside)


def test_the_outline_follows_the_edges_of_the_picture():
    scene = sample(3)
    grey = np.asarray(draw(scene).convert("L"), float)
    slope = np.hypot(*np.gradient(grey))
    edge = truth(scene).outline > 0
    assert slope[edge].mean() > 4 * slope[~edge].mean()
