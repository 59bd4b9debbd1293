"""Draws a pose as ControlNet's OpenPose models were taught it: limbs at 60 % of their colour, joints over them, on black.

An own renderer: controlnet_aux's file stands under a licence for non-commercial use and needs matplotlib for hands. Its
pixels are the measure: `tests/pose/test_drawing.py` compares every pixel with it.
"""

from __future__ import annotations

import colorsys
import math
from itertools import pairwise
from typing import Any

from PIL import Image

from pipelines.pose.figure import COLOURS, LIMBS, Point, Points, Pose

HALF_WIDTH = 4          # pixels, of a limb; also the radius of a joint, whatever the size of the canvas
FACE_RADIUS = 3
FINGERS = ((0, 1, 2, 3, 4), (0, 5, 6, 7, 8), (0, 9, 10, 11, 12), (0, 13, 14, 15, 16), (0, 17, 18, 19, 20))


def draw(pose: Pose, hands: bool = True, face: bool = True) -> Image.Image:
    """The pose as RGB of its canvas' size. A missing joint leaves out its limbs."""
    import numpy as np

    canvas = np.zeros((pose.height, pose.width, 3), dtype=np.uint8)
    for person in pose.people:
        _body(canvas, pose, person.body)
        if hands:
            _hand(canvas, pose, person.left_hand)
            _hand(canvas, pose, person.right_hand)
        if face:
            _dots(canvas, pose, person.face, FACE_RADIUS, (255, 255, 255))
    return Image.fromarray(canvas)


def _place(pose: Pose, point: Point) -> tuple[float, float]:
    """The point by way of fractions of the canvas, as controlnet_aux has it: 58 / 100 * 100 is not always 58."""
    return point.x / pose.width * float(pose.width), point.y / pose.height * float(pose.height)


def _body(canvas: Any, pose: Pose, body: Points) -> None:
    import cv2

    for (first, second), colour in zip(LIMBS, COLOURS, strict=False):
        start, end = body[first], body[second]
        if start is None or end is None:
            continue
        (x1, y1), (x2, y2) = _place(pose, start), _place(pose, end)
        middle = int((x1 + x2) / 2), int((y1 + y2) / 2)
        length = ((y1 - y2) ** 2 + (x1 - x2) ** 2) ** 0.5
        angle = math.degrees(math.atan2(y1 - y2, x1 - x2))
        outline: Any = cv2.ellipse2Poly(middle, (int(length / 2), HALF_WIDTH), int(angle), 0, 360, 1)
        cv2.fillConvexPoly(canvas, outline, [int(c * 0.6) for c in colour])
    for point, colour in zip(body, COLOURS, strict=True):
        if point is not None:
            x, y = _place(pose, point)
            cv2.circle(canvas, (int(x), int(y)), HALF_WIDTH, colour, thickness=-1)


def _hand(canvas: Any, pose: Pose, hand: Points) -> None:
    import cv2

    if not hand:
        return
    bones = [bone for finger in FINGERS for bone in pairwise(finger)]
    for index, (first, second) in enumerate(bones):
        start, end = hand[first], hand[second]
        if start is not None and end is not None:
            x1, y1, x2, y2 = (int(v) for v in (*_place(pose, start), *_place(pose, end)))
            if min(x1, y1, x2, y2) > 0:
                hue = colorsys.hsv_to_rgb(index / len(bones), 1.0, 1.0)
                cv2.line(canvas, (x1, y1), (x2, y2), [c * 255 for c in hue], thickness=2)
    _dots(canvas, pose, hand, HALF_WIDTH, (0, 0, 255))


def _dots(canvas: Any, pose: Pose, points: Points, radius: int, colour: tuple[int, int, int]) -> None:
    import cv2

    for point in points:
        x, y = (int(v) for v in _place(pose, point)) if point is not None else (0, 0)
        if x > 0 and y > 0:     # a detector writes what it did not find as 0 or below
            cv2.circle(canvas, (x, y), radius, colour, thickness=-1)
