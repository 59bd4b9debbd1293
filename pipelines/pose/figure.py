"""The frozen model of posed people on a canvas, and what can be done with it. Knows no JSON and draws nothing.

Coordinates are **pixels of the canvas**, x to the right, y down, fractions allowed; `None` stands for a point that is not
there. "right" and "left" are the person's own, as in OpenPose: the right hand of somebody facing the viewer is at the left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

KEYPOINTS = ("nose", "neck", "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow", "left wrist",
             "right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle",
             "right eye", "left eye", "right ear", "left ear")
# Pairs of indices into KEYPOINTS in the order they are drawn; limb k has colour k.
LIMBS = ((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 0),
         (0, 14), (14, 16), (0, 15), (15, 17))
COLOURS = ((255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85),
           (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255),
           (255, 0, 255), (255, 0, 170), (255, 0, 85))
# The body as its mirror image sees it: right and left points change places.
MIRRORED = (0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16)


@dataclass(frozen=True)
class Point:
    """x, y: pixels.   confidence: above 0 up to 1, what a detector says; 1 for a point that was set by hand."""

    x: float
    y: float
    confidence: float = 1.0


Points = tuple[Point | None, ...]
NOBODY: Points = (None,) * len(KEYPOINTS)


@dataclass(frozen=True)
class Person:
    """body: 18 points in the order of KEYPOINTS.   hands: 21 points each or none.   face: 68 or 70 points or none."""

    body: Points = NOBODY
    left_hand: Points = ()
    right_hand: Points = ()
    face: Points = ()

    def __post_init__(self) -> None:
        if len(self.body) != len(KEYPOINTS):
            raise ValueError(f"a body has {len(KEYPOINTS)} points, not {len(self.body)}")

    def every(self, change: Callable[[Point], Point]) -> Person:
        """This person with `change` applied to each point that is there."""
        def all_of(points: Points) -> Points:
            return tuple(point and change(point) for point in points)
        return Person(all_of(self.body), all_of(self.left_hand), all_of(self.right_hand), all_of(self.face))

    def points(self) -> list[Point]:
        """Those that are there: body, hands, face."""
        return [p for part in (self.body, self.left_hand, self.right_hand, self.face) for p in part if p is not None]


@dataclass(frozen=True)
class Pose:
    """People on a canvas of `width` × `height` pixels; later people are drawn over earlier ones."""

    people: tuple[Person, ...] = ()
    width: int = 512
    height: int = 512

    @classmethod
    def of(cls, points: Sequence[tuple[float, float] | None], width: int = 512, height: int = 512) -> Pose:
        """One person from 18 pairs of pixels."""
        return cls((Person(tuple(p and Point(*p) for p in points)),), width, height)

    def mirrored(self) -> Pose:
        """Its mirror image: pixel column c becomes width - 1 - c, right and left points change places. Twice is itself."""
        def flip(point: Point) -> Point:
            return replace(point, x=self.width - 1 - point.x)
        turned = [person.every(flip) for person in self.people]
        return replace(self, people=tuple(
            Person(tuple(p.body[i] for i in MIRRORED), p.right_hand, p.left_hand, p.face) for p in turned))

    def moved(self, dx: float, dy: float) -> Pose:
        return self._every(lambda p: replace(p, x=p.x + dx, y=p.y + dy))

    def scaled(self, width: int, height: int) -> Pose:
        """Stretched with its canvas to `width` × `height`."""
        kx, ky = width / self.width, height / self.height
        return replace(self._every(lambda p: replace(p, x=p.x * kx, y=p.y * ky)), width=width, height=height)

    def fitted(self, width: int, height: int) -> Pose:
        """Its canvas, whole and undistorted, in the middle of one of `width` × `height`."""
        k = min(width / self.width, height / self.height)
        dx, dy = (width - self.width * k) / 2, (height - self.height * k) / 2
        return replace(self._every(lambda p: replace(p, x=p.x * k + dx, y=p.y * k + dy)), width=width, height=height)

    def _every(self, change: Callable[[Point], Point]) -> Pose:
        return replace(self, people=tuple(person.every(change) for person in self.people))
