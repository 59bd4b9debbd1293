"""Control pictures of the world from its ground truth, in the conventions that ControlNets and preprocessors of the studio use.

canny: white lines on black, OpenCV's 100 and 200. scribble: thick white outline on black. depth: near is bright. normal: (x right,
y up, z to the viewer) mapped from -1..1 to 0..255. pose: OpenPose's coloured limbs on black.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.pose.drawing import draw as draw_pose
from pipelines.pose.figure import Person, Point, Pose
from pipelines.training.mini.world.draw import draw, record
from pipelines.training.mini.world.scene import Scene
from pipelines.training.mini.world.truth import depth_map, key_points, normals, outline, paint_values

Pixels = NDArray[np.uint8]


def canny(scene: Scene) -> Pixels:
    """(h, w) edges of the very picture that training shows."""
    return np.asarray(cv2.Canny(np.asarray(draw(scene)), 100, 200), np.uint8)


def scribble(scene: Scene) -> Pixels:
    """(h, w) the outline, a brush of five pixels wide, as a hand would draw it."""
    lines = (outline(record(scene)) * 255).astype(np.uint8)
    return np.asarray(cv2.dilate(lines, np.ones((5, 5), np.uint8)), np.uint8)


def depth(scene: Scene) -> Pixels:
    """(h, w) 255 is nearest."""
    return (depth_map(record(scene)) * 255).round().astype(np.uint8)


def normal(scene: Scene) -> Pixels:
    """(h, w, 3) unit normals as colours."""
    painter = record(scene)
    vectors = normals(depth_map(painter), np.asarray(paint_values(painter, "owner")))
    return ((vectors + 1) * 127.5).round().astype(np.uint8)


def pose(scene: Scene) -> Pixels:
    """(h, w, 3) skeletons; black where the scene has nobody."""
    people = tuple(Person(tuple(at and Point(*at) for at in body)) for body in key_points(scene))
    return np.asarray(draw_pose(Pose(people, scene.width, scene.height)).convert("RGB"))


CONDITIONS: Mapping[str, Callable[[Scene], Pixels]] = MappingProxyType(
    {"canny": canny, "scribble": scribble, "depth": depth, "normal": normal, "pose": pose}
)


def condition(kind: str, scene: Scene) -> Pixels:
    """(h, w, 3) uint8 control picture of a kind of CONDITIONS."""
    made = CONDITIONS[kind](scene)
    return made if made.ndim == 3 else np.repeat(made[..., None], 3, 2)
