"""The places made by people: the neon street, the park and the room."""

from __future__ import annotations

from random import Random

from pipelines.training.mini.world.ground import land
from pipelines.training.mini.world.paint import Painter
from pipelines.training.mini.world.palette import LIGHTS, NEON, Colour, darker, lighter, mix
from pipelines.training.mini.world.scene import Scene


def paint_street(p: Painter, scene: Scene, rng: Random) -> None:
    """A city street: skyline, two rows of houses with neon signs, road with a centre line."""
    edge, w, h, u = scene.horizon * p.height, p.width, p.height, p.unit
    dark = scene.time in ("night", "sunset")
    with p.item(0, 0.95):
        for k in range(6):
            tall = rng.uniform(0.14, 0.3) * u
            p.box(
                ((0.2 + k * 0.1) * w, edge - tall),
                (0.105 * w, tall + 0.05 * u),
                mix((142, 152, 186), LIGHTS[scene.time].sky[1], 0.3),
            )
            if dark:
                for row in range(3):
                    p.box(
                        ((0.225 + k * 0.1) * w, edge - tall + (0.03 + row * 0.05) * u),
                        (0.018 * u, 0.02 * u),
                        (255, 216, 130),
                        raw=True,
                    )
    with p.item(0, 0.85, 0.05):
        p.box((0, edge), (w, h - edge), (124, 126, 148))
        p.poly(((0.42 * w, edge), (0.58 * w, edge), (0.98 * w, h), (0.02 * w, h)), (86, 88, 108))
        for near, far in ((0.05, 0.18), (0.3, 0.5), (0.66, 1.0)):
            y0, y1 = edge + near * (h - edge), edge + far * (h - edge)
            p.poly(
                (
                    (w * 0.5 - near * 0.02 * w, y0),
                    (w * 0.5 + near * 0.02 * w, y0),
                    (w * 0.5 + far * 0.02 * w, y1),
                    (w * 0.5 - far * 0.02 * w, y1),
                ),
                (230, 224, 206),
            )
    walls: tuple[Colour, ...] = ((170, 120, 124), (122, 134, 170), (178, 148, 122), (126, 110, 150))
    for side in (0, 1):
        tones = rng.sample(range(len(NEON)), 3)
        for k, (inner, top, depth) in enumerate(((0.36, 0.3, 0.8), (0.27, 0.12, 0.7), (0.15, -0.02, 0.6))):
            with p.item(0, depth):
                x0, x1 = (0.0, inner * w) if side == 0 else ((1 - inner) * w, float(w))
                foot = edge + (0.03 + 0.05 * k) * h
                wall = walls[(k + 2 * side + scene.layout) % 4]
                p.box((x0, top * h), (x1 - x0, foot - top * h), wall)
                strip = (inner - (0.27, 0.15, 0.0)[k]) * w
                left = x1 - strip if side == 0 else x0
                windows(p, (left, top * h + 0.03 * u), (strip, foot - top * h - 0.08 * u), dark)
                sign(
                    p,
                    (left + strip * (0.62 if side == 0 else 0.08), (top + 0.1 + 0.03 * k) * h),
                    (strip * 0.32, 0.2 * h),
                    NEON[tones[k]],
                    dark,
                )
    if dark:
        with p.item(0, 0.4, 0.05):
            for x, tone in ((0.3, 0), (0.7, 1), (0.5, 3)):
                p.oval((x * w, h * 0.9), 0.12 * w, 0.025 * h, (*NEON[tone], 60), raw=True)


def windows(p: Painter, corner: tuple[float, float], size: tuple[float, float], bright: bool) -> None:
    """Rows of windows on a house front, lit in the evening."""
    columns, rows = 2, max(2, round(size[1] / (0.1 * p.unit)))
    wide, tall = size[0] / columns, size[1] / rows
    for r in range(rows):
        for c in range(columns):
            on = bright and (r * 3 + c * 2) % 4 != 1
            p.box(
                (corner[0] + (c + 0.25) * wide, corner[1] + (r + 0.2) * tall),
                (wide * 0.5, tall * 0.55),
                (255, 214, 128) if on else (110, 140, 178),
                raw=on,
            )


def sign(p: Painter, corner: tuple[float, float], size: tuple[float, float], tone: Colour, glow: bool) -> None:
    """A vertical shop sign with strokes that look like letters; it glows in the evening."""
    (x, y), (w, h) = corner, size
    if glow:
        p.box((x - w * 0.35, y - w * 0.35), (w * 1.7, h + w * 0.7), (*tone, 70), radius=w * 0.4, raw=True)
    p.box((x, y), (w, h), tone if glow else mix(tone, (150, 140, 150), 0.25), radius=w * 0.2, raw=glow)
    ink = (255, 250, 240) if glow else (250, 244, 236)
    for k in range(3):
        top = y + h * (0.1 + 0.3 * k)
        p.line(((x + w * 0.22, top + h * 0.05), (x + w * 0.78, top + h * 0.05)), w * 0.13, ink, raw=glow)
        p.line(((x + w * 0.5, top), (x + w * 0.5, top + h * 0.18)), w * 0.13, ink, raw=glow)
        if k != 1:
            p.line(((x + w * 0.25, top + h * 0.17), (x + w * 0.75, top + h * 0.17)), w * 0.13, ink, raw=glow)


def paint_park(p: Painter, scene: Scene, rng: Random) -> None:
    """Round trees, a path, a lamp and a bench."""
    edge, w, h, u = scene.horizon * p.height, p.width, p.height, p.unit
    with p.item(0, 0.9):
        for k in range(8):
            p.disc(((k + 0.3 + 0.3 * rng.random()) * w / 7.5, edge - 0.02 * u), rng.uniform(0.09, 0.13) * u, (92, 158, 104))
    land(p, scene, (132, 198, 106))
    with p.item(0, 0.75, 0.05):
        p.poly(((0.47 * w, edge), (0.53 * w, edge), (0.82 * w, h), (0.18 * w, h)), (236, 214, 172))
    with p.item(0, 0.6):
        for x in (0.07, 0.93):
            foot, size = edge + rng.uniform(0.08, 0.14) * h, rng.uniform(0.13, 0.16) * u
            p.box((x * w - 0.015 * u, foot - 0.22 * u), (0.03 * u, 0.22 * u), (124, 88, 66))
            p.blob((x * w, foot - 0.27 * u), size, (84, 160, 88))
            p.disc((x * w - size * 0.3, foot - 0.27 * u - size * 0.3), size * 0.35, (116, 184, 104))
        lamp = rng.choice((0.24, 0.76)) * w
        p.line(((lamp, edge + 0.1 * h), (lamp, edge - 0.14 * h)), 0.014 * u, (74, 80, 92))
        if scene.time in ("night", "sunset"):
            p.disc((lamp, edge - 0.16 * h), 0.07 * u, (255, 230, 150, 70), raw=True)
        p.disc((lamp, edge - 0.16 * h), 0.026 * u, (255, 240, 190), raw=scene.time in ("night", "sunset"))


def paint_room(p: Painter, scene: Scene, rng: Random) -> None:
    """A wall with a window on the time of day, a picture, a shelf, a floor with a rug."""
    edge, w, h, u = 0.68 * p.height, p.width, p.height, p.unit
    paper = ((246, 226, 196), (206, 226, 222), (236, 208, 206), (218, 214, 236))[scene.layout % 4]
    light = LIGHTS[scene.time]
    warm = tuple(min(1.0, f * 0.6 + 0.42) for f in light.scenery)
    p.light = warm  # type: ignore[assignment]
    with p.item(0, 0.9):
        p.box((0, 0), (w, edge), paper)
        for k in range(8):
            p.box(((k + 0.25) * w / 8, 0), (w / 16, edge), lighter(paper, 0.16))
        p.box((0, edge - 0.03 * u), (w, 0.03 * u), (250, 244, 232))
        x = 0.1 * w if scene.layout % 2 else 0.62 * w
        paint_window(p, scene, (x, 0.1 * h), (0.28 * w, 0.34 * h))
        x = 0.66 * w if scene.layout % 2 else 0.12 * w
        p.box((x, 0.14 * h), (0.2 * w, 0.17 * h), (150, 104, 74), radius=0.01 * u)
        p.box((x + 0.02 * w, 0.16 * h), (0.16 * w, 0.13 * h), (170, 214, 226))
        p.poly(((x + 0.02 * w, 0.29 * h), (x + 0.08 * w, 0.2 * h), (x + 0.18 * w, 0.29 * h)), (120, 170, 120))
        p.box((x - 0.02 * w, 0.44 * h), (0.26 * w, 0.022 * h), (150, 104, 74))
        for k in range(5):
            tall = rng.uniform(0.07, 0.1) * h
            p.box(
                (x + (0.005 + 0.035 * k) * w, 0.44 * h - tall),
                (0.03 * w, tall),
                ((206, 92, 84), (92, 140, 190), (236, 188, 92), (110, 168, 120), (158, 118, 176))[k],
            )
    with p.item(0, 0.7, 0.05):
        p.box((0, edge), (w, h - edge), (196, 146, 104))
        for k in range(1, 4):
            p.line(((0, edge + (h - edge) * k / 4), (w, edge + (h - edge) * k / 4)), 0.006 * u, darker((196, 146, 104), 0.14))
        p.oval((w * 0.5, edge + (h - edge) * 0.62), 0.42 * w, 0.1 * h, (228, 120, 110))
        p.oval((w * 0.5, edge + (h - edge) * 0.62), 0.36 * w, 0.08 * h, (246, 208, 170))


def paint_window(p: Painter, scene: Scene, corner: tuple[float, float], size: tuple[float, float]) -> None:
    """A window that shows the sky of the hour."""
    (x, y), (w, h), light = corner, size, LIGHTS[scene.time]
    frame = p.unit * 0.022
    p.box((x - frame, y - frame), (w + 2 * frame, h + 2 * frame), (252, 248, 238))
    p.sky(y + h, light.sky, x, y, x + w)
    if scene.time == "night":
        for k in range(5):
            p.disc((x + w * (0.15 + 0.18 * k), y + h * (0.7 - 0.3 * ((k * 2) % 3) / 2)), p.unit * 0.005, (255, 250, 220), raw=True)
    p.disc((x + w * 0.7, y + h * (0.3 if scene.time != "sunset" else 0.7)), w * 0.14, light.disc, raw=True)
    p.box((x + w / 2 - frame * 0.3, y), (frame * 0.6, h), (252, 248, 238))
    p.box((x, y + h / 2 - frame * 0.3), (w, frame * 0.6), (252, 248, 238))
    p.box((x - frame * 1.6, y + h + frame * 0.6), (w + frame * 3.2, frame * 1.1), (238, 228, 210))
