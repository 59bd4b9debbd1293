"""What a grid will cost before it is begun, from what past pictures cost. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Iterable
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


def work(request: GenerationRequest) -> float:
    """Steps times megapixels, twice where CFG computes the negative prompt too."""
    return request.steps * request.width * request.height / 1e6 * (1 + request.guided_share)


def sampled(grid: Grid) -> list[GenerationRequest]:
    """The requests of a few dozen cells from all over the grid."""
    cells = []
    for index in range(0, grid.count, max(1, grid.count // SAMPLED)):
        try:
            cells.append(grid.cell(index))
        except (RequestError, StudioError):
            continue            # such a cell becomes a grey one and costs nothing
    return cells


def estimate(grid: Grid, past: Iterable[tuple[GenerationRequest, float, int]]) -> Estimate:
    """`past`: request, seconds and bytes of finished pictures of the same machine, the newest few."""
    told = list(past)
    rates = [seconds / work(request) for request, seconds, _ in told if seconds > 0]
    weights = [size / (request.width * request.height) for request, _, size in told]
    cells = sampled(grid)
    models = {str(v.changes["model"]) for axis in grid.axes for v in axis.values if "model" in v.changes}
    if not cells:
        return Estimate(grid.count, None, None, max(1, len(models)))
    part = grid.count / len(cells)
    seconds = sum(map(work, cells)) * part * median(rates) if rates else None
    size = int(sum(c.width * c.height for c in cells) * part * median(weights)) if weights else None
    return Estimate(grid.count, seconds, size, max(1, len(models)))
