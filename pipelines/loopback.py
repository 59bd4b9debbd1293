"""Loops: a picture is painted from the one before, again and again, with a denoising strength that follows a curve.

Every loop's picture is kept and carries the request of that loop alone, so each can be made again without those before it.
What stands only at the beginning - colours painted over the picture, a masked content that is made up - is the first loop's.
Picture l of chain c has the index c · loops + l; a chain is one picture of the request's batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pipelines.archive.inputs import Inputs
from pipelines.spec.errors import StudioError
from pipelines.spec.events import Emit
from pipelines.spec.geometry import Size
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.canvas import fitted, shaped
from pipelines.tasks.loops import loops_of, strengths

if TYPE_CHECKING:
    from pipelines.studio import Studio

NOTHING: Mapping[int, str] = MappingProxyType({})


def wanted(request: GenerationRequest) -> bool:
    return loops_of(request) > 1


def count(request: GenerationRequest) -> int:
    """Pictures in all, every loop's."""
    return request.count * loops_of(request)


def following(first: GenerationRequest, inputs: Inputs) -> GenerationRequest:
    """What every loop after `first` asks for, as AUTOMATIC1111's script has it: masked content "original", or what the loop
    before has painted would be painted out again.

    Where the picture was brought to width and height the mask is too, so that it lies over the same part of it.
    """
    init, how = first.init, first.inpaint
    if init is None:
        return first
    changes: dict[str, Any] = {"init": {"strokes": ""}}
    if how is not None:
        changes["inpaint"] = {"masked_content": "original"}
        whole = Size(*inputs.open(init.image).size)
        if how.mask and how.area == "Whole picture" and whole != first.size:
            mask = fitted(shaped(inputs.open(how.mask), whole, how), first.size, init.resize_mode)
            changes["inpaint"] |= {"mask": inputs.keep(mask), "mask_mode": "Inpaint masked", "mask_grow": 0}
    return first.merged(changes)


def paint(studio: Studio, request: GenerationRequest, emit: Emit, job: str = "",
          files: Mapping[int, str] = NOTHING) -> Iterator[str]:
    """Paint and save the pictures that are not in `files` (by index, relative to the outputs); yields their files.

    Raises StudioError (StorageError when a picture or its copy cannot be written); what was saved before stays, and a later call
    goes on from there.
    """
    levels = strengths(request)
    first = request.merged({"loopback": None})
    later = following(first, studio.inputs)
    kept: dict[int, str] = {}

    def start_of(index: int) -> str:
        """The kept name of what loop `index` starts from: the picture before it in its chain."""
        if index % len(levels) == 0:
            return request.init.image if request.init else ""
        before = index - 1
        if before not in kept and before in files:
            kept[before] = studio.inputs.keep_file(studio.archive.open(files[before]))
        return kept.get(before) or start_of(before)         # a skipped loop leaves what was before it

    def request_of(index: int) -> GenerationRequest:
        loop = index % len(levels)
        changes = {"image": start_of(index), "denoising_strength": levels[loop]}
        return studio.check((later if loop else first).image(index).merged({"init": changes}))

    def failed(index: int, error: StudioError) -> None:
        raise error

    missing = [index for index in range(count(request)) if index not in files]
    for finished in studio.engine.run_cells(missing, request_of, emit, failed):
        told = {"Loop": f"{finished.index % len(levels) + 1} of {len(levels)}"}
        file = studio.keep(replace(finished, extra=finished.extra | told), emit, job)
        yield file      # saved and told before its copy is kept: a disk that refuses the copy costs the next loop only
        kept[finished.index] = studio.inputs.keep(finished.image)
        studio.lineage.note(kept[finished.index], studio.archive.root / file)

