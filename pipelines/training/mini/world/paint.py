"""The painter: records every shape of a picture with its depth and owner, and rasterises the record with antialiasing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw

from pipelines.training.mini.world.palette import Colour, Paint, lit

Point = tuple[float, float]
SUPERSAMPLING = 2


@dataclass(frozen=True)
class Shape:
    """One stroke of the brush: geometry in pixels of the finished picture, paint, depth (0 near .. 1 far) and owner."""

    kind: str  # "poly" | "oval" | "line" | "box" | "arc" | "sky"
    points: tuple[Point, ...]
    paint: Paint
    width: float = 0.0  # line width, or corner radius of a box, in pixels
    owner: int = 0  # 0 is scenery, n is the n-th subject
    depth: float = 1.0  # at the shape's upper edge
    near: float | None = None  # depth at its lower edge where the shape lies on the ground
    stops: tuple[Colour, ...] = ()  # gradient of a "sky"
    angles: tuple[float, float] = (0.0, 0.0)


@dataclass
class Painter:
    """Collects shapes in painting order (back to front). Coordinates are pixels; `unit` is the shorter side."""

    width: int
    height: int
    light: tuple[float, float, float] = (1.0, 1.0, 1.0)
    shapes: list[Shape] = field(default_factory=list)
    owner: int = 0
    depth: float = 1.0
    near: float | None = None

    @property
    def unit(self) -> float:
        """Length of the shorter side in pixels; sizes of the world are fractions of it."""
        return float(min(self.width, self.height))

    @contextmanager
    def item(self, owner: int, depth: float, near: float | None = None) -> Iterator[None]:
        """Everything painted inside belongs to `owner` and stands at `depth` (ramping to `near` at its foot)."""
        before = self.owner, self.depth, self.near
        self.owner, self.depth, self.near = owner, depth, near
        yield
        self.owner, self.depth, self.near = before

    def _add(self, kind: str, points: Sequence[Point], colour: Paint, width: float = 0.0, **more: object) -> None:
        raw = bool(more.pop("raw", False))
        shade = colour if raw else (*lit(colour[:3], self.light), *colour[3:])
        self.shapes.append(Shape(kind, tuple(points), shade, width, self.owner, self.depth, self.near, **more))  # type: ignore[arg-type]

    def sky(
        self, bottom: float, stops: tuple[Colour, ...], left: float = 0.0, top: float = 0.0, right: float | None = None
    ) -> None:
        """A vertical gradient of the stops from `top` to `bottom`."""
        right = float(self.width) if right is None else right
        self._add("sky", ((left, top), (right, bottom)), stops[0], raw=True, stops=stops)

    def poly(self, points: Sequence[Point], colour: Paint, raw: bool = False) -> None:
        """A filled polygon."""
        self._add("poly", points, colour, raw=raw)

    def oval(self, centre: Point, rx: float, ry: float, colour: Paint, raw: bool = False) -> None:
        """A filled ellipse with half axes rx, ry."""
        x, y = centre
        self._add("oval", ((x - rx, y - ry), (x + rx, y + ry)), colour, raw=raw)

    def disc(self, centre: Point, radius: float, colour: Paint, raw: bool = False) -> None:
        """A filled circle."""
        self.oval(centre, radius, radius, colour, raw)

    def box(self, corner: Point, size: Point, colour: Paint, radius: float = 0.0, raw: bool = False) -> None:
        """A filled rectangle from its upper left corner, with rounded corners of `radius`."""
        x, y = corner
        self._add("box", ((x, y), (x + size[0], y + size[1])), colour, radius, raw=raw)

    def line(self, points: Sequence[Point], width: float, colour: Paint, raw: bool = False) -> None:
        """A stroke with round ends and joints."""
        self._add("line", points, colour, width, raw=raw)

    def arc(self, centre: Point, radii: Point, angles: tuple[float, float], width: float, colour: Paint) -> None:
        """A stroke along an ellipse between two angles in degrees (0 is right, 90 is down)."""
        (x, y), (rx, ry) = centre, radii
        self._add("arc", ((x - rx, y - ry), (x + rx, y + ry)), colour, width, angles=angles)

    def blob(self, centre: Point, radius: float, colour: Paint, lobes: int = 5, squash: float = 0.8) -> None:
        """A leafy cloud of circles around a centre."""
        x, y = centre
        self.oval(centre, radius * 0.92, radius * 0.86 * squash / 0.8, colour)
        for k in range(lobes):
            turn = 2 * math.pi * k / lobes + 0.4
            self.disc((x + math.cos(turn) * radius * 0.6, y + math.sin(turn) * radius * 0.6 * squash), radius * 0.5, colour)


def stroke(draw: ImageDraw.ImageDraw, shape: Shape, scale: float, paint: Paint | int) -> None:
    """Rasterise one shape (not a sky) into `draw` with `paint`, at `scale` pixels a unit."""
    points = [(x * scale, y * scale) for x, y in shape.points]
    if shape.kind == "poly":
        draw.polygon(points, fill=paint)
    elif shape.kind == "oval":
        draw.ellipse(points, fill=paint)
    elif shape.kind == "box":
        if shape.width > 0:
            draw.rounded_rectangle(points, radius=shape.width * scale, fill=paint)
        else:
            draw.rectangle(points, fill=paint)
    elif shape.kind == "arc":
        draw.arc(points, *shape.angles, fill=paint, width=max(1, round(shape.width * scale)))
    else:
        width = max(1, round(shape.width * scale))
        draw.line(points, fill=paint, width=width, joint="curve")
        if width > 2:
            half = width / 2
            for x, y in (points[0], points[-1]):
                draw.ellipse((x - half, y - half, x + half, y + half), fill=paint)


def gradient(stops: Sequence[Colour], rows: int) -> np.ndarray:
    """(rows, 3) uint8 colours from the first stop at the top to the last at the bottom."""
    at = np.linspace(0, 1, len(stops))
    y = np.linspace(0, 1, max(rows, 1))
    return np.stack([np.interp(y, at, [s[c] for s in stops]) for c in range(3)], 1).round().astype(np.uint8)


def rasterise(shapes: Sequence[Shape], width: int, height: int) -> Image.Image:
    """The shapes as an RGB picture, drawn at twice the size and averaged down."""
    scale = SUPERSAMPLING
    canvas = Image.new("RGB", (width * scale, height * scale))
    draw = ImageDraw.Draw(canvas, "RGBA")
    for shape in shapes:
        if shape.kind == "sky":
            (x0, y0), (x1, y1) = ((round(x * scale), round(y * scale)) for x, y in shape.points)
            rows = gradient(shape.stops, y1 - y0)
            canvas.paste(Image.fromarray(rows[:, None, :]).resize((x1 - x0, y1 - y0)), (x0, y0))
        else:
            stroke(draw, shape, scale, shape.paint)
    return canvas.reduce(scale)
