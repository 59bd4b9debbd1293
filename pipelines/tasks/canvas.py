"""The picture that a run paints on: brought to size, masked, extended, and afterwards put back where it came from.

Pixels only (Pillow, NumPy); no torch, no model. White in a mask is painted anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageFilter, ImageOps

from pipelines.spec.errors import FieldError
from pipelines.spec.geometry import Size
from pipelines.spec.parts import Inpaint, Outpaint
from pipelines.spec.request import GenerationRequest

LANCZOS = Image.Resampling.LANCZOS
BAND = 2**18        # pixels that are looked at together when colours are measured
SLOPE = 48          # px of the picture over which an outpainted side is led into it
SOLID = 4           # soft: grey that says "later" must not also lay the result back half see-through, two pictures in one
Box = tuple[int, int, int, int]     # left, top, right, bottom; right and bottom are outside
FILL_BLURS = ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1))       # radius, how often: from far to near


@dataclass(frozen=True)
class Canvas:
    """picture: RGB of the size that is painted.   mask: L of the same size, blurred, or None: all of it.

    source: what the result is laid on, with `where` (L, of the source's size) saying how much of the result is taken.
    within: what the canvas shows, in shares of the whole picture, where the source is but a part of that.
    box: the part of the source that the canvas shows.   frame: the final size; what hangs over is cut off.
    """

    picture: Image.Image
    mask: Image.Image | None = None
    source: Image.Image | None = None
    where: Image.Image | None = None
    box: Box | None = None
    frame: Size | None = None
    within: tuple[float, float, float, float] | None = None

    @property
    def shows(self) -> tuple[float, float, float, float]:
        """`box` in shares of the source: all of it where nothing was cut; or `within`."""
        if self.within is not None:
            return self.within
        if self.source is None or self.box is None:
            return (0.0, 0.0, 1.0, 1.0)
        (width, height), (left, top, right, bottom) = self.source.size, self.box
        return (left / width, top / height, right / width, bottom / height)

    @property
    def free(self) -> Image.Image | None:
        """L of the finished size, black where its pixels stay the source's; None: all of it is painted."""
        return self.where if self.where is None or self.frame is None else self.where.crop((0, 0, *self.frame))

    def put_back(self, result: Image.Image) -> Image.Image:
        """The finished picture. Where `where` is black its pixels are the source's, bit for bit."""
        if self.source is None or self.where is None or self.box is None:
            return result
        left, top, right, bottom = self.box
        if result.size != (right - left, bottom - top):
            result = result.resize((right - left, bottom - top), LANCZOS)
        finished = self.source.copy()
        finished.paste(result, (left, top), self.where.crop(self.box))
        return finished if self.frame is None else finished.crop((0, 0, *self.frame))


def plain(picture: Image.Image) -> Image.Image:
    """RGB; what is transparent becomes white."""
    if picture.mode != "RGBA":
        return picture.convert("RGB")
    ground = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(ground, picture).convert("RGB")


def over(picture: Image.Image, strokes: Image.Image | None) -> Image.Image:
    """The RGB or RGBA `picture` with strokes (RGBA, of any size) laid over it."""
    if strokes is None:
        return picture
    layer = strokes.convert("RGBA")
    if layer.size != picture.size:
        layer = layer.resize(picture.size, Image.Resampling.BILINEAR)
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert(picture.mode)


def fitted(picture: Image.Image, size: Size, mode: str) -> Image.Image:
    """`picture` at `size` by one of RESIZE_MODES; "Resize and fill" repeats the edge into the bars."""
    if picture.size == tuple(size):
        return picture
    if mode == "Crop and resize":
        return ImageOps.fit(picture, (size.width, size.height), LANCZOS)
    if mode != "Resize and fill":
        return picture.resize((size.width, size.height), LANCZOS)
    if picture.width * size.height > picture.height * size.width:       # a strip keeps one pixel
        inner = Size(size.width, max(1, round(picture.height / picture.width * size.width)))
    else:
        inner = Size(max(1, round(picture.width / picture.height * size.height)), size.height)
    inside = picture.resize((inner.width, inner.height), LANCZOS)
    left, top = (size.width - inside.width) // 2, (size.height - inside.height) // 2
    return extended(inside, Outpaint.model_construct(
        left=left, top=top, right=size.width - inside.width - left, bottom=size.height - inside.height - top))


def extended(picture: Image.Image, by: Outpaint) -> Image.Image:
    """`picture` with more pixels at its sides; they repeat its edge."""
    pixels = np.asarray(picture)
    around = ((by.top, by.bottom), (by.left, by.right)) + ((0, 0),) * (pixels.ndim - 2)
    return Image.fromarray(np.pad(pixels, around, mode="edge"))


def frame_of(picture: Size, by: Outpaint | None) -> Size:
    """The size of `picture` with its new margins."""
    if by is None:
        return picture
    return Size(picture.width + by.left + by.right, picture.height + by.top + by.bottom)


def canvas_of(request: GenerationRequest, picture: Image.Image, mask: Image.Image | None,
              strokes: Image.Image | None = None) -> Canvas:
    """What `request` paints on. `picture` is `init.image`, `mask` is `inpaint.mask`, `strokes` is `init.strokes`; as kept.

    Raises FieldError for a mask that covers nothing.
    """
    init, size = request.init, request.size
    if init is None:
        raise ValueError("a canvas needs a picture to start from")
    source = plain(picture)
    start = over(source, strokes)
    by = request.outpaint if request.outpaint and request.outpaint.any else None
    if mask is None and by is None:
        return Canvas(fitted(start, size, init.resize_mode))
    how = request.inpaint or Inpaint()
    painted = shaped(mask, Size(*source.size), how) if mask is not None else Image.new("L", source.size, 0)
    frame = None
    if by is not None:
        frame = frame_of(Size(*source.size), by)
        start = extended(start, _margins(by, frame, size))
        source, painted = _onto_frame(source, painted, by, frame, size, how.mask_blur)
    if painted.getextrema()[1] == 0:
        raise FieldError("Mask", "empty", "nothing would be painted", fix="Paint over the part that shall change")
    if by is None and how.area == "Whole picture":
        source, start, painted = (fitted(p, size, init.resize_mode) for p in (source, start, painted))
    where = painted.filter(ImageFilter.GaussianBlur(how.mask_blur)) if how.mask_blur else painted
    content = filled(start, painted) if how.masked_content == "fill" or by is not None else start
    box = (0, 0, *source.size)
    if by is None and how.area == "Only masked":
        box = around(where.getbbox() or box, how.padding, Size(*source.size), size)
    laid = where.point(lambda grey: min(255, grey * SOLID)) if how.soft and by is None else where
    return Canvas(_shown(content, box, size), _shown(where, box, size), source, laid, box, frame)


def _shown(picture: Image.Image, box: Box, size: Size) -> Image.Image:
    part = picture.crop(box)
    return part if part.size == (size.width, size.height) else part.resize((size.width, size.height), LANCZOS)


def _onto_frame(source: Image.Image, painted: Image.Image, by: Outpaint, frame: Size, size: Size,
                blur: int) -> tuple[Image.Image, Image.Image]:
    """Source and mask on the new frame, enlarged to `size` where that hangs over.

    The mask reaches into the picture with a slope, so that what is painted is led over from what is there.
    """
    more = _margins(by, frame, size)
    reach = max(SLOPE, 4 * blur)
    columns = _slope(source.width, reach if by.left else 0, reach if by.right else 0)
    rows = _slope(source.height, reach if by.top else 0, reach if by.bottom else 0)
    inside = np.maximum(np.maximum(columns[None, :], rows[:, None]), np.asarray(painted))
    mask = Image.new("L", (size.width, size.height), 0)      # what hangs over is cut off again: it repeats the edge
    mask.paste(255, (0, 0, frame.width, frame.height))
    mask.paste(Image.fromarray(inside), (more.left, more.top))
    return extended(source, more), mask


def _margins(by: Outpaint, frame: Size, size: Size) -> Outpaint:
    """What is added at each side so that `size` is filled; what hangs over `frame` lies right and below."""
    return Outpaint.model_construct(left=by.left, top=by.top, right=by.right + size.width - frame.width,
                                    bottom=by.bottom + size.height - frame.height)


def _slope(length: int, before: int, after: int) -> np.ndarray:
    """Bytes that fall from 255 to 0 over `before` pixels and rise again over the last `after`; at most to the middle."""
    at = np.arange(length)
    down = 1 - (at + 0.5) / min(before, length / 2) if before else np.zeros(length)
    up = 1 - (length - at - 0.5) / min(after, length / 2) if after else np.zeros(length)
    return (np.maximum(down, up).clip(0, 1) * 255).astype(np.uint8)


def shaped(mask: Image.Image, size: Size, how: Inpaint) -> Image.Image:
    """The mask as it counts: L, of the picture's size, inverted and grown or shrunk as asked."""
    grey = greys(mask)
    if grey.size != tuple(size):
        grey = grey.resize((size.width, size.height), Image.Resampling.BILINEAR)
    if how.mask_mode == "Inpaint not masked":
        grey = ImageChops.invert(grey)
    return grown(grey, how.mask_grow) if how.mask_grow else grey


def greys(mask: Image.Image) -> Image.Image:
    """How white a mask's file is, as L. One that is see-through anywhere is its alpha, whatever its colours: strokes on nothing."""
    if mask.mode == "RGBA" and (alpha := mask.getchannel("A")).getextrema() != (255, 255):
        return alpha
    return mask.convert("L")


def grown(grey: Image.Image, by: int) -> Image.Image:
    """Every pixel the largest (by > 0) or the smallest (by < 0) value that lies within so many pixels of it, also aslant."""
    import cv2

    reach = np.ones((2 * abs(by) + 1,) * 2, np.uint8)       # not Pillow's filters: minutes at 4096 pixels a side
    return Image.fromarray((cv2.dilate if by > 0 else cv2.erode)(np.asarray(grey), reach))


def around(box: Box, padding: int, whole: Size, shape: Size) -> Box:
    """`box` with padding, widened to the proportions of `shape` as far as the whole picture goes."""
    left, top, right, bottom = (max(0, box[0] - padding), max(0, box[1] - padding),
                                min(whole.width, box[2] + padding), min(whole.height, box[3] + padding))
    width, height = right - left, bottom - top
    if width * shape.height < height * shape.width:
        width = min(whole.width, round(height * shape.width / shape.height))
    else:
        height = min(whole.height, round(width * shape.height / shape.width))
    left = max(0, min(whole.width - width, left - (width - (right - left)) // 2))
    top = max(0, min(whole.height - height, top - (height - (bottom - top)) // 2))
    return left, top, left + width, top + height


def filled(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """`picture` whose masked part is made of the colours around it, the nearer the finer (AUTOMATIC1111's "fill")."""
    seen = Image.composite(Image.new("L", picture.size, 0), Image.new("L", picture.size, 255), mask)
    known = picture.convert("RGBA")
    known.putalpha(seen)
    weighted = known.convert("RGBa")        # colours times alpha: the blur below does not draw from what is masked
    result = picture.copy()
    ground = Image.new("RGBa", picture.size)
    for radius, times in FILL_BLURS:
        blurred = weighted.filter(ImageFilter.GaussianBlur(radius)).convert("RGBA") if radius else known
        for _ in range(times):
            ground = Image.alpha_composite(ground.convert("RGBA"), blurred)
    result.paste(ground.convert("RGB"), (0, 0), mask)
    return result


def alike_around(picture: Image.Image, at: tuple[int, int], tolerance: int) -> Image.Image:
    """White (L) where the colours are within `tolerance` (0-255 a channel) of those at `at` (x, y) and joined to it."""
    import cv2

    pixels = np.array(picture.convert("RGB"))       # OpenCV wants one it could write to
    found = np.zeros((picture.height + 2, picture.width + 2), np.uint8)
    how = 4 | 255 << 8 | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE
    cv2.floodFill(pixels, found, at, 0, (tolerance,) * 3, (tolerance,) * 3, how)
    return Image.fromarray(found[1:-1, 1:-1])


def colours_like(result: Image.Image, like: Image.Image) -> Image.Image:
    """The RGB `result`, changed in place, with the mean and spread in Lab of `like` (Reinhard et al. 2001).

    Both are read in bands: beside the two pictures memory does not grow with their size.
    """
    import cv2

    (own_mean, own_std), (mean, std) = _lab_statistics(result), _lab_statistics(like)
    for top, lab in _lab_bands(result):
        moved = (lab - own_mean) * (std / np.maximum(own_std, 1e-4)) + mean
        rgb = cv2.cvtColor(moved.astype(np.float32), cv2.COLOR_LAB2RGB)
        result.paste(Image.fromarray((rgb.clip(0, 1) * 255).round().astype(np.uint8)), (0, top))
    return result


def _lab_statistics(picture: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the three channels over all pixels."""
    total, squares = np.zeros(3), np.zeros(3)
    for _, lab in _lab_bands(picture):
        total += lab.sum((0, 1), dtype=np.float64)
        squares += np.square(lab, dtype=np.float64).sum((0, 1))
    count = picture.width * picture.height
    mean = total / count
    return mean, np.sqrt(np.maximum(squares / count - mean**2, 0))


def _lab_bands(picture: Image.Image) -> Iterator[tuple[int, np.ndarray]]:
    """(top row, Lab float32 (rows, width, 3)) from top to bottom."""
    import cv2

    rows = max(1, BAND // picture.width)
    for top in range(0, picture.height, rows):
        band = picture.crop((0, top, picture.width, min(top + rows, picture.height))).convert("RGB")
        yield top, cv2.cvtColor(np.asarray(band, np.float32) / 255, cv2.COLOR_RGB2LAB)
