"""The places of the world: sky, backdrop and ground, painted back to front behind the subjects."""

from __future__ import annotations

from random import Random

from pipelines.training.mini.world.ground import blossoms, land, ridge, tufts
from pipelines.training.mini.world.paint import Painter
from pipelines.training.mini.world.palette import LIGHTS, Colour, darker, mix
from pipelines.training.mini.world.plants import cactus, fir, palm
from pipelines.training.mini.world.scene import Scene
from pipelines.training.mini.world.town import paint_park, paint_room, paint_street


def paint_place(p: Painter, scene: Scene) -> None:
    """Everything behind the subjects."""
    rng = Random(scene.layout * 7919 + hash_of(scene.place))
    p.light = LIGHTS[scene.time].scenery
    if scene.place == "room":
        paint_room(p, scene, rng)
        return
    paint_sky(p, scene, rng)
    {
        "meadow": meadow,
        "beach": beach,
        "street": paint_street,
        "desert": desert,
        "snow": snow,
        "mountains": mountains,
        "park": paint_park,
    }[scene.place](p, scene, rng)


def hash_of(word: str) -> int:
    """A number for a word that is the same in every process (Python's own hash is salted)."""
    return sum(ord(c) * 31**k for k, c in enumerate(word)) % 1_000_003


def paint_sky(p: Painter, scene: Scene, rng: Random) -> None:
    """Gradient, sun or moon, stars, clouds."""
    light, w, u = LIGHTS[scene.time], p.width, p.unit
    edge = scene.horizon * p.height
    with p.item(0, 1.0):
        p.sky(edge + u * 0.08, light.sky)
        side = rng.choice((0.2, 0.8))
        if scene.time == "night":
            for _ in range(26):
                p.disc(
                    (rng.random() * w, rng.random() * edge * 0.9),
                    rng.choice((0.003, 0.0045, 0.006)) * u,
                    (255, 250, 220, 220),
                    raw=True,
                )
            centre = (side * w, edge * 0.3)
            p.disc(centre, 0.1 * u, (250, 246, 214, 36), raw=True)
            p.disc(centre, 0.068 * u, light.disc, raw=True)
            p.disc((centre[0] + 0.02 * u, centre[1] - 0.015 * u), 0.012 * u, (232, 226, 190), raw=True)
            p.disc((centre[0] - 0.025 * u, centre[1] + 0.02 * u), 0.016 * u, (232, 226, 190), raw=True)
        else:
            height = {"morning": 0.62, "day": 0.3, "sunset": 0.84}[scene.time]
            radius = {"morning": 0.06, "day": 0.06, "sunset": 0.1}[scene.time] * u
            for share, alpha in ((1.9, 40), (1.45, 60)):
                p.disc((side * w, edge * height), radius * share, (*light.disc, alpha), raw=True)
            p.disc((side * w, edge * height), radius, light.disc, raw=True)
        tone = {"night": (58, 66, 116), "sunset": (255, 178, 150)}.get(scene.time, (255, 255, 255))
        for k in range(rng.choice((1, 2, 2))):
            cloud(
                p,
                ((1 - side + rng.uniform(-0.12, 0.12) + k * (side - 0.5)) * w, edge * (0.22 + 0.2 * k)),
                u * rng.uniform(0.07, 0.1),
                tone,
            )


def cloud(p: Painter, at: tuple[float, float], size: float, tone: Colour) -> None:
    """Three puffs on a flat bottom."""
    x, y = at
    p.disc((x - size * 0.9, y), size * 0.5, tone, raw=True)
    p.disc((x, y - size * 0.25), size * 0.75, tone, raw=True)
    p.disc((x + size * 0.9, y), size * 0.55, tone, raw=True)
    p.box((x - size * 1.35, y), (size * 2.75, size * 0.5), tone, radius=size * 0.25, raw=True)


def meadow(p: Painter, scene: Scene, rng: Random) -> None:
    """Rolling green hills with flowers."""
    edge, u = scene.horizon * p.height, p.unit
    with p.item(0, 0.92):
        ridge(p, edge + 0.04 * u, (0.16 * u, rng.uniform(0.8, 1.3), rng.random() * 6.3), (128, 188, 124))
    with p.item(0, 0.85):
        ridge(p, edge + 0.06 * u, (0.09 * u, rng.uniform(0.8, 1.4), rng.random() * 6.3), (104, 176, 98))
    land(p, scene, (118, 192, 92))
    with p.item(0, 0.6, 0.05):
        p.oval((p.width * rng.choice((0.15, 0.85)), p.height * 1.02), 0.8 * p.width, 0.2 * p.height, (100, 178, 82))
        tufts(p, scene, rng, (72, 148, 70))
        blossoms(p, scene, rng)


def beach(p: Painter, scene: Scene, rng: Random) -> None:
    """Sea to the horizon, foam, sand, a palm."""
    edge, w, h, u = scene.horizon * p.height, p.width, p.height, p.unit
    with p.item(0, 0.95, 0.6):
        p.box((0, edge), (w, h - edge), (42, 132, 190))
        p.box((0, edge), (w, 0.02 * u), (86, 166, 208))
        for _ in range(5):
            x, y = rng.random() * w, edge + rng.uniform(0.03, 0.1) * h
            p.box((x, y), (rng.uniform(0.08, 0.16) * u, 0.009 * u), (122, 194, 222), radius=0.004 * u)
    shore = edge + 0.14 * h
    with p.item(0, 0.55, 0.05):
        for drop, tone in ((0.0, (250, 250, 245)), (0.022 * u, (218, 184, 132)), (0.045 * u, (244, 216, 160))):
            ridge(p, shore + drop + 0.02 * u, (0.03 * u, 1.5, 1.0), tone)
        for _ in range(6):
            p.oval((rng.random() * w, rng.uniform(0.8, 0.98) * h), 0.012 * u, 0.007 * u, (222, 188, 134))
    side = rng.choice((0.08, 0.92))
    with p.item(0, 0.5):
        palm(p, (side * w, shore + 0.1 * h), 0.42 * u, 1 if side < 0.5 else -1)


def desert(p: Painter, scene: Scene, rng: Random) -> None:
    """Mesas, dunes, cacti."""
    edge, w, u = scene.horizon * p.height, p.width, p.unit
    with p.item(0, 0.92):
        at = rng.choice((0.05, 0.55)) * w
        p.poly(
            (
                (at, edge + 0.02 * u),
                (at + 0.05 * w, edge - 0.15 * u),
                (at + 0.3 * w, edge - 0.15 * u),
                (at + 0.38 * w, edge + 0.02 * u),
            ),
            (206, 124, 84),
        )
        p.box((at + 0.05 * w, edge - 0.15 * u), (0.25 * w, 0.025 * u), (222, 148, 100))
    with p.item(0, 0.85):
        ridge(p, edge + 0.05 * u, (0.08 * u, 1.1, rng.random() * 6.3), (232, 178, 108))
    land(p, scene, (240, 194, 124))
    with p.item(0, 0.6, 0.05):
        ridge(p, p.height * 0.86, (0.08 * u, 0.7, rng.random() * 6.3), (228, 174, 102))
    with p.item(0, 0.55):
        for x in (0.09, 0.93):
            cactus(p, (x * w, edge + rng.uniform(0.1, 0.2) * p.height), rng.uniform(0.2, 0.28) * u)


def snow(p: Painter, scene: Scene, rng: Random) -> None:
    """White hills, firs, flakes."""
    edge, w, h, u = scene.horizon * p.height, p.width, p.height, p.unit
    with p.item(0, 0.9):
        ridge(p, edge + 0.04 * u, (0.13 * u, 1.0, rng.random() * 6.3), (204, 220, 238))
    land(p, scene, (238, 244, 252))
    with p.item(0, 0.7):
        for x in (0.1, 0.24, 0.9):
            fir(p, (x * w, edge + rng.uniform(0.03, 0.1) * h), rng.uniform(0.24, 0.34) * u, True)
    with p.item(0, 0.6, 0.05):
        p.oval((w * rng.choice((0.2, 0.8)), h * 1.03), 0.75 * w, 0.18 * h, (224, 234, 248))
    with p.item(0, 0.5):
        for _ in range(22):
            p.disc((rng.random() * w, rng.random() * h * 0.75), rng.choice((0.006, 0.008, 0.01)) * u, (255, 255, 255, 225))


def mountains(p: Painter, scene: Scene, rng: Random) -> None:
    """Snow-capped peaks behind a meadow or a snow field."""
    edge, w, u = scene.horizon * p.height, p.width, p.unit
    haze = LIGHTS[scene.time].sky[1]
    with p.item(0, 0.95):
        for x, rise, wide, far in (
            (0.2, 0.34, 0.36, 0.35),
            (0.8, 0.32, 0.36, 0.35),
            (0.5 + rng.uniform(-0.1, 0.1), 0.44, 0.42, 0.0),
        ):
            rise, wide = (rise + rng.uniform(-0.03, 0.03)) * u, wide * w
            rock = mix((112, 124, 158), haze, far * 0.5)
            peak, foot = (x * w, edge - rise), edge + 0.05 * u
            p.poly(((x * w - wide, foot), peak, (x * w + wide, foot)), rock)
            p.poly((peak, (x * w + wide, foot), (x * w + wide * 0.25, foot)), darker(rock, 0.18))
            cap = 0.42
            left, right = (
                (x * w - wide * cap, edge - rise * (1 - cap) + cap * 0.05 * u),
                (x * w + wide * cap, edge - rise * (1 - cap) + cap * 0.05 * u),
            )
            p.poly(
                (
                    left,
                    peak,
                    right,
                    (x * w + wide * 0.2, left[1] - rise * 0.09),
                    (x * w + wide * 0.05, left[1] + rise * 0.05),
                    (x * w - wide * 0.18, left[1] - rise * 0.09),
                ),
                (248, 250, 255),
            )
    white = scene.ground == "snow"
    with p.item(0, 0.85):
        ridge(p, edge + 0.05 * u, (0.05 * u, 1.3, rng.random() * 6.3), (214, 226, 242) if white else (96, 164, 96))
    land(p, scene, (238, 244, 252) if white else (118, 190, 90))
    with p.item(0, 0.7):
        for x in (0.07, 0.19, 0.94):
            fir(p, (x * w, edge + rng.uniform(0.03, 0.08) * p.height), rng.uniform(0.15, 0.2) * u, white)
    if not white:
        with p.item(0, 0.6, 0.05):
            tufts(p, scene, rng, (72, 148, 70))
            blossoms(p, scene, rng)
