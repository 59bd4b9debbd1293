"""One drawing taken apart: thin or grey ink is lines, thick coloured ink is areas of colour. Pixels only; no torch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from pipelines.drawing.lines import flat, is_light_on_dark

INK = 24            # steps of 255 from the paper: less is noise of a JPEG
COLOURED = 0.15     # share of a pixel's distance from the paper that is colour and not grey; a mix with the paper keeps it
THIN = 0.012        # of the longer side: coloured ink thinner than this is a line
THICK = 0.08        # grey ink thicker than this is an area: a black car, not its outline
LOOKED_AT = 256     # pixels of the longer side at which widths are measured
PAINTED = 0.25      # share of the border under ink from which it is a painting without paper
BLACK = 70          # of 255: darker ink in a painting is a line where it is thin
FEW, MOSTLY = 12, 0.8       # so few colours over so much of it: painted with a brush, and no photo


class Split(NamedTuple):
    """lines: black on white, L, or None.   strokes: the colours, RGBA, see-through where there are none, or None."""

    lines: Image.Image | None
    strokes: Image.Image | None


def split(drawing: Image.Image) -> Split:
    """What of a drawing are its lines, and what its colours; the same for dark on light and light on dark."""
    if drawing.mode == "RGBA" and drawing.getchannel("A").getextrema()[0] == 255:
        drawing = drawing.convert("RGB")    # covered all over: its paper is its own
    pixels = np.asarray(flat(drawing), dtype=np.int16)
    paper = _paper(drawing, pixels)
    ink, coloured = _ink(pixels, paper)
    if not drawing.has_transparency_data and _without_paper(ink):
        return _painting(drawing, pixels)
    areas = ink & (_thicker(ink & coloured, THIN) | _thicker(ink & ~coloured, THICK))
    thin = ink & ~areas
    return Split(_black_on_white(pixels, thin) if thin.any() else None, _with_alpha(drawing, areas) if areas.any() else None)


def _painting(drawing: Image.Image, pixels: np.ndarray) -> Split:
    """Colour all over: of what was painted with a brush, thin black ink is lines still; of a photo nothing is."""
    everywhere = _with_alpha(drawing, np.ones(pixels.shape[:2], bool))
    codes = (pixels // 16) @ np.array((256, 16, 1), np.int16)
    counts = np.sort(np.bincount(codes.ravel()))[::-1]
    black = pixels.max(axis=-1) < BLACK
    thin = black & ~_thicker(black, THICK)
    if counts[:FEW].sum() < MOSTLY * codes.size or not thin.any():
        return Split(None, everywhere)
    return Split(_black_on_white(np.where(thin[..., None], pixels, 255), thin), everywhere)


def joined(lines: Image.Image | None, strokes: Image.Image | None) -> Image.Image | None:
    """Both on one white sheet again, RGB, of the strokes' size where there are any; None without either."""
    if strokes is None:
        return None if lines is None else flat(lines)
    sheet = flat(strokes)
    if lines is not None:
        over = lines.convert("L").resize(sheet.size) if lines.size != sheet.size else lines.convert("L")
        sheet.paste((0, 0, 0), (0, 0), over.point(lambda grey: 255 - grey))
    return sheet


def _paper(drawing: Image.Image, pixels: np.ndarray) -> np.ndarray:
    """The paper's colour: that of the border, and white under what is see-through."""
    if drawing.has_transparency_data:
        return np.array((255, 255, 255))
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return np.median(border, axis=0)


def _without_paper(ink: np.ndarray) -> bool:
    """Whether there is ink at much of the border: a drawing leaves it free."""
    border = np.concatenate([ink[0], ink[-1], ink[:, 0], ink[:, -1]])
    return bool(border.mean() > PAINTED)


def _ink(pixels: np.ndarray, paper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(height, width) bool each: where something was drawn, and where that is coloured."""
    red, green, blue = (pixels[..., k] - np.int16(paper[k]) for k in range(3))     # a reduction over three is slow
    most, least = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    distance = np.maximum(most, -least)
    return distance > INK, most - least > COLOURED * np.maximum(distance, 1)


def _thicker(where: np.ndarray, width: float) -> np.ndarray:
    """The parts of `where` that are at least `width` of the longer side wide."""
    mask = Image.fromarray((where * 255).astype(np.uint8))
    scale = LOOKED_AT / max(mask.size)      # rank filters grow with the square of their width
    small = mask.resize((max(1, round(mask.width * scale)), max(1, round(mask.height * scale))), Image.Resampling.BILINEAR)
    size = max(3, round(width * LOOKED_AT) // 2 * 2 + 1)
    opened = small.point(lambda grey: 255 if grey > 127 else 0).filter(ImageFilter.MinFilter(size))
    return np.asarray(opened.filter(ImageFilter.MaxFilter(size + 2)).resize(mask.size, Image.Resampling.NEAREST)) > 0


def _black_on_white(pixels: np.ndarray, where: np.ndarray) -> Image.Image:
    """The ink of `where` as dark on white, as strong as it was drawn, the strongest black."""
    grey = np.asarray(Image.fromarray(pixels.astype(np.uint8)).convert("L"), dtype=np.float32) / 255
    light = is_light_on_dark(grey)
    strength = np.where(where, np.maximum(grey if light else 1 - grey, 0.3), 0)
    return Image.fromarray((255 * (1 - strength / strength.max())).round().astype(np.uint8))


def _with_alpha(drawing: Image.Image, where: np.ndarray) -> Image.Image:
    strokes = flat(drawing).convert("RGBA")
    strokes.putalpha(Image.fromarray((where * 255).astype(np.uint8)))
    return strokes
