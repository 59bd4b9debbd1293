"""Loops: a picture is painted from the one before, again and again, with a denoising strength that follows a curve.

Every loop's picture is kept and carries the request of that loop alone, so each can be made again without those before it.
Picture l of chain c has the index c · loops + l; a chain is one picture of the request's batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from pipelines.spec.errors import StudioError
from pipelines.spec.events import Emit
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.loops import loops_of, strengths

if TYPE_CHECKING:
    from pipelines.studio import Studio

NOTHING: Mapping[int, str] = MappingProxyType({})


def wanted(request: GenerationRequest) -> bool:
    return loops_of(request) > 1


def count(request: GenerationRequest) -> int:
    """Pictures in all, every loop's."""
    return request.count * loops_of(request)


def paint(studio: Studio, request: GenerationRequest, emit: Emit, job: str = "",
          files: Mapping[int, str] = NOTHING) -> Iterator[str]:
    """Paint and save the pictures that are not in `files` (by index, relative to the outputs); yields their files.

    Raises StudioError; what was saved before stays, and a later call goes on from there.
    """
    levels = strengths(request)
    alone = request.merged({"loopback": None})
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
        changes = {"image": start_of(index), "denoising_strength": levels[index % len(levels)]}
        return studio.check(alone.image(index).merged({"init": changes}))

    def failed(index: int, error: StudioError) -> None:
        raise error

    missing = [index for index in range(count(request)) if index not in files]
    for finished in studio.engine.run_cells(missing, request_of, emit, failed):
        kept[finished.index] = studio.inputs.keep(finished.image)
        told = {"Loop": f"{finished.index % len(levels) + 1} of {len(levels)}"}
        file = studio.keep(replace(finished, extra=finished.extra | told), emit, job)
        studio.lineage.note(kept[finished.index], studio.archive.root / file)
        yield file

