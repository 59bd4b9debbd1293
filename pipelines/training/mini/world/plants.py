"""The plants that stand in the scenery: palm, cactus, fir."""

from pipelines.training.mini.world.paint import Painter
from pipelines.training.mini.world.palette import darker, lighter


def palm(p: Painter, foot: tuple[float, float], size: float, lean: int) -> None:
    """A palm tree that leans into the picture."""
    x, y = foot
    top = (x + lean * size * 0.18, y - size)
    p.line(((x, y), (x + lean * size * 0.05, y - size * 0.5), top), size * 0.09, (150, 104, 70))
    for dx, dy in ((-0.42, 0.02), (-0.32, 0.2), (0.42, 0.02), (0.32, 0.2), (-0.2, -0.2), (0.2, -0.2)):
        tip = (top[0] + dx * size, top[1] + dy * size)
        bend = (top[0] + dx * size * 0.5, top[1] + dy * size * 0.5 - size * 0.13)
        p.poly((top, bend, tip, (bend[0], bend[1] + size * 0.11)), (62, 148, 86))


def cactus(p: Painter, foot: tuple[float, float], size: float) -> None:
    """A saguaro with two arms."""
    x, y = foot
    tone, wide = (86, 150, 92), size * 0.2
    p.line(((x, y), (x, y - size)), wide, tone)
    p.line(((x, y - size * 0.35), (x - size * 0.3, y - size * 0.4), (x - size * 0.3, y - size * 0.68)), wide * 0.7, tone)
    p.line(((x, y - size * 0.45), (x + size * 0.28, y - size * 0.5), (x + size * 0.28, y - size * 0.78)), wide * 0.7, tone)
    p.line(((x - wide * 0.15, y - size * 0.1), (x - wide * 0.15, y - size * 0.9)), wide * 0.12, lighter(tone, 0.3))


def fir(p: Painter, foot: tuple[float, float], size: float, snowy: bool) -> None:
    """A fir of three tiers, with snow on each when `snowy`."""
    x, y = foot
    p.box((x - size * 0.05, y - size * 0.15), (size * 0.1, size * 0.15), (112, 78, 60))
    for k, (wide, low) in enumerate(((0.36, 0.12), (0.29, 0.38), (0.21, 0.62))):
        bottom, top = y - size * low, y - size * (low + 0.4)
        p.poly(((x - size * wide, bottom), (x, top), (x + size * wide, bottom)), darker((66, 138, 104), 0.1 * (2 - k)))
        if snowy:
            p.poly(
                (
                    (x - size * wide * 0.5, bottom - size * 0.2),
                    (x, top),
                    (x + size * wide * 0.5, bottom - size * 0.2),
                    (x, bottom - size * 0.14),
                ),
                (246, 250, 255),
            )
