"""How a job is getting on: in memory only, fed by its events, read by whoever watches."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from pipelines.queue.job import Job, Status
from pipelines.spec.events import Event, Note, Preview, Saved, Stage, Step
from pipelines.spec.paths import utf8


@dataclass(frozen=True)
class Progress:
    """A moment of one job.

    fraction: 0 to 1 of this run.   step of steps: of the picture `image` of `images` (1-based; 0 before the first).
    eta_s: seconds left, from the steps measured in this run, None before two of them.   preview: the newest JPEG.
    files: finished pictures in their order.   position: 0 is next in the queue, -1 when not waiting.
    """

    id: str
    status: Status
    fraction: float = 0.0
    stage: str = ""
    step: int = 0
    steps: int = 0
    image: int = 0
    images: int = 0
    eta_s: float | None = None
    seconds: float = 0.0
    preview: bytes | None = None
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    error: str = ""
    position: int = -1

    @property
    def ended(self) -> bool:
        return self.status.ended


class Live:
    """One running job. Written by its worker, read by others: every field is replaced whole, never changed in place."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.status, self.error = Status.RUNNING, ""
        self.stage = ""
        self.preview: bytes | None = None
        self.files, self.notes = dict(job.files), job.notes
        self.step = Step(0, len(job.missing), 0, job.request.steps)
        self.stopping: Status | None = None         # what the job becomes when the user or the studio stops it
        self.skipping = False
        self.holds = False                          # no job after it may begin
        self._began = time.monotonic()
        self._first: tuple[float, float] | None = None     # time and fraction at the first step: loading is no step
        self._last = (self._began, 0.0)

    def take(self, event: Event) -> None:
        """Remember what the run says. A file's name in its words may be no UTF-8; neither a page nor the disk takes that."""
        if isinstance(event, Step):
            now = (time.monotonic(), event.fraction)
            self._first = self._first or now
            self._last = now
            self.step, self.stage = event, ""
        elif isinstance(event, Stage):
            self.stage = utf8(event.text)
        elif isinstance(event, Preview):
            self.preview = event.jpeg
        elif isinstance(event, Saved):
            self.files = {**self.files, event.index: event.file}
        elif isinstance(event, Note) and (text := utf8(event.text)) not in self.notes:  # said of every picture, told once
            self.notes = (*self.notes, text)

    def end(self, status: Status, error: str = "") -> None:
        """How the run ended. With all pictures made a cancelled job is done; one that swallowed its cancel is not."""
        complete = len(self.files) >= self.job.count
        if status is Status.DONE and self.stopping and not complete:
            status = self.stopping
        elif complete and status in (Status.CANCELLED, Status.INTERRUPTED):
            status = Status.DONE
        self.status, self.error, self.stage, self.preview = status, utf8(error), "", None

    def as_job(self) -> Job:
        """The job as it stands now."""
        fraction = 1.0 if self.status is Status.DONE else self.fraction
        ended = time.time() if self.status.ended else 0.0
        return replace(self.job, status=self.status, files=self.files, notes=self.notes, error=self.error,
                       fraction=fraction, ended=ended)

    @property
    def fraction(self) -> float:
        return min(1.0, self.step.fraction) if self.step.image else 0.0

    def eta_s(self) -> float | None:
        """Seconds left: the rate since the first step, decoding and saving included, less the time since the last."""
        if self._first is None or self._last[1] <= self._first[1]:
            return None
        rate = (self._last[1] - self._first[1]) / max(1e-6, self._last[0] - self._first[0])
        return max(0.0, (1 - self._last[1]) / rate - (time.monotonic() - self._last[0]))

    def progress(self) -> Progress:
        files = tuple(self.files[i] for i in sorted(self.files))
        fraction = 1.0 if self.status is Status.DONE else self.fraction
        at, seconds = self.step, time.monotonic() - self._began
        return Progress(self.job.id, self.status, fraction, self.stage, at.step, at.steps, at.image, at.images,
                        self.eta_s(), seconds, self.preview, files, self.notes, self.error)


def of_job(job: Job, position: int = -1) -> Progress:
    """The progress of a job that is not running."""
    fraction = 1.0 if job.status is Status.DONE else job.fraction
    files = tuple(job.files[i] for i in sorted(job.files))
    return Progress(job.id, job.status, fraction, images=job.count, seconds=max(0.0, job.ended - job.started),
                    files=files, notes=job.notes, error=job.error, position=position)
