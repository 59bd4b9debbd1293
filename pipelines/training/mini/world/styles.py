"""The five styles: what happens between the recorded shapes and the finished picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from pipelines.training.mini.world.paint import Painter, Shape, rasterise
from pipelines.training.mini.world.palette import mix

PAPER = (252, 249, 240)
INK = (58, 50, 62)


def finish(p: Painter, style: str, seed: int) -> Image.Image:
    """The picture of the painter's record in a style of scene.STYLES."""
    return _FINISHES[style](p, seed)


def flat(p: Painter, seed: int) -> Image.Image:
    """As recorded."""
    return rasterise(p.shapes, p.width, p.height)


def line_drawing(p: Painter, seed: int) -> Image.Image:
    """Ink contours on paper with a breath of colour inside the subjects."""
    shapes: list[Shape] = []
    for shape in p.shapes:
        if shape.kind == "sky":
            shapes.append(replace(shape, stops=tuple(mix(s, PAPER, 0.9) for s in shape.stops)))
        elif len(shape.paint) == 4:
            continue
        else:
            dark = sum(shape.paint) < 190
            pale = shape.paint if dark and shape.owner else mix(shape.paint, PAPER, 0.62 if shape.owner else 0.9)
            shapes += [grown(shape, 0.9), replace(shape, paint=pale)]
    return rasterise(shapes, p.width, p.height)


def grown(shape: Shape, by: float) -> Shape:
    """The shape in ink, larger by some pixels all around."""
    if shape.kind in ("oval", "box"):
        (x0, y0), (x1, y1) = shape.points
        return replace(
            shape, points=((x0 - by, y0 - by), (x1 + by, y1 + by)), paint=INK, width=shape.width + by if shape.width else 0.0
        )
    if shape.kind == "poly":
        return replace(shape, kind="line", points=(*shape.points, shape.points[0], shape.points[1]), paint=INK, width=by * 2)
    return replace(shape, paint=INK, width=shape.width + 2 * by)


def watercolour(p: Painter, seed: int) -> Image.Image:
    """Washes that bleed, pool at their edges and let the paper through."""
    rng = np.random.default_rng(seed)
    plain = flat(p, seed)
    wash = plain.filter(ImageFilter.GaussianBlur(1.4)).filter(ImageFilter.UnsharpMask(3, 120, 4))
    rim = np.asarray(ImageChops.difference(wash, wash.filter(ImageFilter.GaussianBlur(3))).convert("L"), np.float32) / 255
    cloud = sum(
        np.asarray(Image.fromarray(rng.random((n, n)).astype(np.float32)).resize(plain.size, Image.Resampling.BICUBIC)) / k
        for k, n in ((1, 6), (2, 16), (4, 60))
    )
    cloud = (cloud - cloud.mean()) / 1.2
    share = np.clip(0.78 + 0.28 * cloud + 1.1 * rim, 0.45, 1.12)[..., None]
    colours = np.asarray(wash, np.float32)
    result = np.asarray(PAPER, np.float32) * (1 - share) + colours * share
    grain = rng.normal(0, 2.0, (p.height, p.width, 1))
    return Image.fromarray(np.clip(result + grain, 0, 255).astype(np.uint8))


def pixel_art(p: Painter, seed: int) -> Image.Image:
    """A quarter of the size, few colours, square pixels."""
    small = flat(p, seed).resize((p.width // 4, p.height // 4), Image.Resampling.BOX)
    few = small.quantize(28, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")
    return few.resize((p.width, p.height), Image.Resampling.NEAREST)


def soft_shading(p: Painter, seed: int) -> Image.Image:
    """Every shape is rounded by light from the upper left, as if made of clay."""
    lifted = np.full((p.height, p.width), 0.5, np.float32)
    shapes = [
        replace(s, paint=(shade := 60 + (k * 67) % 180, shade, shade), stops=())
        for k, s in enumerate(p.shapes)
        if s.kind != "sky" and len(s.paint) == 3
    ]
    ids = rasterise(shapes, p.width, p.height).convert("L")
    cells = np.asarray(ids, np.float32)
    for step in (1, 2, 4):
        moved = np.roll(np.roll(cells, step, 0), step, 1)
        back = np.roll(np.roll(cells, -step, 0), -step, 1)
        lifted += ((np.abs(cells - moved) > 6).astype(np.float32) - (np.abs(cells - back) > 6)) * 0.09
    soft = Image.fromarray((np.clip(lifted, 0, 1) * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(2.2))
    light = (np.asarray(soft, np.float32) / 255 - 0.5)[..., None] * 230
    plain = np.asarray(flat(p, seed).filter(ImageFilter.GaussianBlur(0.4)), np.float32)
    return Image.fromarray(np.clip(plain + light, 0, 255).astype(np.uint8))


_FINISHES: Mapping[str, Callable[[Painter, int], Image.Image]] = MappingProxyType(
    {
        "flat illustration": flat,
        "line drawing": line_drawing,
        "watercolour": watercolour,
        "pixel art": pixel_art,
        "soft 3d shading": soft_shading,
    }
)
