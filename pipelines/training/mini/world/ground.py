"""What the ground is made of: the plain with its far band, rolling ridges, grass, little flowers."""

from __future__ import annotations

import math
from random import Random

from pipelines.training.mini.world.paint import Painter
from pipelines.training.mini.world.palette import Colour, lighter
from pipelines.training.mini.world.scene import Scene


def ridge(p: Painter, base: float, swing: tuple[float, float, float], colour: Colour) -> None:
    """A rolling hill line; swing is (amplitude in pixels, waves over the width, phase)."""
    rise, waves, phase = swing
    line = [(p.width * k / 24, base - rise * (0.5 + 0.5 * math.sin(phase + waves * 2 * math.pi * k / 24))) for k in range(25)]
    p.poly([*line, (p.width, p.height), (0, p.height)], colour)


def land(p: Painter, scene: Scene, colour: Colour) -> None:
    """The ground from the horizon to the lower edge, with a lighter far band."""
    edge = scene.horizon * p.height
    with p.item(0, 0.8, 0.05):
        p.box((0, edge), (p.width, p.height - edge), colour)
        p.box((0, edge), (p.width, p.unit * 0.03), lighter(colour, 0.18))


def tufts(p: Painter, scene: Scene, rng: Random, colour: Colour) -> None:
    """Short strokes of grass in the foreground."""
    edge, u = scene.horizon * p.height, p.unit
    for _ in range(9):
        x, y = rng.random() * p.width, edge + (0.1 + 0.88 * rng.random()) * (p.height - edge)
        for lean in (-0.012, 0.0, 0.012):
            p.line(((x, y), (x + lean * u, y - 0.024 * u)), 0.007 * u, colour)


def blossoms(p: Painter, scene: Scene, rng: Random) -> None:
    """Little flowers scattered on the grass."""
    edge, u = scene.horizon * p.height, p.unit
    for _ in range(8):
        at = (rng.random() * p.width, edge + (0.12 + 0.85 * rng.random()) * (p.height - edge))
        p.disc(at, 0.013 * u, rng.choice(((255, 255, 250), (250, 214, 90), (246, 150, 180))))
        p.disc(at, 0.005 * u, (240, 170, 60))
