"""A picture painted at once, while somebody draws: never beside the queue's worker, never saved, always the newest drawing.

Not a job: nothing is written to the queue's file, nothing waits in a line, nothing comes back after a crash.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipelines.spec.errors import Cancelled, StudioError
from pipelines.spec.events import Event
from pipelines.spec.request import GenerationRequest

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipelines.studio import Studio

STEPS = 8           # at most; a live picture is a look at the picture to come
PATIENCE = 20.0     # seconds for a picture of another visitor to be done
MOMENT = 0.2        # seconds for a job to end that may take minutes


class Turn:
    """Whose turn it is at the engine: the queue's worker waits for a live picture, a live picture gives way to a job."""

    def __init__(self) -> None:
        self._held = threading.Lock()
        self._by_queue = False

    @contextmanager
    def of_queue(self) -> Iterator[None]:
        with self._held:
            self._by_queue = True
            try:
                yield
            finally:
                self._by_queue = False

    @contextmanager
    def of_live(self) -> Iterator[bool]:
        """Whether the turn was got."""
        mine = self._held.acquire(timeout=MOMENT if self._by_queue else PATIENCE)
        try:
            yield mine
        finally:
            if mine:
                self._held.release()


class LivePainter:
    """Thread-safe. `painted` counts the pictures that were finished."""

    def __init__(self, studio: Studio) -> None:
        self._studio, self.painted = studio, 0
        self._newest: dict[str, int] = {}
        self._lock = threading.Lock()

    def paint(self, request: GenerationRequest, owner: str) -> Image | None:
        """The first picture of `request` in few steps, or None when `owner` drew on before it was done.

        Raises StudioError for what cannot be painted, and when the queue is painting.
        """
        ticket = self._ticket(owner)
        few = request.merged({"steps": min(request.steps, STEPS), "batch_count": 1, "batch_size": 1, "detailer": None})
        wanted = self._studio.check(self._studio.hooks.transform_request(few))

        def emit(_event: Event) -> None:
            if self._newest.get(owner) != ticket:
                raise Cancelled("A newer drawing came.")

        with self._studio.turn.of_live() as mine:
            if not mine:
                raise StudioError(self._studio.words("live_busy"))
            try:
                first = next(iter(self._studio.engine.run(wanted, emit)), None)
            except Cancelled:
                return None
        self.painted += first is not None
        return first.image if first else None

    def _ticket(self, owner: str) -> int:
        with self._lock:
            self._newest[owner] = self._newest.get(owner, 0) + 1
            return self._newest[owner]
