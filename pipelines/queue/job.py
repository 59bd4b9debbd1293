"""What the queue keeps of one job, and what its buttons answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from pipelines.spec.errors import StudioError
from pipelines.spec.request import GenerationRequest


class Status(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"     # the studio ended in the middle; a retry makes what is missing

    @property
    def ended(self) -> bool:
        return self not in (Status.QUEUED, Status.RUNNING)


class Outcome(StrEnum):
    """What came of a button; its value is the sentence for the user."""

    CANCELLED = "Cancelled."
    STOPPING = "Stopping after this step."
    SKIPPING = "Skipping this picture."
    QUEUED_AGAIN = "Queued again."
    MOVED = "Moved."
    ALREADY_STOPPING = "It is being stopped already."
    ALREADY_ENDED = "It has ended already; nothing was changed."
    STILL_GOING = "It is still waiting or running; nothing was changed."
    NOT_RUNNING = "It is not running; nothing was changed."
    NOT_WAITING = "It is not waiting; nothing was changed."
    NOTHING_MISSING = "All its pictures are there; nothing was changed."
    UNKNOWN = "There is no such job."
    NOT_YOURS = "This job belongs to another session; nothing was changed."

    @property
    def changed(self) -> bool:
        """Whether anything happened."""
        return self in (Outcome.CANCELLED, Outcome.STOPPING, Outcome.SKIPPING, Outcome.QUEUED_AGAIN, Outcome.MOVED)


class QueueFull(StudioError):
    """As many jobs wait as may wait."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"Queue: queue is full ({limit}). Wait until a job is done, or cancel some.")


@dataclass(frozen=True)
class Job:
    """One request on its way. Times are seconds since 1970, 0 when not yet.

    files: finished pictures by their index in the job, relative to the outputs folder.   error: one line, "" without.
    owner: the session that submitted it.   device: which worker runs it (0-based).   fraction: how far it came, 0 to 1.
    payload: what a job of another kind needs beside the request, as JSON.   pictures: how many it makes, where that is
    not the request's own count (0).
    """

    id: str
    request: GenerationRequest
    kind: str = "txt2img"
    status: Status = Status.QUEUED
    owner: str = ""
    created: float = 0.0
    started: float = 0.0
    ended: float = 0.0
    files: dict[int, str] = field(default_factory=dict, hash=False)
    notes: tuple[str, ...] = ()
    error: str = ""
    fraction: float = 0.0
    device: int = 0
    payload: str = ""
    pictures: int = 0

    @property
    def count(self) -> int:
        """Pictures in all."""
        return self.pictures or self.request.count

    @property
    def finished(self) -> frozenset[int]:
        """Indices of the pictures that are on the disk."""
        return frozenset(self.files)

    @property
    def missing(self) -> tuple[int, ...]:
        """Indices of the pictures a run has to make."""
        return tuple(i for i in range(self.count) if i not in self.files)

    @property
    def can_retry(self) -> bool:
        return self.status.ended and len(self.files) < self.count
