"""A picture made larger, to the pixel, in tiles: `upscale`, and `blend` of two upscalers.

Besides source and result nothing grows with the picture: each tile is run, resampled to its own place on the final grid
and pasted through a feathered mask into the one result. Needs no intermediate four times too large for a factor of 1.5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from PIL import Image

from pipelines.images import plain
from pipelines.loading.device import Device
from pipelines.loading.memory import free, is_out_of_memory
from pipelines.loading.residency import Residency
from pipelines.spec.errors import FieldError, OutOfMemory
from pipelines.spec.events import Emit, Note, Stage, Step
from pipelines.spec.geometry import Size
from pipelines.upscalers.listing import Upscaler
from pipelines.upscalers.painting import Runner, automatic_tile, draw, passes
from pipelines.upscalers.target import Target, Tiling
from pipelines.upscalers.weights import network

LANCZOS = Image.Resampling.LANCZOS
SMALLEST_TILE = 32      # pixels; below it a tile is nearly all overlap


class Request(NamedTuple):
    """One picture and what to do with it."""

    image: Image.Image
    upscaler: Upscaler
    target: Target = Target()
    tiling: Tiling = Tiling()


def upscale(request: Request, holder: Residency, emit: Emit) -> Image.Image:
    """The picture in exactly the target's size: RGB, or RGBA when the source has transparency; upright, 8 bits a channel.

    Emits a Step a tile, a Note when memory ran out and smaller tiles are tried. Raises FieldError (size A13, tiles A14),
    ModelFileError, OutOfMemory, and whatever `emit` raises inward (Cancelled).
    """
    source = plain(request.image.copy() if request.image.readonly else request.image)
    whole, final = request.target.sizes(Size(*source.size))
    request.tiling.check()
    alpha = source.getchannel("A") if source.mode == "RGBA" else None
    colours = source.convert("RGB") if alpha is not None else source
    how = request.upscaler
    if how.resample is not None:
        result = _resampled(colours, whole, how.resample, emit)
    elif how.whole is not None:
        emit(Stage(how.name))
        result = how.whole(colours, emit)
        result = result if result.size == whole else result.resize(whole, LANCZOS)
    else:
        result = _by_network(colours, whole, request, holder, emit)
    if alpha is not None:       # apart from the colours: a network was trained on opaque pictures
        nearest = how.resample == Image.Resampling.NEAREST
        result.putalpha(alpha.resize(whole, Image.Resampling.NEAREST if nearest else LANCZOS))
    return result if whole == final else result.crop(_centred(whole, final))


def blend(request: Request, second: Upscaler, visibility: float, holder: Residency, emit: Emit) -> Image.Image:
    """`request`'s picture by its own upscaler, and that of `second` laid over it with `visibility` 0 to 1."""
    if not 0 <= visibility <= 1:
        raise FieldError("Second upscaler visibility", visibility, "outside the range", "0-1")
    if visibility == 1:
        return upscale(request._replace(upscaler=second), holder, emit)
    first = upscale(request, holder, emit)
    if visibility == 0:
        return first
    return Image.blend(first, upscale(request._replace(upscaler=second), holder, emit), visibility)


def _resampled(source: Image.Image, size: Size, how: Image.Resampling, emit: Emit) -> Image.Image:
    result = source.resize(size, how)
    emit(Step(1, 1, 1, 1))
    return result


def _by_network(source: Image.Image, size: Size, request: Request, holder: Residency, emit: Emit) -> Image.Image:
    """All passes of the network. A tile that does not fit is halved, and the pass begins anew."""
    device = holder.device
    emit(Stage(f"Loading {request.upscaler.name}"))
    net = network(request.upscaler, holder)
    run = Runner(net, device)
    tile = request.tiling.tile or automatic_tile(net, device, Size(*source.size))
    with run.on_device():
        sizes = passes(Size(*source.size), size, net.scale)
        for number, wanted in enumerate(sizes):
            source, tile = _one_pass(source, wanted, run, request.tiling.overlap, tile, _counted(emit, number, len(sizes)))
    return source


def _one_pass(source: Image.Image, size: Size, run: Runner, overlap: int, tile: int,
              emit: Emit) -> tuple[Image.Image, int]:
    """(the result, the side of tile that fitted)."""
    while True:
        try:
            return draw(source, size, run, Tiling(tile, min(overlap, tile // 2)), emit), tile
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        tile = _smaller(tile, source, run.device, emit)


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
