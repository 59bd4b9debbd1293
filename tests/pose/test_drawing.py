"""The drawing is controlnet_aux's, pixel by pixel; a missing joint takes its limbs with it."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.pose import Person, Point, Pose, Poses, draw

DEFAULT = [(241, 77), (241, 120), (191, 118), (177, 183), (163, 252), (298, 118), (317, 182), (332, 245), (225, 241), (213, 359),
           (215, 454), (270, 240), (282, 360), (286, 456), (232, 59), (253, 60), (225, 70), (260, 72)]
HAND = tuple(Point(60.5 + 47 * (i % 5), 80.25 + 39 * (i // 5)) for i in range(21))


@pytest.fixture(scope="module")
def reference():
    """Draws with controlnet_aux, which wants fractions of the canvas."""
    from pipelines.loading.compat import torch  # noqa: F401  (before torchvision)
    from controlnet_aux.open_pose import util  # isort: skip
    from controlnet_aux.open_pose.body import Keypoint  # isort: skip

    def fractions(points, pose):
        return [p and Keypoint(p.x / pose.width, p.y / pose.height) for p in points]

    def drawn(pose):
        canvas = np.zeros((pose.height, pose.width, 3), np.uint8)
        for person in pose.people:
            canvas = util.draw_bodypose(canvas, fractions(person.body, pose))
            canvas = util.draw_facepose(canvas, fractions(person.face, pose))
        return canvas
    return drawn


def random_pose(seed):
    rng = np.random.default_rng(seed)
    width, height = (int(v) for v in rng.integers(60, 700, 2))

    def points(count):
        return tuple(Point(*(rng.random(2) * (width, height))) if rng.random() > 0.15 else None for _ in range(count))
    return Pose(tuple(Person(points(18)) for _ in range(2)), width, height)


@pytest.mark.parametrize("seed", range(12))
def test_random_people_are_drawn_as_controlnet_aux_draws_them(reference, seed):
    pose = random_pose(seed)
    assert np.array_equal(np.asarray(draw(pose)), reference(pose))


def test_shipped_poses_and_whole_pixels_are_drawn_as_controlnet_aux_draws_them(reference, root):
    for preset in Poses([root / "presets"]).list():
        for pose in (preset.pose, preset.pose.fitted(301, 199)):
            assert np.array_equal(np.asarray(draw(pose)), reference(pose)), preset.name


def test_a_face_is_drawn_as_controlnet_aux_draws_it(reference):
    face = tuple(Point(-1, -1) if i == 3 else Point(100 + 2 * i, 90 + i % 9) for i in range(70))
    pose = Pose((Person(Pose.of(DEFAULT).people[0].body, face=face),))
    assert np.array_equal(np.asarray(draw(pose)), reference(pose))


GOLDEN = {"nose": ((241, 77), (255, 0, 0)), "neck": ((241, 120), (255, 85, 0)), "right shoulder": ((191, 118), (255, 170, 0)),
          "left ear": ((260, 72), (255, 0, 85)), "limb neck to right shoulder": ((216, 119), (153, 0, 0)),
          "background": ((5, 5), (0, 0, 0))}


@pytest.mark.parametrize(("where", "colour"), GOLDEN.values(), ids=GOLDEN)
def test_golden_pixels_of_the_default_figure(where, colour):
    assert draw(Pose.of(DEFAULT)).getpixel(where) == colour


def test_a_missing_wrist_takes_the_forearm_away():
    whole, without = (np.asarray(draw(Pose.of(points))) for points in (DEFAULT, [*DEFAULT[:4], None, *DEFAULT[5:]]))
    rows, columns = np.nonzero((whole != without).any(axis=2))
    assert rows.min() >= 179 and columns.min() >= 158 and columns.max() <= 182


def test_hands_have_coloured_bones_and_blue_joints_and_can_be_left_out():
    pose = Pose((Person(left_hand=HAND),))
    seen = {pixel for _, pixel in draw(pose).getcolors(100_000)}
    assert (0, 0, 255) in seen and len(seen) > 10
    assert draw(pose, hands=False).getcolors() == [(512 * 512, (0, 0, 0))]
