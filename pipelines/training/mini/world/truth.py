"""Ground truth of a scene, from the very shapes that paint it: depth, normals, objects, outline, strokes, key points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from pipelines.training.mini.world.draw import record
from pipelines.training.mini.world.labels import labels
from pipelines.training.mini.world.paint import Painter, Shape, stroke
from pipelines.training.mini.world.people import skeleton
from pipelines.training.mini.world.scene import Scene

Point = tuple[float, float]


@dataclass(frozen=True)
class Truth:
    """What is known of a picture of height h and width w.

    depth: (h, w) float32, 0 far .. 1 near (the brightness of a depth ControlNet's condition).
    normals: (h, w, 3) float32 unit vectors: x right, y up, z towards the viewer.
    owners: (h, w) uint8, 0 scenery, n the n-th subject in painting order.
    outline: (h, w) float32, 1 on the borders between shapes. strokes: RGB picture of few broad strokes in the main colours.
    key_points: for every person 18 (x, y) in pixels in OpenPose order, None where outside the picture or hidden by its edge.
    labels: attribute name to value.
    """

    depth: np.ndarray
    normals: np.ndarray
    owners: np.ndarray
    outline: np.ndarray
    strokes: Image.Image
    key_points: tuple[tuple[Point | None, ...], ...]
    labels: Mapping[str, str]


def truth(scene: Scene) -> Truth:
    """Everything at once; about 25 ms."""
    p = record(scene)
    owners = np.asarray(paint_values(p, "owner"))
    depth = depth_map(p)
    return Truth(depth, normals(depth, owners), owners, outline(p), strokes(p), key_points(scene), labels(scene))


def solid(shape: Shape) -> bool:
    """Glows and shadows are light, not matter: they have colour with alpha and leave no trace in geometry."""
    return len(shape.paint) == 3 or shape.paint[3] > 200


def paint_values(p: Painter, field: str) -> Image.Image:
    """An 8-bit picture of each pixel's topmost `owner`, or of its shape's number ("shape", modulo 251 plus 1)."""
    canvas = Image.new("L", (p.width, p.height))
    draw = ImageDraw.Draw(canvas)
    for number, shape in enumerate(p.shapes):
        if not solid(shape):
            continue
        value = shape.owner if field == "owner" else number % 251 + 1
        if shape.kind == "sky":
            draw.rectangle(shape.points, fill=value)
        else:
            stroke(draw, shape, 1, value)
    return canvas


def depth_map(p: Painter) -> np.ndarray:
    """(h, w) float32 in 0..1, near is 1. Shapes on the ground ramp from their far edge to the picture's foot."""
    result = np.zeros((p.height, p.width), np.float32)
    rows = np.arange(p.height, dtype=np.float32)[:, None]
    for shape in p.shapes:
        if not solid(shape):
            continue
        if shape.kind == "sky" and shape.depth >= 1.0:
            continue
        mask = Image.new("1", (p.width, p.height))
        flat = replace(shape, kind="box") if shape.kind == "sky" else shape
        stroke(ImageDraw.Draw(mask), flat, 1, 1)
        inside = np.asarray(mask)
        if shape.near is None:
            result[inside] = 1 - shape.depth
        else:
            top = max(0.0, min(y for _, y in shape.points))
            ramp = shape.depth + (shape.near - shape.depth) * np.clip((rows - top) / max(1.0, p.height - top), 0, 1)
            result = np.where(inside, 1 - ramp, result)
    return result


def normals(depth: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Unit normals of a relief: subjects are inflated from their masks, scenery follows its depth."""
    height = depth * 40
    for owner in range(1, int(owners.max()) + 1):
        mask = Image.fromarray((owners == owner).astype(np.uint8) * 255)
        soft = sum(np.asarray(mask.filter(ImageFilter.BoxBlur(r)), np.float32) for r in (2, 6, 14)) / 765
        height = height + soft * (owners == owner) * 18
    dy, dx = np.gradient(height)
    vectors = np.stack([-np.clip(dx, -3, 3), np.clip(dy, -3, 3), np.ones_like(dx)], -1)
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def outline(p: Painter) -> np.ndarray:
    """(h, w) float32: 1 where two shapes meet."""
    ids = np.asarray(paint_values(p, "shape"), np.int16)
    edge = np.zeros(ids.shape, bool)
    edge[:, 1:] |= ids[:, 1:] != ids[:, :-1]
    edge[1:] |= ids[1:] != ids[:-1]
    return edge.astype(np.float32)


def strokes(p: Painter) -> Image.Image:
    """What a child would scribble: the large shapes only, as broad bars of their colours on white."""
    canvas = Image.new("RGB", (p.width, p.height), "white")
    draw = ImageDraw.Draw(canvas)
    least = (p.unit * 0.07) ** 2
    for shape in p.shapes:
        (x0, y0), (x1, y1) = bounds(shape)
        if not solid(shape) or (x1 - x0) * (y1 - y0) < least:
            continue
        colour = shape.stops[1] if shape.kind == "sky" else shape.paint[:3]
        wide = max(3, round(min(x1 - x0, y1 - y0) * 0.3))
        if shape.kind == "line":
            draw.line(shape.points, fill=colour, width=max(3, round(shape.width)), joint="curve")
            continue
        for y in np.arange(y0 + wide, y1, wide * 2.2):
            draw.line(((x0 + wide * 0.8, y), (x1 - wide * 0.8, y - wide * 0.3)), fill=colour, width=wide)
    return canvas


def bounds(shape: Shape) -> tuple[Point, Point]:
    """Upper left and lower right corner of a shape, without its line width."""
    xs, ys = zip(*shape.points, strict=True)
    return (min(xs), min(ys)), (max(xs), max(ys))


def key_points(scene: Scene) -> tuple[tuple[Point | None, ...], ...]:
    """18 points a person; None outside the picture."""

    def inside(at: Point) -> Point | None:
        return at if 0 <= at[0] < scene.width and 0 <= at[1] < scene.height else None

    return tuple(tuple(inside(at) for at in skeleton(person, scene.width, scene.height)) for person in scene.people)


def covered(owners: np.ndarray, owner: int) -> float:
    """Share of the picture that a subject covers, 0..1."""
    return float((owners == owner).mean())
