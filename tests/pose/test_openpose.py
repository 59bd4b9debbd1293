"""OpenPose JSON in every form that is found, back again without loss, and refusals in one line."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pipelines.pose import KEYPOINTS, Person, Point, Pose, Poses, from_data, from_json, to_data, to_json
from pipelines.pose.openpose import BODY_25
from pipelines.spec.errors import FieldError

BODY = tuple(None if i == 4 else Point(100 + 10 * i, 50 + 20 * i, 0.5 if i == 3 else 1.0) for i in range(18))
POSE = Pose((Person(BODY),), 640, 768)
FLAT = to_data(POSE)["people"][0]["pose_keypoints_2d"]
PAIRS = [[p.x, p.y] if p else None for p in BODY]


def body_25():
    wide = [0.0] * 75
    for index, place in enumerate(BODY_25):
        wide[3 * place:3 * place + 3] = FLAT[3 * index:3 * index + 3]
    return wide


def one(numbers, **rest):
    return {"people": [{"pose_keypoints_2d": numbers}], "canvas_width": 640, "canvas_height": 768, **rest}


FORMS = {
    "sd-webui-openpose-editor": one(FLAT),
    "empty parts": {**one(FLAT), "people": [{"pose_keypoints_2d": FLAT, "face_keypoints_2d": None, "hand_left_keypoints_2d": []}]},
    "list of frames": [one(FLAT)],
    "BODY_25": one(body_25()),
    "fractions": one([v / (640, 768, 1)[i % 3] for i, v in enumerate(FLAT)]),
}


@pytest.mark.parametrize("data", FORMS.values(), ids=FORMS)
def test_every_form_gives_the_same_pose(data):
    assert from_json(json.dumps(data)) == POSE


BARE = {"people": [PAIRS], "one person": PAIRS, "numbers": [v for p in PAIRS for v in p or (0, 0)],
        "the editor of fkunn1326": {"width": 512, "height": 512, "keypoints": [PAIRS]}}


@pytest.mark.parametrize("data", BARE.values(), ids=BARE)
def test_plain_lists_are_read_too(data):
    pose = from_data(data)
    assert [p and (p.x, p.y) for p in pose.people[0].body] == [p and (p.x, p.y) for p in BODY] and pose.width == 512


def test_hands_and_face_travel_through():
    points = tuple(Point(i + 0.25, 2 * i + 0.5) for i in range(1, 71))
    pose = Pose((Person(BODY, points[:21], points[1:22], points),), 640, 768)
    assert from_json(to_json(pose)) == pose


def test_a_canvas_that_nobody_names_holds_every_point():
    assert (from_data({"people": [{"pose_keypoints_2d": [700, 900, 1] * 18}]}).width, 960) == (704, 960)


BAD = {
    "not JSON": "{", "no people": "{}", "a text": '"people"', "seven numbers": json.dumps(one([1.0] * 7)), "a word": json.dumps(
        one(["x"] * 54)), "infinite": json.dumps(one([1e400] * 54)), "huge canvas": json.dumps(one(FLAT, canvas_width=10**9)),
    "crowd": json.dumps({"people": [{}] * 101}), "nested": "[" * 100_000, "large": " " * (5 * 2**20), "number": "5",
    "null": "[null]",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_what_is_not_a_pose_is_refused_in_one_line(text):
    with pytest.raises(FieldError) as refusal:
        from_json(text)
    assert str(refusal.value).startswith("Pose") and "\n" not in str(refusal.value) and len(str(refusal.value)) < 300


def test_a_mirror_image_swaps_sides_and_twice_is_itself():
    mirrored = POSE.mirrored()
    left = KEYPOINTS.index("left elbow")
    assert mirrored.people[0].body[left] == replace(BODY[3], x=640 - 1 - BODY[3].x)
    assert mirrored.people[0].body[KEYPOINTS.index("left wrist")] is None and mirrored.mirrored() == POSE


def test_scaled_stretches_and_fitted_keeps_the_proportions():
    point = Pose((Person((Point(100, 100),) + BODY[1:]),), 200, 200)
    assert point.scaled(400, 100).people[0].body[0] == Point(200, 50)
    assert point.fitted(400, 100).people[0].body[0] == Point(200, 50)
    assert point.fitted(400, 100).people[0].body[1] == Point(150 + BODY[1].x / 2, BODY[1].y / 2)


def test_shipped_poses_stand_on_their_canvas_and_have_titles(root):
    poses = Poses([root / "presets"])
    assert len(poses.list()) >= 12 and not poses.problems()
    for preset in poses.list():
        assert all(0 < p.x < preset.pose.width and 0 < p.y < preset.pose.height
                   for person in preset.pose.people for p in person.points()), preset.name
        assert preset.title["en"] and preset.title["uk"]
    assert len(poses.get("Two people side by side").pose.people) == 2


def test_a_broken_pose_file_is_named_and_own_ones_hide_shipped_ones(root, tmp_path):
    (tmp_path / "poses").mkdir()
    (tmp_path / "poses" / "standing.json").write_text(to_json(POSE))
    (tmp_path / "poses" / "bad.json").write_text("{")
    poses = Poses([root / "presets", tmp_path])
    assert poses.get("standing").pose == POSE and [p[:8] for p in poses.problems()] == ["bad.json"]
    with pytest.raises(FieldError, match="walking"):
        poses.get("walkin")
