"""A picture made larger, to the pixel, in tiles: `upscale`, and `blend` of two upscalers.

Besides source and result nothing grows with the picture: each tile is run, resampled to its own place on the final grid
and pasted through a feathered mask into the one result. Needs no intermediate four times too large for a factor of 1.5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from pipelines.deep import Deep, Picture, shallow
from pipelines.images import plain
from pipelines.loading.device import Device
from pipelines.loading.memory import free, is_out_of_memory
from pipelines.loading.residency import Residency
from pipelines.spec.errors import FieldError, OutOfMemory
from pipelines.spec.events import Emit, Note, Stage, Step
from pipelines.spec.geometry import Size
from pipelines.upscalers.listing import Upscaler
from pipelines.upscalers.painting import Runner, automatic_tile, draw, draw_deep, passes
from pipelines.upscalers.target import Target, Tiling
from pipelines.upscalers.weights import network

LANCZOS = Image.Resampling.LANCZOS
SMALLEST_TILE = 32      # pixels; below it a tile is nearly all overlap


class Request(NamedTuple):
    """One picture and what to do with it. deep: 16 bits a channel are wanted."""

    image: Image.Image
    upscaler: Upscaler
    target: Target = Target()
    tiling: Tiling = Tiling()
    deep: bool = False


def upscale(request: Request, holder: Residency, emit: Emit) -> Image.Image:
    """The picture in exactly the target's size: RGB, or RGBA when the source has transparency; upright, 8 bits a channel.

    Emits a Step a tile, a Note when memory ran out and smaller tiles are tried. Raises FieldError (size A13, tiles A14),
    ModelFileError, OutOfMemory, and whatever `emit` raises inward (Cancelled).
    """
    return shallow(enlarged(request, holder, emit))


def enlarged(request: Request, holder: Residency, emit: Emit) -> Picture:
    """As `upscale`; with `deep` 16 bits a channel, as fine as the upscaler makes them."""
    source = plain(request.image.copy() if request.image.readonly else request.image)
    whole, final = request.target.sizes(Size(*source.size))
    request.tiling.check()
    alpha = source.getchannel("A") if source.mode == "RGBA" else None
    colours = source.convert("RGB") if alpha is not None else source
    result = _coloured(colours, whole, request, holder, emit)
    if alpha is not None:       # apart from the colours: a network was trained on opaque pictures
        nearest = request.upscaler.resample == Image.Resampling.NEAREST
        result = _with_alpha(result, alpha.resize(whole, Image.Resampling.NEAREST if nearest else LANCZOS))
    return result if whole == final else _cut(result, _centred(whole, final))


def blend(request: Request, second: Upscaler, visibility: float, holder: Residency, emit: Emit) -> Picture:
    """`request`'s picture by its own upscaler, and that of `second` laid over it with `visibility` 0 to 1."""
    if not 0 <= visibility <= 1:
        raise FieldError("Second upscaler visibility", visibility, "outside the range", "0-1")
    if visibility == 1:
        return enlarged(request._replace(upscaler=second), holder, emit)
    if visibility == 0:
        return enlarged(request, holder, emit)
    first = enlarged(request, holder, _counted(emit, 0, 2))
    return _mixed(first, enlarged(request._replace(upscaler=second), holder, _counted(emit, 1, 2)), visibility)


def _coloured(colours: Image.Image, size: Size, request: Request, holder: Residency, emit: Emit) -> Picture:
    """The opaque picture at `size`."""
    how = request.upscaler
    if how.resample is not None:
        return _resampled(colours, size, how.resample, request.deep, emit)
    if how.whole is None:
        return _by_network(colours, size, request, holder, emit)
    emit(Stage(how.name))
    result = how.whole(colours, emit)
    result = result if result.size == size else result.resize(size, LANCZOS)
    return Deep.of(result) if request.deep else result


def _resampled(source: Image.Image, size: Size, how: Image.Resampling, deep: bool, emit: Emit) -> Picture:
    result: Picture
    if deep:
        result = Deep(np.empty((size.height, size.width, 3), np.uint16))
        for number, channel in enumerate(source.split()):
            values = np.asarray(channel.convert("F").resize(size, how))
            result.pixels[..., number] = (values.clip(0, 255) * 257).round()
    else:
        result = source.resize(size, how)
    emit(Step(1, 1, 1, 1))
    return result


def _with_alpha(picture: Picture, alpha: Image.Image) -> Picture:
    if isinstance(picture, Deep):
        return Deep(np.dstack([picture.pixels, np.asarray(alpha, np.uint16) * 257]))
    picture.putalpha(alpha)
    return picture


def _cut(picture: Picture, box: tuple[int, int, int, int]) -> Picture:
    if isinstance(picture, Deep):
        return Deep(picture.pixels[box[1]:box[3], box[0]:box[2]])
    return picture.crop(box)


def _mixed(first: Picture, second: Picture, visibility: float) -> Picture:
    if isinstance(first, Deep) and isinstance(second, Deep):
        for over, under in zip(first.bands(), second.bands(), strict=True):
            over[:] = (over * (1 - visibility) + under * visibility).round()
        return first
    return Image.blend(shallow(first), shallow(second), visibility)


def _by_network(source: Image.Image, size: Size, request: Request, holder: Residency, emit: Emit) -> Picture:
    """All passes of the network; only the last is deep. A tile that does not fit is halved, and the pass begins anew."""
    device = holder.device
    emit(Stage(f"Loading {request.upscaler.name}"))
    net = network(request.upscaler, holder)
    run = Runner(net, device)
    tile = request.tiling.tile or automatic_tile(net, device, Size(*source.size))
    with run.on_device():
        sizes = passes(Size(*source.size), size, net.scale)
        for number, wanted in enumerate(sizes):
            how = draw_deep if request.deep and number == len(sizes) - 1 else draw
            result, tile = _one_pass(Pass(source, wanted, how), run, Tiling(tile, request.tiling.overlap),
                                     _counted(emit, number, len(sizes)))
            source = result
    return result


class Pass(NamedTuple):
    """One run of a network over a picture. draw: makes it, 8 or 16 bits deep."""

    source: Image.Image
    size: Size
    draw: Callable[..., Any]


def _one_pass(wanted: Pass, run: Runner, tiling: Tiling, emit: Emit) -> tuple[Any, int]:
    """(the result, the side of tile that fitted)."""
    tile = tiling.tile
    while True:
        try:
            tiles = Tiling(tile, min(tiling.overlap, tile // 2))
            return wanted.draw(wanted.source, wanted.size, run, tiles, emit), tile
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        tile = _smaller(tile, wanted.source, run.device, emit)


def _smaller(tile: int, source: Image.Image, device: Device, emit: Emit) -> int:
    free(device)
    tile = min(tile, max(source.size))
    if tile <= SMALLEST_TILE:
        raise OutOfMemory("upscaling", [f"tiles of {tile} pixels"])
    half = max(tile // 2, SMALLEST_TILE)
    emit(Note(f"Memory was full with tiles of {tile} pixels; trying again with {half}."))
    return half


def _counted(emit: Emit, number: int, count: int) -> Callable[[object], None]:
    """Steps of pass `number` (0-based) of `count` as part of the whole."""
    def through(event: object) -> None:
        if isinstance(event, Step) and count > 1:
            event = Step(1, 1, number * event.steps + event.step, count * event.steps)
        emit(event)     # type: ignore[arg-type]

    return through


def _centred(whole: Size, final: Size) -> tuple[int, int, int, int]:
    left, top = (whole.width - final.width) // 2, (whole.height - final.height) // 2
    return left, top, left + final.width, top + final.height
