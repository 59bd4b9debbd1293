"""Where the tiles of a large picture lie, how they are joined, and whether one sees it: arithmetic, NumPy and Pillow only.

Windows are what a model is shown. Three ways: windows that overlap and fade into each other, separate tiles with a margin
to look at and a soft edge (as the Ultimate SD Upscale script lays them), and a second round over the borders of those.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from pipelines import samplers
from pipelines.families.family import Family
from pipelines.spec.errors import FieldError
from pipelines.spec.geometry import Size, Tile, tile_plan
from pipelines.spec.larger import larger
from pipelines.spec.parts import Tiled
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.steps import steps_run

BAND = 2**19            # pixels looked at together when seams are measured
SHARED_AT_MOST = 0.75   # of a tile's side, by neighbours: beyond it the number of tiles runs away and nothing is better joined
WHOLE, ACROSS, DOWN, ROUND = "whole", "across", "down", "round"


@dataclass(frozen=True)
class Job:
    """One window to paint. own: the part of it that is kept.   fade: how `own` ends; WHOLE at its border, the others lead
    from its middle outwards (ACROSS to the sides, DOWN to top and bottom, ROUND both).   seam: of the second round."""

    window: Tile
    own: Tile
    fade: str = WHOLE
    seam: bool = False


def plan(first: Size, tiled: Tiled, family: Family) -> list[Job]:
    """What will be painted of a picture of `first` pixels."""
    size = padded(larger(first, tiled).final, family.size_step)
    return jobs(size, tiled, tile_side(tiled, family), family.size_step)


def tile_side(tiled: Tiled, family: Family) -> int:
    """Pixels of a tile: as asked, else what the family was trained on; a multiple of its size step."""
    step = family.size_step
    return max(step, (tiled.tile or family.native_px) // step * step)


def narrow(tiled: Tiled, family: Family) -> FieldError | None:
    """Why such tiles are not laid, or None: when neighbours share nearly all, hundreds of them show the same pixels."""
    side, most = tile_side(tiled, family), int(tile_side(tiled, family) * SHARED_AT_MOST / 2) // 8 * 8
    if tiled.method == "Separate" or tiled.padding <= most:
        return None
    return FieldError("Tile padding", tiled.padding, f"neighbours would share {2 * tiled.padding} of the {side} pixels of a tile",
                      f"0-{most} with this tile size" if most else "0 with this tile size", "Lower it, or choose larger tiles")


def calls(request: GenerationRequest, first: Size, family: Family) -> int:
    """How often the model will be shown a window."""
    if request.init is None or request.tiled is None:
        return 0
    todo, total = plan(first, request.tiled, family), 0
    for seam in (False, True):
        steps = steps_run(request.steps, strength_of(request, seam), request.init.exact_steps)
        count = sum(job.seam == seam for job in todo)
        total += count * samplers.callback_count(request.sampler, steps) if steps else 0
    return total


def strength_of(request: GenerationRequest, seam: bool) -> float:
    """Denoising strength of a tile, or of the second round over the borders."""
    if request.init is None or request.tiled is None:
        return 0.0
    return request.tiled.seam_denoising_strength if seam else request.init.denoising_strength


def padded(size: Size, step: int) -> Size:
    """`size` up to the next multiple of `step`."""
    return Size(*(-(-side // step) * step for side in size))


def jobs(size: Size, tiled: Tiled, tile: int, step: int) -> list[Job]:
    """The windows of a picture of `size` (multiples of `step`), in their order; tile: side in pixels, as it is used."""
    if tiled.method != "Separate":
        return [Job(window, window) for window in windows(size, tile, 2 * tiled.padding, step)]
    grid = _grid(size, tile)
    shown = Size(*(min(-(-(tile + 2 * tiled.padding) // step) * step, side) for side in size))
    if tiled.order == "Chess":
        grid = sorted(grid, key=lambda place: (place[0] + place[1]) % 2)
    first = [Job(_window(own, shown, size, step), own) for _, _, own in grid]
    return first + [Job(_window(own, shown, size, step), own, fade, True)
                    for own, fade in _seams(size, tiled, tile)]


def windows(size: Size, tile: int, overlap: int, step: int) -> list[Tile]:
    """Windows of `tile` pixels that share at least `overlap`, all edges multiples of `step`."""
    side = max(1, tile // step)
    cells = tile_plan(Size(size.width // step, size.height // step), Size(side, side),
                      min(max(1, -(-overlap // step)), side - 1))
    return [Tile(*(value * step for value in cell)) for cell in cells]


def _grid(size: Size, tile: int) -> list[tuple[int, int, Tile]]:
    """(row, column, tile): the picture cut into squares; those at its end are as long as what is left."""
    return [(top // tile, left // tile, Tile(left, top, min(tile, size.width - left), min(tile, size.height - top)))
            for top in range(0, size.height, tile) for left in range(0, size.width, tile)]


def _window(own: Tile, shown: Size, size: Size, step: int) -> Tile:
    """A window of at least `shown` pixels around `own`, moved inside the picture; its edges multiples of `step`."""
    spans = [_span((own[axis], own[axis] + own[axis + 2]), shown[axis], size[axis], step) for axis in (0, 1)]
    return Tile(spans[0][0], spans[1][0], spans[0][1] - spans[0][0], spans[1][1] - spans[1][0])


def _span(own: tuple[int, int], shown: int, whole: int, step: int) -> tuple[int, int]:
    first, last = own[0] // step * step, -(-own[1] // step) * step
    length = min(max(shown, last - first), whole)
    start = round(((own[0] + own[1] - length) / 2) / step) * step
    start = min(max(start, last - length), first)       # rounding must not lose a pixel of `own`
    start = min(max(0, start), whole - length)
    return start, start + length


def _seams(size: Size, tiled: Tiled, tile: int) -> Iterator[tuple[Tile, str]]:
    """What is painted again after the tiles: strips over every border, then the crossings."""
    if tiled.seam_fix == "None":
        return
    broad = min(tiled.seam_width, tile) if tiled.seam_fix == "Band" else tile
    across, down = range(tile, size.width, tile), range(tile, size.height, tile)
    for top in range(0, size.height, tile):
        for x in across:
            yield _inside(Tile(x - broad // 2, top, broad, tile), size), ACROSS
    for y in down:
        for left in range(0, size.width, tile):
            yield _inside(Tile(left, y - broad // 2, tile, broad), size), DOWN
    if tiled.seam_fix == "Half tile + intersections":
        for y in down:
            for x in across:
                yield _inside(Tile(x - tile // 2, y - tile // 2, tile, tile), size), ROUND


def _inside(tile: Tile, size: Size) -> Tile:
    left, top = max(0, tile.left), max(0, tile.top)
    return Tile(left, top, min(tile.right, size.width) - left, min(tile.bottom, size.height) - top)


# -- joining ---------------------------------------------------------------------------------------------------------------


def weights(window: Tile, plan: Sequence[Tile], size: Size) -> np.ndarray:
    """float32 (height, width), above 0: how much this window counts, less towards the neighbours it shares pixels with.

    Divided by the sum over all windows they make 1 everywhere. Units are those of the plan (pixels or latent pixels).
    """
    columns = _slopes(window.left, window.width, sorted({t.left for t in plan}), size.width)
    rows = _slopes(window.top, window.height, sorted({t.top for t in plan}), size.height)
    return rows[:, None] * columns[None, :]


def _slopes(start: int, length: int, starts: Sequence[int], whole: int) -> np.ndarray:
    at = starts.index(start)
    before = starts[at - 1] + length - start if at else 0
    after = start + length - starts[at + 1] if at + 1 < len(starts) else 0
    middle = np.arange(length, dtype=np.float32) + 0.5
    up = middle / before if before else np.ones(length, np.float32)
    down = (length - middle) / after if after else np.ones(length, np.float32)
    return np.minimum(np.minimum(up, down), 1).astype(np.float32)


class Quilt:
    """Joins overlapping windows on `canvas`, each fading into the one left of it and its row into the row above.

    Row by row, from left to right; a row appears on the canvas with its last window. Fading both ways at once would leave
    steps where four windows meet.
    """

    def __init__(self, canvas: Image.Image, plan: Sequence[Tile]) -> None:
        self._canvas = canvas
        self._lefts, self._tops = (sorted({tile[axis] for tile in plan}) for axis in (0, 1))
        self._row: Image.Image | None = None

    def lay(self, window: Tile, picture: Image.Image) -> None:
        if self._row is None:
            self._row = Image.new("RGB", (self._canvas.width, window.height))
        fade = _mask(_rise(self._lefts, window.left, window.width)[None, :])
        self._row.paste(picture, (window.left, 0), fade.resize(picture.size, Image.Resampling.NEAREST))
        if window.right == self._canvas.width:      # the row is as wide as the picture: nothing of its size but bytes
            fade = _mask(_rise(self._tops, window.top, window.height)[:, None])
            self._canvas.paste(self._row, (0, window.top), fade.resize(self._row.size, Image.Resampling.NEAREST))
            self._row = None


def _rise(starts: Sequence[int], start: int, length: int) -> np.ndarray:
    """0 to 1 over what a window shares with the one before it, then 1."""
    at = starts.index(start)
    shared = starts[at - 1] + length - start if at else 0
    return np.minimum((np.arange(length, dtype=np.float32) + 0.5) / max(shared, 0.5), 1)


def _mask(shares: np.ndarray) -> Image.Image:
    return Image.fromarray((shares * 255).round().astype(np.uint8))


def soft(job: Job, blur: int) -> Image.Image:
    """Mask (L) of the window's size: how much of what was painted is taken. blur: pixels, of the border of `own`."""
    own = job.own
    if job.fade == WHOLE:
        mask = Image.new("L", (job.window.width, job.window.height), 0)
        mask.paste(255, (own.left - job.window.left, own.top - job.window.top, own.right - job.window.left,
                         own.bottom - job.window.top))
        return mask.filter(ImageFilter.GaussianBlur(blur)) if blur else mask
    columns, rows = (_tent(length) for length in (own.width, own.height))
    part = {ACROSS: columns[None, :] * np.ones_like(rows)[:, None], DOWN: rows[:, None] * np.ones_like(columns)[None, :],
            ROUND: rows[:, None] * columns[None, :]}[job.fade]
    mask = Image.new("L", (job.window.width, job.window.height), 0)
    mask.paste(_mask(part), (own.left - job.window.left, own.top - job.window.top))
    return mask


def _tent(length: int) -> np.ndarray:
    """0 at both ends, 1 in the middle."""
    return 1 - np.abs((np.arange(length, dtype=np.float32) + 0.5) / (length / 2) - 1)


# -- looking ---------------------------------------------------------------------------------------------------------------


def borders(plan: Sequence[Job], size: Size) -> tuple[list[int], list[int]]:
    """Columns and rows at which a window or a tile's own part begins or ends within the picture, seam rounds left out."""
    own = [job.own for job in plan if not job.seam]
    columns = {x for tile in own for x in (tile.left, tile.right) if 0 < x < size.width}
    rows = {y for tile in own for y in (tile.top, tile.bottom) if 0 < y < size.height}
    return sorted(columns), sorted(rows)


def seam_score(picture: Image.Image, columns: Sequence[int], rows: Sequence[int], step: int = 1) -> float:
    """Mean gradient energy across these borders over that elsewhere: 1 where nothing shows, more where seams do.

    step: only every so many columns and rows are looked at. Borders lie on the model's grid, and an upscaler or a VAE may be
    smoother or rougher on its grid than between, so they are held against the rest of it. Grey values, read in bands.
    """
    energy = {True: [0.0, 0], False: [0.0, 0]}      # at borders, elsewhere: sum, number of places
    at_x, at_y = (list(range(step, side, step)) for side in picture.size)
    border_x, border_y = np.isin(at_x, list(columns)), np.isin(at_y, list(rows))
    rows_at_once = max(1, BAND // picture.width)
    for top in range(0, picture.height, rows_at_once):
        bottom = min(top + rows_at_once, picture.height)
        grey = np.asarray(picture.crop((0, max(0, top - 1), picture.width, bottom)).convert("L"), np.float32)
        first = min(top, 1)             # the row above the band, for the step into it
        across = np.square(np.diff(grey[first:], axis=1)).sum(0)
        down = np.square(np.diff(grey, axis=0)).sum(1)
        inside = [(at, border) for at, border in zip(at_y, border_y, strict=True) if top - first < at < bottom and at >= 1]
        for border in (True, False):
            found = [down[at - max(0, top - 1) - 1] for at, own in inside if own == border]
            chosen = across[np.array(at_x, int)[border_x == border] - 1] if at_x else np.zeros(0)
            energy[border][0] += float(np.sum(found) + np.sum(chosen))
            energy[border][1] += len(found) * picture.width + len(chosen) * (bottom - top)
    (there, places), (elsewhere, others) = energy[True], energy[False]
    return 1.0 if not places or not elsewhere else float(there / places / (elsewhere / others))
