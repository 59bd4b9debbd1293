"""What a grid will cost before it is begun, from what past pictures cost. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from pipelines.grid.plan import Grid
from pipelines.spec.errors import RequestError, StudioError
from pipelines.spec.request import GenerationRequest

SAMPLED = 64            # cells looked at; the rest is taken to be like them


@dataclass(frozen=True)
class Estimate:
    """cells: how many.   seconds, bytes: of all of them, None without a past picture to go by.   models: loads.

    memory: bytes that the largest batch of cells needs, None when nobody said.
    """

    cells: int
    seconds: float | None
    bytes: int | None
    models: int
    memory: int | None = None


def sampled(grid: Grid) -> list[GenerationRequest]:
    """The requests of a few dozen cells from all over the grid."""
    cells = []
    for index in range(0, grid.count, max(1, grid.count // SAMPLED)):
        try:
            cells.append(grid.cell(index))
        except (RequestError, StudioError):
            continue            # such a cell becomes a grey one and costs nothing
    return cells


def estimate(grid: Grid, seconds: Callable[[GenerationRequest], float | None],
             past: Iterable[tuple[GenerationRequest, int]]) -> Estimate:
    """seconds: of a cell, None when nobody knows.   past: request and bytes of finished pictures, the newest few."""
    weights = [size / (request.width * request.height) for request, size in past]
    cells = sampled(grid)
    models = {str(v.changes["model"]) for axis in grid.axes for v in axis.values if "model" in v.changes}
    if not cells:
        return Estimate(grid.count, None, None, max(1, len(models)))
    part = grid.count / len(cells)
    times = [time for cell in cells if (time := seconds(cell)) is not None]
    took = sum(times) / len(times) * grid.count if times else None
    size = int(sum(c.width * c.height for c in cells) * part * median(weights)) if weights else None
    return Estimate(grid.count, took, size, max(1, len(models)))
