"""What a request must hold before it is queued: names that are known, sizes that can be made, pictures that are there; and
another program's request in the names its files have here.

It looks at lists and headers only: no weights are read. It knows the studio by what it holds, and neither queue nor engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from PIL import Image

from pipelines import samplers
from pipelines.loading import loras
from pipelines.loading.library import AUTOMATIC
from pipelines.loading.model_file import ModelFile, check_task
from pipelines.metadata import Read, check_size
from pipelines.prompt import regions
from pipelines.prompt.parse import pieces
from pipelines.spec.errors import FieldError, RequestError, StudioError
from pipelines.spec.geometry import Size, snap
from pipelines.spec.larger import larger
from pipelines.spec.param import declared
from pipelines.spec.request import GenerationRequest
from pipelines.tasks import detailer, guided, identity, sketch
from pipelines.tasks.control import refusals as unit_refusals
from pipelines.tasks.enlarge import listed
from pipelines.tasks.repeated import completed
from pipelines.tasks.start import started, task_of

if TYPE_CHECKING:
    from pipelines.studio import Studio

FILES = ("models", "vaes", "upscalers", "hires_upscalers")     # sources of names that another machine's settings may not find here


def checked(studio: Studio, request: GenerationRequest) -> GenerationRequest:
    """`request` with names in their own spelling, seeds drawn, and the size of its outpainted frame.

    Raises RequestError with one line for every name or size that cannot be honoured.
    """
    refusals: list[FieldError] = []
    changes: dict[str, Any] = {}
    try:
        changes["sampler"], changes["schedule"] = samplers.canonical(request.sampler, request.schedule, request.steps)
        guided.check(request)
    except FieldError as error:
        refusals.append(error)
    try:
        model = studio.model(request.model)
        changes |= started(request, studio.inputs, model.family.size_step)
        check_task(model, task_of(request))
        if request.hires and request.hires.model:
            check_task(studio.model(request.hires.model), task_of(request))
        sketch.check(request, studio.library, studio.inputs)
        identity.check(request, studio.library, studio.inputs)
        detailer.check(request, studio.library, studio.inputs)
        changes |= completed(request.merged(changes), studio.inputs, studio.upscalers, studio.model)
        refusals += sizes(request.merged(changes), model)
        holds(studio, request)
        refusals += files(studio, request, model)
    except FieldError as error:
        refusals.append(error)
    if refusals:
        raise RequestError(refusals)
    return request.merged(changes).drawn()


def sizes(request: GenerationRequest, model: ModelFile) -> Iterator[FieldError]:
    """Sizes this family's VAE cannot make."""
    step = model.family.size_step
    for label, value in (("Width", request.width), ("Height", request.height)):
        if value % step:
            yield FieldError(label, value, f"{model.name} needs a multiple of {step}", f"64-4096 in steps of {step}",
                             f"Nearest: {snap(value, step)}")


def holds(studio: Studio, request: GenerationRequest) -> None:
    """Raises FieldError where the finished picture is too large for the format it is saved in: only a tiled upscale can be."""
    if request.tiled and request.init:
        with Image.open(studio.inputs.path(request.init.image)) as picture:
            size = larger(Size(*picture.size), request.tiled).final
        check_size(size, studio.settings.output_format)


def files(studio: Studio, request: GenerationRequest, model: ModelFile) -> Iterator[FieldError]:
    """VAE, LoRAs, embeddings and control models that are not there or do not fit. Raises FieldError at the first of some."""
    if request.vae != "Automatic":
        studio.library.find_vae(request.vae)
    prompt, negative = studio.styles.apply(request.prompt, request.negative_prompt, request.styles)
    yield from loras.check(prompt, model, studio.library)
    yield from loras.check_embeddings((prompt, negative), model, studio.library)
    for words in (prompt, request.hires.prompt if request.hires else ""):
        if not loras.TEMPLATE.search(words):        # those are read when their pictures are drawn
            regions.check(pieces(words))
    for words in (negative, request.hires.negative_prompt if request.hires else ""):
        regions.check_none(words, "Negative prompt")
    if request.control:
        yield from unit_refusals(request, studio.library, studio.conditions)
    if request.hires:       # another checkpoint wears the LoRAs of the first pass
        other = studio.model(request.hires.model or model.name)
        if request.hires.prompt or other.name != model.name:
            yield from loras.check(request.hires.prompt or prompt, other, studio.library)
            texts = (request.hires.prompt or prompt, request.hires.negative_prompt or negative)
            yield from loras.check_embeddings(texts, other, studio.library)
    if request.detailer:        # its words are painted by the model of the last pass
        own, last = request.detailer, studio.model(detailer.base(request).model)
        yield from loras.check(own.prompt, last, studio.library)
        yield from loras.check_embeddings((own.prompt, own.negative_prompt), last, studio.library)


def at_home(studio: Studio, read: Read) -> dict[str, Any]:
    """The partial request of another program's text, its model and LoRAs under the names they have here where hashes tell, and
    the text of styles that are here as these styles.

    A model, a VAE or an upscaler that is not here is left out (`absent` says which): who takes the settings over keeps their own.
    """
    return _told(studio, read)[0]


def absent(studio: Studio, read: Read) -> list[tuple[str, str]]:
    """(path, name) of every model, VAE and upscaler of another program's text that is not here."""
    return [] if read.full else _told(studio, read)[1]


def _told(studio: Studio, read: Read) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    request, digest = deepcopy(dict(read.request)), str(read.made.get("Model hash", ""))
    if request.get("prompt"):
        request["prompt"] = loras.at_home(str(request["prompt"]), str(read.unknown.get("Lora hashes", "")), studio.library)
    request |= _styled(studio, request)
    gone = []
    for row in (row for row in declared(GenerationRequest) if row.param.source in FILES):
        *parts, field = row.path.split(".")
        place = request
        for part in parts:
            place = place.get(part) or {}
        name = str(place.get(field) or "")
        if not name or _is_here(studio, row.param.source, name):
            continue
        del place[field]
        if row.path == "model" and digest and _is_here(studio, "models", digest):
            request["model"] = studio.model(digest).name
        else:
            gone.append((row.path, name))
    return request, gone


def _styled(studio: Studio, request: dict[str, Any]) -> dict[str, Any]:
    """The prompts without the styles whose text they hold, and these by name; nothing where no style or several would do.

    A second pass with words of its own stays as it is: they hold the styles too, and would get them twice.
    """
    hires = request.get("hires") or {}
    if request.get("styles") or hires.get("prompt") or hires.get("negative_prompt"):
        return {}
    before = {key: str(request.get(key) or "") for key in ("prompt", "negative_prompt")}
    *left, names = studio.styles.extract(*before.values())
    return {**dict(zip(before, left, strict=True)), "styles": names} if names else {}


def _is_here(studio: Studio, source: str, name: str) -> bool:
    """Whether the source (one of FILES) has that name."""
    try:
        if source == "models":
            studio.model(name)
        elif source == "vaes":
            return name == AUTOMATIC or bool(studio.library.find_vae(name))
        else:
            return name.lower() in (one.lower() for one in listed(source, studio.upscalers))
    except StudioError:
        return False
    return True
