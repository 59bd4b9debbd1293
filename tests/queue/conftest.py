"""A queue whose runs are steered by the test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines.queue import Job, JobQueue
from pipelines.spec.errors import Skipped
from pipelines.spec.events import Emit, Note, Preview, Saved, Stage, Step
from pipelines.spec.request import GenerationRequest

Run = Callable[[Job, Emit], None]
REQUEST = GenerationRequest(prompt="a cat", seed=1, steps=4)


def paint(job: Job, emit: Emit) -> None:
    """What an engine does, without pictures."""
    emit(Stage("loading mini"))
    for begun, index in enumerate(job.missing):
        try:
            for step in range(1, job.request.steps + 1):
                emit(Step(begun + 1, len(job.missing), step, job.request.steps))
                emit(Preview(b"jpeg"))
        except Skipped:
            emit(Note(f"Skipped picture {index + 1}."))
            continue
        emit(Saved(index, f"day/{index:05d}.png"))


class Gate:
    """A run that stops before each event until the test lets one through."""

    def __init__(self) -> None:
        self._through, self.reached = threading.Semaphore(0), threading.Semaphore(0)

    def run(self, job: Job, emit: Emit) -> None:
        def gated(event: object) -> None:
            self.reached.release()
            assert self._through.acquire(timeout=60), "the test let nothing through"
            emit(event)

        paint(job, gated)

    def let(self, events: int = 1) -> None:
        """Let so many events through, and wait until the run stands before the next one."""
        for _ in range(events):
            self._through.release()
            assert self.reached.acquire(timeout=60)

    def open(self) -> None:
        for _ in range(10_000):
            self._through.release()


@pytest.fixture
def open_queue(tmp_path: Path) -> Iterator[Callable[..., JobQueue]]:
    """Opens queues on one data folder, and stops them at the end."""
    opened: list[JobQueue] = []

    def make(run: Run = paint, **options: object) -> JobQueue:
        queue = JobQueue(tmp_path / "data" / "queue.sqlite", run, **options)
        opened.append(queue)
        queue.start()
        return queue

    yield make
    for queue in opened:
        queue.stop(5)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open()
