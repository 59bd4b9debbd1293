"""The objects of the world: house, tree, car, cat, dog, boat, flower, bird, each in a named colour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pipelines.training.mini.world.paint import Painter, Point
from pipelines.training.mini.world.palette import COLOURS, Colour, Paint, darker, lighter, mix
from pipelines.training.mini.world.scene import Scene, Thing

INK: Colour = (46, 40, 54)
CREAM: Colour = (255, 250, 238)


@dataclass(frozen=True)
class Spot:
    """A local frame: the middle of the foot in pixels, one unit of size in pixels, and which way it faces."""

    p: Painter
    x: float
    y: float
    s: float
    facing: int = 1

    def at(self, dx: float, dy: float) -> Point:
        """Local (right, up) in units of size, to pixels; mirrored when facing left."""
        return self.x + dx * self.facing * self.s, self.y - dy * self.s

    def oval(self, centre: Point, rx: float, ry: float, colour: Paint) -> None:
        self.p.oval(self.at(*centre), rx * self.s, ry * self.s, colour)

    def poly(self, points: tuple[Point, ...], colour: Paint) -> None:
        self.p.poly([self.at(*q) for q in points], colour)

    def line(self, points: tuple[Point, ...], width: float, colour: Paint) -> None:
        self.p.line([self.at(*q) for q in points], width * self.s, colour)

    def box(self, middle: Point, size: Point, colour: Paint, radius: float = 0.0) -> None:
        x, y = self.at(*middle)
        w, h = size[0] * self.s, size[1] * self.s
        self.p.box((x - w / 2, y - h / 2), (w, h), colour, radius * self.s)


def paint_thing(p: Painter, thing: Thing, owner: int, scene: Scene) -> None:
    """A thing with its shadow on the ground."""
    spot = Spot(p, thing.x * p.width, thing.base * p.height, thing.size * p.unit, thing.facing)
    nearness = 0.5 - 0.4 * (thing.base - scene.horizon)
    with p.item(0, nearness):
        if thing.kind == "boat" and scene.place != "beach":
            p.oval((spot.x, spot.y), spot.s * 0.72, spot.s * 0.15, (74, 156, 206))
            p.oval((spot.x, spot.y), spot.s * 0.6, spot.s * 0.1, (104, 180, 220))
        else:
            p.oval((spot.x, spot.y), spot.s * _SHADOWS[thing.kind], spot.s * 0.05, (40, 30, 70, 70), raw=True)
    with p.item(owner, nearness):
        _PAINTERS[thing.kind](spot, COLOURS[thing.colour])


def house(q: Spot, colour: Colour) -> None:
    """Walls of the colour, a roof in a quiet contrast."""
    roof = (112, 88, 112) if colour in (COLOURS["red"], COLOURS["brown"], COLOURS["orange"]) else (190, 92, 80)
    q.box((0.24, 0.78), (0.1, 0.24), (150, 104, 92))
    q.box((0, 0.28), (0.72, 0.56), colour)
    q.box((0.3, 0.28), (0.12, 0.56), darker(colour, 0.12))
    q.poly(((-0.47, 0.53), (-0.26, 0.93), (0.26, 0.93), (0.47, 0.53)), roof)
    q.poly(((-0.47, 0.53), (-0.43, 0.6), (0.43, 0.6), (0.47, 0.53)), darker(roof, 0.2))
    q.box((0, 0.17), (0.17, 0.34), (124, 82, 62), 0.03)
    q.oval((0.05, 0.17), 0.015, 0.015, (248, 214, 110))
    for x in (-0.23, 0.23):
        q.box((x, 0.33), (0.17, 0.17), CREAM, 0.01)
        q.box((x, 0.33), (0.13, 0.13), (150, 208, 236))
        q.line(((x, 0.27), (x, 0.39)), 0.015, CREAM)
        q.line(((x - 0.06, 0.33), (x + 0.06, 0.33)), 0.015, CREAM)
    q.box((0, 0.76), (0.13, 0.13), CREAM, 0.06)
    q.box((0, 0.76), (0.09, 0.09), (150, 208, 236), 0.04)


def tree(q: Spot, colour: Colour) -> None:
    """A trunk and a crown of clouds."""
    q.poly(((-0.07, 0.0), (-0.04, 0.5), (0.04, 0.5), (0.07, 0.0)), (122, 82, 60))
    q.line(((0, 0.3), (0.14, 0.46)), 0.035, (122, 82, 60))
    shade, shine = darker(colour, 0.16), lighter(colour, 0.24)
    for x, y, r in ((-0.22, 0.5, 0.19), (0.22, 0.5, 0.19), (0.0, 0.52, 0.22)):
        q.oval((x, y), r, r, shade)
    for x, y, r in ((-0.2, 0.62, 0.19), (0.2, 0.62, 0.19), (0.0, 0.74, 0.23), (0.0, 0.58, 0.2)):
        q.oval((x, y), r, r, colour)
    for x, y, r in ((-0.12, 0.8, 0.07), (-0.25, 0.66, 0.05), (0.08, 0.64, 0.05)):
        q.oval((x, y), r, r * 0.8, shine)


def car(q: Spot, colour: Colour) -> None:
    """A round little car in side view."""
    glass, shade = (176, 222, 242), darker(colour, 0.2)
    q.poly(((-0.29, 0.28), (-0.2, 0.5), (0.13, 0.5), (0.29, 0.28)), colour)
    q.box((-0.035, 0.485), (0.33, 0.06), colour, 0.03)
    q.poly(((-0.23, 0.3), (-0.165, 0.45), (-0.045, 0.45), (-0.045, 0.3)), glass)
    q.poly(((0.0, 0.3), (0.0, 0.45), (0.1, 0.45), (0.215, 0.3)), glass)
    q.box((0, 0.2), (0.98, 0.22), colour, 0.09)
    q.box((0, 0.115), (0.94, 0.07), shade, 0.035)
    q.line(((-0.3, 0.275), (0.36, 0.275)), 0.018, lighter(colour, 0.45))
    q.line(((-0.022, 0.29), (-0.022, 0.13)), 0.01, shade)
    q.line(((0.03, 0.235), (0.08, 0.235)), 0.016, CREAM)
    q.oval((0.43, 0.225), 0.04, 0.045, (255, 236, 150))
    q.box((-0.465, 0.23), (0.04, 0.07), (236, 92, 70), 0.01)
    for x in (-0.27, 0.28):
        q.oval((x, 0.1), 0.125, 0.125, INK)
        q.oval((x, 0.1), 0.068, 0.068, (206, 210, 220))
        q.oval((x, 0.1), 0.025, 0.025, INK)


def _face_tone(colour: Colour) -> Colour:
    return (74, 70, 84) if sum(colour) < 200 else darker(colour, 0.12)


def cat(q: Spot, colour: Colour) -> None:
    """A sitting cat seen from the front, tail curled up at the side."""
    shade = _face_tone(colour)
    q.line(((0.2, 0.06), (0.38, 0.1), (0.43, 0.28), (0.34, 0.38)), 0.085, shade)
    q.oval((0, 0.22), 0.25, 0.24, colour)
    q.oval((0, 0.34), 0.18, 0.2, colour)
    q.oval((0, 0.22), 0.11, 0.16, lighter(colour, 0.35))
    for x in (-0.09, 0.09):
        q.oval((x, 0.035), 0.075, 0.04, lighter(colour, 0.2))
    for side in (-1, 1):
        q.poly(((side * 0.23, 0.66), (side * 0.235, 0.96), (side * 0.05, 0.82)), colour)
        q.poly(((side * 0.195, 0.72), (side * 0.2, 0.88), (side * 0.1, 0.8)), (244, 160, 160))
    q.oval((0, 0.64), 0.265, 0.215, colour)
    for side in (-1, 1):
        q.oval((side * 0.11, 0.67), 0.055, 0.065, (252, 226, 120) if sum(colour) < 560 else (120, 190, 120))
        q.oval((side * 0.11, 0.67), 0.028, 0.056, INK)
        q.oval((side * 0.11 + 0.014, 0.695), 0.013, 0.013, CREAM)
        for rise in (0.02, -0.02):
            q.line(
                ((side * 0.15, 0.565), (side * 0.33, 0.575 + rise * 1.6)),
                0.009,
                lighter(shade, 0.4) if sum(colour) < 200 else shade,
            )
    q.oval((0, 0.57), 0.075, 0.05, lighter(colour, 0.45))
    q.poly(((-0.03, 0.6), (0.03, 0.6), (0, 0.568)), (238, 120, 130))


def dog(q: Spot, colour: Colour) -> None:
    """A sitting dog seen from the front, with hanging ears, a muzzle and a red collar."""
    shade = _face_tone(colour) if sum(colour) < 200 else darker(colour, 0.3)
    q.line(((0.18, 0.12), (0.36, 0.22), (0.4, 0.33)), 0.075, colour)
    q.oval((0, 0.23), 0.24, 0.23, colour)
    q.box((0, 0.24), (0.3, 0.42), colour, 0.12)
    q.oval((0, 0.24), 0.1, 0.15, lighter(colour, 0.4))
    for x in (-0.12, 0.12):
        q.box((x, 0.1), (0.11, 0.18), colour, 0.05)
        q.oval((x, 0.03), 0.08, 0.04, lighter(colour, 0.25))
    q.oval((0, 0.68), 0.23, 0.22, colour)
    for side in (-1, 1):
        q.oval((side * 0.25, 0.64), 0.075, 0.19, shade)
    q.oval((0, 0.58), 0.145, 0.11, lighter(colour, 0.5))
    q.box((0, 0.455), (0.26, 0.05), (218, 66, 60), 0.025)
    q.oval((0, 0.42), 0.03, 0.03, (250, 208, 90))
    for side in (-1, 1):
        q.oval((side * 0.095, 0.73), 0.036, 0.042, CREAM if sum(colour) < 200 else INK)
        q.oval((side * 0.095 + 0.01, 0.742), 0.012, 0.012, INK if sum(colour) < 200 else CREAM)
    q.oval((0, 0.63), 0.05, 0.035, INK)
    q.box((0, 0.53), (0.07, 0.08), (240, 124, 130), 0.03)
    q.line(((-0.07, 0.57), (0, 0.555), (0.07, 0.57)), 0.014, INK)


def boat(q: Spot, colour: Colour) -> None:
    """A sailing boat on water."""
    q.line(((0.02, 0.1), (0.02, 0.95)), 0.028, (122, 86, 64))
    q.poly(((0.06, 0.93), (0.06, 0.32), (0.44, 0.32)), CREAM)
    q.poly(((-0.02, 0.84), (-0.02, 0.32), (-0.32, 0.32)), mix(CREAM, colour, 0.28))
    q.poly(((0.02, 1.0), (0.02, 0.92), (-0.12, 0.96)), colour)
    q.poly(((-0.5, 0.26), (0.52, 0.26), (0.36, 0.03), (-0.36, 0.03)), colour)
    q.poly(((-0.5, 0.26), (0.52, 0.26), (0.49, 0.21), (-0.475, 0.21)), lighter(colour, 0.4))
    for x in (-0.2, 0.0, 0.2):
        q.oval((x, 0.13), 0.032, 0.032, lighter(colour, 0.6))
    for x in (-0.3, 0.06, 0.36):
        q.line(((x - 0.12, 0.015), (x + 0.1, 0.015)), 0.022, (226, 244, 250))


def flower(q: Spot, colour: Colour) -> None:
    """A tall flower with six petals and two leaves."""
    green = (82, 158, 84)
    q.line(((0, 0), (0.02, 0.3), (0, 0.6)), 0.045, green)
    q.poly(((0.0, 0.12), (0.14, 0.3), (0.33, 0.32), (0.2, 0.14)), green)
    q.poly(((0.0, 0.2), (-0.14, 0.38), (-0.33, 0.4), (-0.2, 0.22)), lighter(green, 0.12))
    for x, y in ((0.0, 0.22), (0.19, 0.11), (0.19, -0.11), (0.0, -0.22), (-0.19, -0.11), (-0.19, 0.11)):
        q.oval((x, 0.68 + y), 0.125, 0.125, colour)
        q.oval((x * 1.1, 0.68 + y * 1.1), 0.06, 0.06, lighter(colour, 0.2))
    q.oval((0, 0.68), 0.125, 0.125, (250, 202, 70) if colour != COLOURS["yellow"] else (176, 112, 58))
    q.oval((-0.03, 0.71), 0.04, 0.04, (255, 228, 130) if colour != COLOURS["yellow"] else (206, 144, 84))


def bird(q: Spot, colour: Colour) -> None:
    """A plump bird in side view."""
    for x in (-0.05, 0.08):
        q.line(((x, 0.16), (x, 0.01), (x + 0.06, 0.01)), 0.024, (232, 148, 60))
    q.poly(((-0.28, 0.42), (-0.56, 0.58), (-0.52, 0.4), (-0.3, 0.28)), darker(colour, 0.2))
    q.oval((-0.02, 0.4), 0.33, 0.27, colour)
    q.oval((0.22, 0.64), 0.2, 0.19, colour)
    q.oval((0.08, 0.33), 0.2, 0.17, lighter(colour, 0.5))
    q.poly(((0.39, 0.7), (0.56, 0.63), (0.39, 0.58)), (246, 168, 60))
    q.oval((-0.13, 0.42), 0.2, 0.14, darker(colour, 0.24) if sum(colour) > 200 else (84, 80, 94))
    q.oval((0.27, 0.68), 0.042, 0.046, CREAM)
    q.oval((0.28, 0.68), 0.026, 0.032, INK)


_SHADOWS: Mapping[str, float] = MappingProxyType(
    {"house": 0.46, "tree": 0.28, "car": 0.5, "cat": 0.34, "dog": 0.32, "boat": 0.4, "flower": 0.12, "bird": 0.26}
)
_PAINTERS: Mapping[str, Callable[[Spot, Colour], None]] = MappingProxyType(
    {"house": house, "tree": tree, "car": car, "cat": cat, "dog": dog, "boat": boat, "flower": flower, "bird": bird}
)
