"""The persons of the world: a skeleton of 18 OpenPose key points from a pose, and the figure dressed on it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pipelines.training.mini.world.heads import paint_hair_back, paint_head
from pipelines.training.mini.world.paint import Painter, Point
from pipelines.training.mini.world.palette import COLOURS, SKIN, Colour, darker, lighter
from pipelines.training.mini.world.scene import Person, Scene

KEY_POINTS = (
    "nose",
    "neck",
    "right shoulder",
    "right elbow",
    "right wrist",
    "left shoulder",
    "left elbow",
    "left wrist",
    "right hip",
    "right knee",
    "right ankle",
    "left hip",
    "left knee",
    "left ankle",
    "right eye",
    "left eye",
    "right ear",
    "left ear",
)


@dataclass(frozen=True)
class Build:
    """Proportions in head heights: half widths of shoulders and hips, heights of hip and sole below the crown."""

    shoulder: float
    hip: float
    hip_at: float
    sole: float
    arm: float
    limb: float


BUILDS: Mapping[str, Build] = MappingProxyType(
    {
        "woman": Build(0.44, 0.27, 2.3, 4.35, 0.62, 0.22),
        "man": Build(0.56, 0.3, 2.4, 4.5, 0.66, 0.26),
        "girl": Build(0.4, 0.26, 2.05, 3.6, 0.54, 0.22),
        "boy": Build(0.43, 0.27, 2.05, 3.6, 0.54, 0.23),
        "baby": Build(0.36, 0.27, 1.75, 2.45, 0.4, 0.24),
    }
)
# Angles in degrees from hanging down, outward positive: (right upper arm, right forearm, left upper arm, left forearm, stride).
_ANGLES: Mapping[str, tuple[float, float, float, float, float]] = MappingProxyType(
    {
        "standing": (16, 8, 16, 8, 5),
        "waving": (16, 8, 118, 172, 5),
        "arms up": (142, 168, 142, 168, 7),
        "walking": (34, 50, 26, -10, 22),
        "hands on hips": (52, -38, 52, -38, 8),
    }
)


def skeleton(person: Person, width: int, height: int) -> tuple[Point, ...]:
    """The 18 key points in pixels, in OpenPose order; the person's right is on the left of the picture."""
    build, head = BUILDS[person.kind], person.head * height
    x, top = person.x * width, person.crown * height
    bend = _ANGLES[person.pose]

    def swing(start: Point, length: float, angle: float, side: int) -> Point:
        turn = math.radians(angle)
        return start[0] + side * math.sin(turn) * length * head, start[1] + math.cos(turn) * length * head

    points: dict[str, Point] = {"neck": (x, top + 1.14 * head), "nose": (x, top + 0.6 * head)}
    for name, side, upper, lower in (("right", -1, bend[0], bend[1]), ("left", 1, bend[2], bend[3])):
        shoulder = (x + side * build.shoulder * head * 0.88, top + 1.24 * head)
        elbow = swing(shoulder, build.arm, upper, side)
        hip = (x + side * build.hip * 0.62 * head, top + build.hip_at * head)
        leg = (build.sole - 0.1 - build.hip_at) / 2
        stride = bend[4] * (1.0 if person.pose != "walking" or side == person.facing else 0.7)
        knee = swing(hip, leg, stride, side)
        points |= {
            f"{name} shoulder": shoulder,
            f"{name} elbow": elbow,
            f"{name} wrist": swing(elbow, build.arm * 0.94, lower, side),
            f"{name} hip": hip,
            f"{name} knee": knee,
            f"{name} ankle": swing(knee, leg, stride * 0.6, side),
            f"{name} eye": (x + side * 0.17 * head, top + 0.54 * head),
            f"{name} ear": (x + side * 0.42 * head, top + 0.58 * head),
        }
    return tuple(points[name] for name in KEY_POINTS)


def paint_person(p: Painter, person: Person, owner: int, scene: Scene) -> None:
    """A whole figure; what lies outside the picture is simply cut off."""
    points = dict(zip(KEY_POINTS, skeleton(person, p.width, p.height), strict=True))
    head = person.head * p.height
    x, top = person.x * p.width, person.crown * p.height
    build, skin = BUILDS[person.kind], SKIN[person.skin]
    sole = top + build.sole * head
    with p.item(0, 0.3):
        p.oval((x, sole), 0.62 * head, 0.11 * head, (40, 30, 70, 70), raw=True)
    with p.item(owner, 0.25):
        paint_hair_back(p, person, (x, top), head)
        paint_legs(p, person, points, head)
        paint_torso(p, person, points, (x, top), head)
        p.box((x - 0.13 * head, top + 0.9 * head), (0.26 * head, 0.3 * head), darker(skin, 0.12), radius=0.1 * head)
        if person.kind == "boy":
            paint_neckerchief(p, (x, top), head)
        paint_head(p, person, (x, top), head)
        paint_arms(p, person, points, head)


def paint_legs(p: Painter, person: Person, points: Mapping[str, Point], head: float) -> None:
    """Trousers or bare legs, and shoes."""
    build, skin = BUILDS[person.kind], SKIN[person.skin]
    bare = person.top == "dress" or person.bottom == "skirt"
    cloth = skin if bare else COLOURS[person.bottom_colour]
    for side in ("right", "left"):
        joints = [points[f"{side} {name}"] for name in ("hip", "knee", "ankle")]
        p.line(joints, (0.2 if bare else build.limb * 1.22) * head, cloth)
        ankle, out = joints[2], -1 if side == "right" else 1
        p.oval(
            (ankle[0] + out * 0.06 * head, ankle[1] + 0.05 * head),
            0.19 * head,
            0.105 * head,
            (92, 66, 62) if person.bottom_colour != "brown" else (60, 52, 60),
        )
        p.box(
            (ankle[0] + out * 0.06 * head - 0.19 * head, ankle[1] + 0.1 * head),
            (0.38 * head, 0.05 * head),
            (240, 234, 224),
            radius=0.02 * head,
        )
        if person.bottom == "jeans" and not bare:
            p.line(
                ((ankle[0] - 0.13 * head, ankle[1] - 0.05 * head), (ankle[0] + 0.13 * head, ankle[1] - 0.05 * head)),
                0.05 * head,
                lighter(cloth, 0.3),
            )
    if not bare:
        p.box(
            (points["right hip"][0] - 0.15 * head, points["right hip"][1] - 0.2 * head),
            (points["left hip"][0] - points["right hip"][0] + 0.3 * head, 0.32 * head),
            cloth,
            radius=0.08 * head,
        )


def paint_torso(p: Painter, person: Person, points: Mapping[str, Point], crown: Point, head: float) -> None:
    """Jacket over a shirt, sweater, or dress; and the skirt."""
    build, cloth, (x, top) = BUILDS[person.kind], COLOURS[person.top_colour], crown
    shoulder, waist = top + 1.12 * head, top + (build.hip_at - 0.02) * head
    half, hip = build.shoulder * head, build.hip * head * 1.16

    def trunk(inset: float, low: float, flare: float) -> list[Point]:
        return [
            (x - half * 0.55 + inset, shoulder),
            (x + half * 0.55 - inset, shoulder),
            (x + half - inset, shoulder + 0.22 * head),
            (x + hip + flare - inset, low),
            (x - hip - flare + inset, low),
            (x - half + inset, shoulder + 0.22 * head),
        ]

    if person.bottom == "skirt" and person.top != "dress":
        p.poly(
            [
                (x - hip * 0.95, waist - 0.15 * head),
                (x + hip * 0.95, waist - 0.15 * head),
                (x + hip * 1.7, waist + 0.62 * head),
                (x - hip * 1.7, waist + 0.62 * head),
            ],
            COLOURS[person.bottom_colour],
        )
    if person.top == "dress":
        p.poly(trunk(0.0, waist - 0.3 * head, -0.06 * head), cloth)
        p.poly(
            [
                (x - hip * 0.9, waist - 0.32 * head),
                (x + hip * 0.9, waist - 0.32 * head),
                (x + hip * 2.0, waist + 0.72 * head),
                (x - hip * 2.0, waist + 0.72 * head),
            ],
            cloth,
        )
        p.box((x - hip * 0.95, waist - 0.36 * head), (hip * 1.9, 0.1 * head), darker(cloth, 0.25))
        p.oval((x, shoulder + 0.02 * head), 0.2 * head, 0.12 * head, CREAM)
        return
    p.poly(trunk(0.0, waist + 0.06 * head, 0.0), cloth)
    if person.top == "jacket":
        shirt = (252, 248, 240) if person.top_colour not in ("white", "grey", "yellow") else (96, 126, 172)
        p.poly(
            [
                (x - 0.17 * head, shoulder),
                (x + 0.17 * head, shoulder),
                (x + 0.13 * head, waist + 0.06 * head),
                (x - 0.13 * head, waist + 0.06 * head),
            ],
            shirt,
        )
        for side in (-1, 1):
            p.poly(
                [
                    (x + side * 0.15 * head, shoulder),
                    (x + side * 0.4 * head, shoulder + 0.02 * head),
                    (x + side * 0.3 * head, shoulder + 0.34 * head),
                    (x + side * 0.13 * head, shoulder + 0.5 * head),
                ],
                lighter(cloth, 0.22) if sum(cloth) < 560 else darker(cloth, 0.14),
            )
            p.line(
                [(x + side * 0.26 * head, waist - 0.3 * head), (x + side * 0.42 * head, waist - 0.32 * head)],
                0.04 * head,
                darker(cloth, 0.3),
            )
    else:
        p.oval(
            (x, shoulder + 0.04 * head), 0.24 * head, 0.13 * head, lighter(cloth, 0.3) if sum(cloth) < 560 else darker(cloth, 0.14)
        )
        p.box((x - hip, waist - 0.06 * head), (hip * 2, 0.13 * head), darker(cloth, 0.16), radius=0.03 * head)


def paint_neckerchief(p: Painter, crown: Point, head: float) -> None:
    """A scout's, yellow: what makes a boy of a small man."""
    x, top = crown
    tone: Colour = (248, 200, 62)
    p.box((x - 0.32 * head, top + 1.03 * head), (0.64 * head, 0.17 * head), tone, radius=0.08 * head)
    p.poly(((x - 0.26 * head, top + 1.16 * head), (x + 0.26 * head, top + 1.16 * head), (x, top + 1.52 * head)), tone)
    p.disc((x, top + 1.2 * head), 0.07 * head, darker(tone, 0.3))


def paint_arms(p: Painter, person: Person, points: Mapping[str, Point], head: float) -> None:
    """Sleeves, cuffs and hands."""
    build, skin, cloth = BUILDS[person.kind], SKIN[person.skin], COLOURS[person.top_colour]
    sleeve = darker(cloth, 0.1) if sum(cloth) > 200 else lighter(cloth, 0.1)
    for side in ("right", "left"):
        joints = [points[f"{side} {name}"] for name in ("shoulder", "elbow", "wrist")]
        end = joints[2]
        reach = (end[0] - joints[1][0], end[1] - joints[1][1])
        p.disc((end[0] + reach[0] * 0.22, end[1] + reach[1] * 0.22), 0.125 * head, skin)
        if person.top == "dress":
            p.line(joints, build.limb * 0.76 * head, skin)
            p.line(
                (joints[0], ((joints[0][0] + joints[1][0]) / 2, (joints[0][1] + joints[1][1]) / 2)), build.limb * 1.1 * head, sleeve
            )
        else:
            p.line(joints, build.limb * head, sleeve)


CREAM: Colour = (255, 250, 238)
