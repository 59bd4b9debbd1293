"""Whether a request that starts from a picture can be run, said before it is queued. Knows no model and no torch."""

from __future__ import annotations

import math
from typing import Any

from pipelines.archive.inputs import Inputs
from pipelines.spec.errors import FieldError
from pipelines.spec.geometry import Size
from pipelines.spec.param import param_of
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.canvas import frame_of
from pipelines.tasks.loops import loops_of, strengths
from pipelines.tasks.steps import steps_run

LARGEST = 4096      # px a side may have
ROOMY = (0.5, 2.25)     # a picture of that many native areas is taken at its own size
WIDER = 1.3             # else its shorter side becomes the native one, unless it is so long that this asks for much more


def task_of(request: GenerationRequest) -> str:
    """Which kind of pipeline paints it: "txt2img", "img2img" or "inpaint"."""
    if request.init is None:
        return "txt2img"
    return "inpaint" if request.inpaint or request.outpaint else "img2img"


def started(request: GenerationRequest, inputs: Inputs, size_step: int) -> dict[str, Any]:
    """Changes that make the request whole: with outpainting, width and height follow the new frame.

    Raises FieldError: no picture, no mask, a strength with which no step would run, a frame that is too large.
    """
    init = request.init
    if init is None:
        if request.inpaint or request.outpaint:
            raise FieldError("Picture", "none", "inpainting and outpainting need one", fix="Choose a picture")
        if loops_of(request) > 1:
            raise FieldError("Loops", loops_of(request), "they start from a picture", "1 in txt2img", "Choose a picture")
        return {}
    if not init.image:
        raise FieldError("Picture", "none", "there is nothing to start from", fix="Choose a picture, or use txt2img")
    by = request.outpaint if request.outpaint and request.outpaint.any else None
    if request.inpaint and not request.inpaint.mask and not by:
        raise FieldError("Mask", "none", "nothing would be painted", fix="Paint over the part that shall change")
    for name in filter(None, (init.image, init.strokes, request.inpaint.mask if request.inpaint else "")):
        inputs.path(name)
    check_steps(request)
    if by is not None and loops_of(request) > 1:
        raise FieldError("Loops", loops_of(request), "each would make the frame larger", "1 with outpainting")
    if by is None:
        return {}
    frame = frame_of(Size(*inputs.open(init.image).size), by)
    size = Size(*(-(-side // size_step) * size_step for side in frame))
    if max(size) > LARGEST:
        raise FieldError("Outpaint", str(frame), "the new frame is too large", f"up to {LARGEST}×{LARGEST}")
    return {"width": size.width, "height": size.height}


def check_steps(request: GenerationRequest) -> None:
    """Raises FieldError for a pass over a picture of which not one step would run, or that would change nothing of its part."""
    init, tiled = request.init, request.tiled
    if init is None:
        return
    for strength in strengths(request):
        if strength == 0 and (request.inpaint or request.outpaint):
            raise FieldError("Denoising strength", 0, "nothing would change", "0.01-1", "Raise it")
        if strength and steps_run(request.steps, strength, init.exact_steps) < 1:
            raise _none_run(request, "Denoising strength", strength, "Raise it, or turn exact steps on")
    seam = request.inpaint.seam_strength if request.inpaint else 0
    if seam and steps_run(request.steps, seam) < 1:
        raise _none_run(request, "Coherence pass", seam, "Raise it", "0, or ")
    if tiled and init.denoising_strength and tiled.method == "Separate" and tiled.seam_fix != "None":
        strength = tiled.seam_denoising_strength
        if strength == 0:
            raise FieldError("Seam denoising strength", 0, "nothing would change", "0.01-1", "Raise it, or turn the seam fix off")
        if steps_run(request.steps, strength, init.exact_steps) < 1:
            raise _none_run(request, "Seam denoising strength", strength, "Raise it, or turn exact steps on")


def _none_run(request: GenerationRequest, label: str, strength: float, fix: str, also: str = "") -> FieldError:
    least = math.ceil(100 / request.steps) / 100        # in the slider's steps, or what is named would be refused again
    return FieldError(label, strength, f"of {request.steps} steps none would run", also + (f"{least:g}-1" if least < 1 else "1"),
                      fix)


def scaled(size: Size, factor: float, step: int) -> Size:
    """`size` times `factor`, as the width and height of a request."""
    width = param_of(GenerationRequest, "width")
    low, high = (int(width.minimum or 64), int(width.maximum or LARGEST)) if width else (64, LARGEST)
    return Size(*(min(max(round(side * factor), low), high) for side in size)).snapped(step)


def suited(size: Size, native: int, step: int) -> Size:
    """A width and height of the shape of a picture: its own where the model copes with it, else about its native size.

    native: px a side the model was trained on.   step: what its sizes must be multiples of.
    """
    areas = size.pixels / native ** 2
    if ROOMY[0] <= areas <= ROOMY[1]:
        return scaled(size, 1.0, step)
    return scaled(size, min(native / min(size), WIDER * areas ** -0.5), step)
