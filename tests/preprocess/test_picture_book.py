"""Mini's own preprocessors, with the committed network: what they see on held-out renders, and that they say what they know."""

import numpy as np
import pytest
from PIL import Image

from pipelines.pose import Pose
from pipelines.spec.errors import FieldError
from pipelines.tasks.preprocess import Preprocessors

NAMES = ("mini_depth", "mini_normal", "mini_pose", "mini_sketch")
HELD_OUT = 10_000_300


@pytest.fixture(scope="module")
def preprocessors(root):
    return Preprocessors([root / "models"], "cpu")


@pytest.fixture(scope="module")
def scene():
    from pipelines.training.mini.world.scene import Curriculum, sample

    return sample(HELD_OUT, Curriculum(people=1.0, nothing=0.0, framings=(0.0, 0.0, 1.0)))


@pytest.fixture(scope="module")
def render(scene):
    from pipelines.training.mini.world.draw import draw

    return draw(scene)


@pytest.mark.parametrize("name", NAMES)
def test_each_is_there_with_the_family_and_says_what_it_knows(preprocessors, render, name):
    assert not preprocessors.missing(name) and "picture-book world only" in preprocessors.rows.get(name).title
    made = preprocessors.run(name, render, {}, 256)
    assert made.size == (256, 256) and np.asarray(made).std() > 5


def test_near_is_bright_and_a_wall_is_blue(preprocessors, scene, render):
    from pipelines.training.mini.conditions import condition

    made, true = np.asarray(preprocessors.run("mini_depth", render, {}, 256), float), condition("depth", scene)
    assert np.corrcoef(made[..., 0].ravel(), true[..., 0].ravel())[0, 1] > 0.8
    middle = np.median(np.asarray(preprocessors.run("mini_normal", render, {}, 256)).reshape(-1, 3), 0)
    assert middle[2] > 200


def test_a_pose_is_found_in_the_pictures_own_pixels(preprocessors, scene, render):
    from pipelines.training.mini.world.truth import key_points

    double = render.resize((512, 512), Image.Resampling.BICUBIC)
    pose = preprocessors.pose(double, "mini_pose", 512)
    assert isinstance(pose, Pose) and (pose.width, pose.height) == (512, 512)
    nose, true = pose.people[0].body[0], key_points(scene)[0][0]
    assert nose is not None and np.hypot(nose.x - 2 * true[0], nose.y - 2 * true[1]) < 30


def test_nobody_is_named(preprocessors):
    with pytest.raises(FieldError, match="found no people"):
        preprocessors.run("mini_pose", Image.new("RGB", (256, 256), (120, 180, 240)), {}, 256)


def test_the_four_share_one_network(preprocessors, render):
    preprocessors.run("mini_depth", render, {}, 128)
    held = preprocessors._held[1]
    preprocessors.run("mini_sketch", render, {}, 128)
    assert preprocessors._held[1] is held
