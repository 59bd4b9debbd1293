"""How long a run will take, told before it begins, from what the newest pictures of the same model took on this machine."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median_low

from pipelines.archive import Archive
from pipelines.spec.errors import StudioError
from pipelines.spec.request import GenerationRequest

PAST = 12           # finished pictures that are looked at
NEAREST = 5         # of which so many, those with the most similar amount of work, say the pace


@dataclass(frozen=True)
class Cost:
    """seconds: that one picture took.   bytes: of its file."""

    request: GenerationRequest
    seconds: float
    bytes: int


class Past:
    """What is read from the files is kept until `forget`, which whoever saves a picture calls."""

    def __init__(self, archive: Archive, work: Callable[[GenerationRequest], float]) -> None:
        """work: of one picture, in any unit; raises StudioError or OSError where it cannot be known."""
        self._archive, self._work = archive, work
        self._known: dict[str, list[Cost]] = {}

    def forget(self) -> None:
        self._known = {}

    def of(self, model: str) -> list[Cost]:
        """The newest pictures of a checkpoint, as it is called in a request."""
        known = self._known
        if model not in known:
            known[model] = [cost for item in self._archive.items(f'model:"{model}"', limit=PAST)
                            if (cost := self._read(item.file, item.bytes))]
        return known[model]

    def _read(self, file: str, bytes: int) -> Cost | None:
        try:
            read = self._archive.read(file)
            seconds = float(read.made.get("seconds", 0))
        except (StudioError, TypeError, ValueError):
            return None         # a damaged picture says nothing of time
        return Cost(read.full, seconds, bytes) if read.full is not None and seconds > 0 else None

    def seconds(self, request: GenerationRequest) -> float | None:
        """Of one picture of `request`; None without a picture to go by. Pictures of the same kind count, else all."""
        asked = self._of(request)
        past = [(cost, work) for cost in self.of(request.model) if (work := self._of(cost.request))]
        alike = [one for one in past if _kind(one[0].request) == _kind(request)] or past
        if not asked or not alike:
            return None
        alike.sort(key=lambda one: abs(math.log(one[1] / asked)))
        # Of two the quicker: the first picture of a session took the loading of the model, too.
        return asked * median_low(cost.seconds / work for cost, work in alike[:NEAREST])

    def _of(self, request: GenerationRequest) -> float:
        try:
            return self._work(request)
        except (StudioError, OSError):
            return 0.0


def _kind(request: GenerationRequest) -> tuple[object, ...]:
    """What else runs beside the UNet, or in place of one run of it."""
    return (len(request.control), request.identity is None, request.sketch is None, request.tiled is None)
