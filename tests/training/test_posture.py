"""Postures: every pose the world draws is read back from its key points, and from renders by the committed estimators."""

import pytest
from safetensors.torch import load_file

from pipelines.tasks.picture_book import PictureBook
from pipelines.training.mini import estimators, score
from pipelines.training.mini.pictures import HELD_OUT
from pipelines.training.mini.posture import posture
from pipelines.training.mini.world.draw import draw
from pipelines.training.mini.world.people import skeleton
from pipelines.training.mini.world.scene import POSES, Curriculum, sample


@pytest.mark.parametrize("pose", POSES)
def test_every_pose_is_read_back_from_its_skeleton(pose):
    only = Curriculum(people=1.0, nothing=0.0, wander=1.0, poses=tuple(float(pose == name) for name in POSES))
    people = [(sample(seed, only).people[0], size) for seed in range(20) for size in ((256, 256), (208, 320))]
    assert {posture(skeleton(person, *size)) for person, size in people} == {pose}


def test_a_figure_without_legs_is_read_by_its_arms_and_nobody_has_no_pose():
    points = list(skeleton(sample(3, Curriculum(people=1.0, poses=(0, 0, 1, 0, 0))).people[0], 256, 256))
    points[8:14] = [None] * 6
    assert posture(points) == "arms up" and posture([None] * 18) is None


def test_the_committed_estimators_read_the_poses_of_renders(root):
    network = PictureBook().eval()
    weights = load_file(root / "models" / "mini" / "estimators" / estimators.FILE)
    network.load_state_dict({name: value.float() for name, value in weights.items()})
    scenes = [s for s in (sample(HELD_OUT + k, score.RICH) for k in range(60)) if s.people][:24]
    right = [score.pose_of(network, draw(scene)) == scene.people[0].pose for scene in scenes]
    assert sum(right) / len(right) >= 0.9
