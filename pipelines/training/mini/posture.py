"""Reads a person's pose from key points: which of the world's five postures the arms and thighs come nearest to. Knows no network.

The probe, which looks at a picture as a whole, tells only three quarters of the renders' poses; arms are a matter of angles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

from pipelines.training.mini.world.people import KEY_POINTS, skeleton
from pipelines.training.mini.world.scene import POSES, Person

Place = tuple[float, float] | None
LIMBS = tuple(
    (KEY_POINTS.index(f"{side} {start}"), KEY_POINTS.index(f"{side} {end}"))
    for side in ("right", "left")
    for start, end in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"))
)


def posture(points: Sequence[Place]) -> str | None:
    """The pose of 18 places (x, y) in OpenPose order, None where a point is not seen; None where no limb is seen."""
    seen = directions(points)
    if not any(seen):
        return None
    return min(examples(), key=lambda example: apart(seen, example[1]))[0]


def directions(points: Sequence[Place]) -> tuple[Place, ...]:
    """Unit vectors of upper arm, forearm and thigh, right side first; None where an end is missing."""
    return tuple(direction(points[start], points[end]) for start, end in LIMBS)


def direction(start: Place, end: Place) -> Place:
    """The unit vector from one place to the other; None where one is missing or both are the same."""
    length = math.dist(start, end) if start and end else 0.0
    return ((end[0] - start[0]) / length, (end[1] - start[1]) / length) if start and end and length else None


def apart(first: Sequence[Place], second: Sequence[Place]) -> float:
    """Sum of squared distances of what both have."""
    return sum(math.dist(a, b) ** 2 for a, b in zip(first, second, strict=True) if a and b)


@cache
def examples() -> tuple[tuple[str, tuple[Place, ...]], ...]:
    """Every pose as the world draws it, facing both ways."""
    someone = ("man", "fair", "short", "black", "red", "blue", "jacket", "jeans")
    people = [Person(*someone, pose, 0.5, 0.1, 0.2, facing=facing) for pose in POSES for facing in (1, -1)]
    return tuple((person.pose, directions(skeleton(person, 1000, 1000))) for person in people)
