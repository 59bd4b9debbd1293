"""What a second pass or a tiled upscale asks for, made whole and checked before it is queued. Knows no model and no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PIL import Image

from pipelines import samplers
from pipelines.archive.inputs import Inputs
from pipelines.loading.library import Library, ModelFile
from pipelines.spec.errors import FieldError
from pipelines.spec.geometry import Size
from pipelines.spec.larger import larger, refusal
from pipelines.spec.parts import Hires
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.enlarge import LATENT, resolved
from pipelines.tasks.loops import loops_of
from pipelines.tasks.steps import steps_laid, steps_run
from pipelines.tasks.tiles import narrow
from pipelines.upscalers.listing import Upscalers

ModelOf = Callable[[str], ModelFile]


def opening(request: GenerationRequest) -> GenerationRequest:
    """The request that the first pass paints by: where a second follows, without the units that wait for it."""
    return request if request.hires is None else _steered(request, second=False)


def _steered(request: GenerationRequest, second: bool) -> GenerationRequest:
    """With the weight of every unit that has no part in that pass at 0, so that the others keep their numbers."""
    units = tuple(unit if unit.steers(second) else unit.model_copy(update={"weight": 0.0}) for unit in request.control)
    return request if units == request.control else request.model_copy(update={"control": units})


def second(request: GenerationRequest) -> GenerationRequest:
    """The request that the second pass paints by: the first one's under what `hires` says otherwise."""
    hires = request.hires or Hires()
    request = _steered(request, second=True)
    own = {name: getattr(hires, name) for name in ("sampler", "schedule", "prompt", "negative_prompt", "model", "cfg_scale")}
    changes: dict[str, Any] = {name: value for name, value in own.items() if value}
    return request.merged({**changes, "steps": hires.steps or request.steps, "hires": None})


def calls(request: GenerationRequest) -> int:
    """How often the model will be asked in the second pass."""
    hires = request.hires
    if hires is None or hires.denoising_strength == 0:
        return 0
    wanted = second(request)
    return samplers.callback_count(wanted.sampler, steps_run(wanted.steps, hires.denoising_strength, exact=True))


def completed(request: GenerationRequest, inputs: Inputs, upscalers: Upscalers, model_of: ModelOf) -> dict[str, Any]:
    """Changes that make the request whole: names in their own spelling, Automatic replaced by what it stands for here.

    Raises FieldError: a name that is not known, a size that cannot be made, a second pass that the model cannot follow.
    """
    changes: dict[str, Any] = {}
    model = model_of(request.model)
    if request.hires is not None:
        changes["hires"] = _hires(request, request.hires, upscalers, model, model_of)
    if request.tiled is not None:
        if request.init is None or not request.init.image:
            raise FieldError("Picture", "none", "a tiled upscale needs one", fix="Choose a picture")
        if request.inpaint or request.outpaint or request.hires:
            raise FieldError("Tiled upscale", "on", "it paints the whole picture, in one pass",
                             fix="Turn off inpainting, outpainting and the second pass")
        with Image.open(inputs.path(request.init.image)) as picture:
            first = Size(*picture.size)
        if refused := refusal(first, request.tiled) or narrow(request.tiled, model.family):
            raise refused
        if loops_of(request) > 1:
            raise FieldError("Loops", loops_of(request), "each would make the picture larger", "1 with a tiled upscale")
        changes["tiled"] = {"upscaler": resolved(request.tiled, first, upscalers, model.family.name)}
    return changes


def _hires(request: GenerationRequest, hires: Hires, upscalers: Upscalers, model: ModelFile, model_of: ModelOf) -> dict[str, Any]:
    changes: dict[str, Any] = {"upscaler": resolved(hires, request.size, upscalers, model.family.name)}
    if hires.sampler:
        wanted = hires.schedule or request.schedule
        changes["sampler"], schedule = samplers.canonical(hires.sampler, wanted)
        changes["schedule"] = schedule if hires.schedule or schedule != request.schedule else ""
    elif hires.schedule:
        changes["schedule"] = samplers.canonical(request.sampler, hires.schedule)[1]
    other = model_of(hires.model) if hires.model else model
    if hires.model:
        changes["model"] = other.name
        if other.family.name != model.family.name and changes["upscaler"] in LATENT:
            raise FieldError("Hires upscaler", changes["upscaler"], f"{other.name} has latents of another kind",
                             "an upscaler of pictures", "Choose Lanczos or a network")
    if refused := refusal(request.size, hires, other.family.size_step):
        raise refused
    whole = second(request.merged({"hires": changes}))
    laid = steps_laid(whole.steps, hires.denoising_strength, True)
    samplers.check(whole.sampler, whole.schedule, min(laid, samplers.choose.MOST_ASKED))
    return changes


def pinned(request: GenerationRequest, library: Library, upscalers: Upscalers) -> dict[str, str]:
    """What names the weights of a second pass or a tiled upscale exactly, for the picture's file: ten digits by key.

    {} where they are the first pass's; resamplers, latent modes and an extension's own way have no file to name.
    """
    said: dict[str, str] = {}
    if request.hires and request.hires.model:
        said["Hires Model hash"] = library.find(request.hires.model).short_hash()
    for part, key in ((request.hires, "Hires upscaler hash"), (request.tiled, "Upscaler hash")):
        if part and part.upscaler not in LATENT and (digest := upscalers.short_hash(part.upscaler)):
            said[key] = digest
    return said


def hires_size(request: GenerationRequest, step: int) -> Size:
    """Pixels of the second pass's picture; step: of the family that paints it."""
    return larger(request.size, request.hires, step).final if request.hires else request.size
