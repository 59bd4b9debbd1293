"""The pose editor's figure in a real browser does with points exactly what `pipelines/pose` does. No studio is needed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines import pose
from pipelines.pose.figure import MIRRORED
from tabs.units import ASSETS

SHIPPED = pose.Poses([Path(__file__).parents[2] / "presets"]).list()
FIGURE = {"names": pose.KEYPOINTS, "limbs": pose.LIMBS, "colours": pose.COLOURS, "mirrored": MIRRORED}


@pytest.fixture(scope="module")
def figures(browser: Any) -> Callable[[str, pose.Pose], pose.Pose]:
    """`figures("mirrored(pose)", pose)`: what that expression makes of it in the browser."""
    page = browser.new_page()
    script = (ASSETS / "pose_figure.js").read_text(encoding="utf-8")

    def made(expression: str, given: pose.Pose) -> pose.Pose:
        run = f"([figure, data]) => {{ const {{read, written, fitted, mirrored}} = ({script})(figure); " \
              f"const pose = read(data); return JSON.stringify(written({expression})); }}"
        return pose.from_json(page.evaluate(run, json.loads(json.dumps([FIGURE, pose.to_data(given)]))))

    return made


@pytest.mark.parametrize("preset", SHIPPED, ids=[p.name for p in SHIPPED])
def test_shipped_poses_come_back_as_they_went_and_mirrored(figures: Callable[..., pose.Pose], preset: pose.PosePreset) -> None:
    assert figures("pose", preset.pose) == preset.pose
    assert figures("mirrored(pose)", preset.pose) == preset.pose.mirrored()


def test_hands_change_sides_in_the_mirror_and_travel_through(figures: Callable[..., pose.Pose]) -> None:
    body = SHIPPED[0].pose.people[0].body
    hand = tuple(pose.Point(10.0 + i, 20.0, 0.5) for i in range(21))
    person = pose.Person(body, left_hand=hand, face=tuple(pose.Point(float(i), 3.0) for i in range(68)))
    given = pose.Pose((person,), 512, 512)
    assert figures("pose", given) == given
    assert figures("mirrored(pose)", given) == given.mirrored() != given


def test_a_pose_is_fitted_whole_into_another_canvas(figures: Callable[..., pose.Pose]) -> None:
    found, wanted = figures("fitted(pose, 768, 300)", SHIPPED[0].pose), SHIPPED[0].pose.fitted(768, 300)
    assert (found.width, found.height) == (768, 300)
    assert [round(p.x, 6) for p in found.people[0].points()] == [round(p.x, 6) for p in wanted.people[0].points()]
