"""The queue: jobs on the disk, a worker thread a device, progress in memory. It is handed `run`; it knows no engine."""

from __future__ import annotations

import logging
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pipelines.queue.job import Job, Outcome, QueueFull, Status
from pipelines.queue.lock import InstanceLock
from pipelines.queue.progress import Live, Progress, of_job
from pipelines.queue.store import Store
from pipelines.queue.turns import moved
from pipelines.queue.worker import Workers
from pipelines.spec.errors import FieldError, StorageError, StudioError
from pipelines.spec.events import Emit
from pipelines.spec.request import GenerationRequest

MOST_WAITING = 256
Run = Callable[[Job, Emit], None]
SavedFiles = Callable[[str], Mapping[int, str]]
T = TypeVar("T")
log = logging.getLogger(__name__)


class JobQueue:
    """`start()` takes the data folder for this process, brings back what was left, and starts the workers.

    run: does one job; makes the pictures `job.missing`. Its `emit` raises Cancelled or Skipped at the next event.
    saved_files: pictures of a job that are on the disk, asked once for a job that a crash interrupted.
    ended: called whenever a job has ended, before those who wait for it hear of it; it must raise nothing.
    Every method may be called from any thread.
    """

    def __init__(self, db_path: Path, run: Run, devices: int = 1, saved_files: SavedFiles | None = None,
                 ended: Callable[[], None] = lambda: None) -> None:
        self._path, self._run, self._devices = Path(db_path), run, devices
        self._saved_files, self._ended = saved_files or (lambda _: {}), ended
        self._changed = threading.Condition(threading.RLock())
        self._lock = InstanceLock(self._path)
        self._workers_open: Workers | None = None

    @property
    def _workers(self) -> Workers:
        if self._workers_open is None:
            raise StudioError("Queue: it is not open. Start the studio first.")
        return self._workers_open

    @property
    def _store(self) -> Store:
        return self._workers.store

    @property
    def _live(self) -> Mapping[str, Live]:
        return self._workers.live

    # -- life ----------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Raises StudioError when another studio holds the data folder, or the file was written by a later version."""
        self._lock.acquire()
        try:
            store = self._opened()
        except BaseException:       # whatever it was: the next try must not find the folder taken by ourselves
            self._lock.release()
            raise
        self._workers_open = Workers(store, self._run, self._changed, self._ended)
        self._workers_open.start(self._devices)

    def _opened(self) -> Store:
        store = Store(self._path)
        try:
            self._bring_back(store)
        except BaseException:
            store.close()
            raise
        return store

    def _bring_back(self, store: Store) -> None:
        """Jobs that a crash cut off are interrupted, with every picture that reached the disk."""
        for name in store.running():
            job = store.get(name)
            if job is None:
                continue
            job = replace(job, files={**job.files, **self._found(name)})
            status = Status.INTERRUPTED if job.missing else Status.DONE
            store.end(replace(job, status=status))
            log.warning("Job %s was cut off: %d of %d pictures are there.", name, len(job.files), job.count)

    def _found(self, job: str) -> Mapping[int, str]:
        """Its pictures on the disk; none where they cannot be asked for: the studio starts all the same."""
        try:
            return self._saved_files(job)
        except Exception as error:
            log.warning("The pictures of job %s could not be looked for (%s: %s).", job, type(error).__name__, error)
            return {}

    def stop(self, timeout: float = 30) -> bool:
        """End after the current step; what runs comes back as interrupted. False when a worker did not end in time."""
        if self._workers_open is None:
            return True
        if not self._workers_open.stop(timeout):
            log.warning("A worker is still busy; its job will come back as interrupted.")
            return False
        self._workers_open.store.close()
        self._workers_open = None
        self._lock.release()
        return True

    # -- jobs in -------------------------------------------------------------------------------------------------------

    def submit(self, request: GenerationRequest, kind: str = "txt2img", key: str | None = None, owner: str = "",
               payload: tuple[str, int] = ("", 0)) -> str:
        """Append a request and return its job id. The same `key` of the same owner again returns the same id.
        `payload`: what the kind needs beside the request, as JSON, and how many pictures that makes.

        Raises QueueFull, and StorageError when the disk refuses.
        """
        job = Job(secrets.token_hex(8), request, kind, owner=owner, created=time.time(),
                  payload=payload[0], pictures=payload[1])
        with self._changed:
            known = self._stored(lambda: self._store.find_key(owner, key)) if key is not None else None
            if known:
                return known
            self._check_room()
            self._stored(lambda: self._store.add(job, key))
            self._changed.notify_all()
        return job.id

    def retry(self, id: str, owner: str | None = None) -> Outcome:
        """Queue an ended job again; its run makes only the missing pictures. Raises QueueFull, StorageError."""
        with self._changed:
            job = self._find(id)
            if job is None or _foreign(job, owner):
                return Outcome.UNKNOWN if job is None else Outcome.NOT_YOURS
            if not job.status.ended:
                return Outcome.STILL_GOING
            if not job.missing:
                return Outcome.NOTHING_MISSING
            self._check_room()
            self._stored(self._workers.flush)
            self._stored(lambda: self._store.again(id))
            self._changed.notify_all()
        return Outcome.QUEUED_AGAIN

    def _check_room(self) -> None:
        if self._store.count(Status.QUEUED) >= MOST_WAITING:
            raise QueueFull(MOST_WAITING)

    # -- buttons -------------------------------------------------------------------------------------------------------

    def cancel(self, id: str, owner: str | None = None) -> Outcome:
        """Stop a job at its next event, or take it out of the queue. With `owner` only that session's job."""
        with self._changed:
            job = self._find(id)
            if job is None or _foreign(job, owner):
                return Outcome.UNKNOWN if job is None else Outcome.NOT_YOURS
            live = self._live.get(id)
            if live and not live.status.ended:
                if live.stopping:
                    return Outcome.ALREADY_STOPPING
                live.stopping = Status.CANCELLED
                return Outcome.STOPPING
            cancelled = self._stored(lambda: self._store.cancel_waiting(id))
            if cancelled:
                self._ended()
            self._changed.notify_all()
        return Outcome.CANCELLED if cancelled else Outcome.ALREADY_ENDED

    def cancel_all(self, owner: str | None = None) -> int:
        """Cancel every waiting and running job. Returns how many."""
        with self._changed:
            going = [*self._store.waiting(), *(id for id, live in self._live.items() if not live.status.ended)]
            return sum(self.cancel(id, owner).changed for id in going)

    def skip(self, id: str, owner: str | None = None) -> Outcome:
        """Give up the picture a running job is painting; the next one follows."""
        with self._changed:
            live = self._live.get(id)
            if live is None or live.status.ended:
                return Outcome.UNKNOWN if self._find(id) is None else Outcome.NOT_RUNNING
            if _foreign(live.job, owner):
                return Outcome.NOT_YOURS
            live.skipping = True
        return Outcome.SKIPPING

    def move(self, id: str, position: int, owner: str | None = None) -> Outcome:
        """Put a waiting job at a place in the queue, or as near as its owner's turns allow; 0 is next."""
        with self._changed:
            job = self._find(id)
            if job is None or _foreign(job, owner):
                return Outcome.UNKNOWN if job is None else Outcome.NOT_YOURS
            waiting = self._store.waiting_owners()
            if id not in (name for name, _ in waiting):
                return Outcome.NOT_WAITING
            self._stored(lambda: self._store.order(moved(waiting, id, position)))
            self._changed.notify_all()
        return Outcome.MOVED

    def pause(self, reason: str = "") -> None:
        """Let no further job begin, also after a restart, until `resume`."""
        with self._changed:
            self._stored(lambda: self._store.set_state("paused", reason or "paused"))
            self._changed.notify_all()

    def resume(self) -> None:
        with self._changed:
            self._stored(self._workers.flush)
            self._workers.held = ""
            self._stored(lambda: self._store.set_state("paused", ""))
            self._changed.notify_all()

    def clear(self, owner: str) -> None:
        """From now on `cleared` names this moment: a list may leave out what had ended by then. No job is forgotten."""
        with self._changed:
            self._stored(lambda: self._store.set_state(f"cleared {owner}", str(time.time())))

    def cleared(self, owner: str) -> float:
        """When this session last cleared its list; 0 for never."""
        return float(self._store.state(f"cleared {owner}") or 0)

    @property
    def paused(self) -> str:
        """Why no further job begins; "" when they do."""
        return self._workers.held or self._store.state("paused")

    @property
    def volatile(self) -> str:
        """Why jobs would not survive a restart (a full or read-only disk at the start); "" when they do."""
        return self._store.volatile

    # -- looking -------------------------------------------------------------------------------------------------------

    def jobs(self, owner: str | None = None, limit: int = 1000) -> list[Job]:
        """Running ones, waiting ones in their order, ended ones newest first; with `owner` only that session's."""
        with self._changed:
            jobs = [self._as_it_is(job) for job in self._store.all(limit)]
        return [job for job in jobs if owner is None or job.owner == owner]

    def get(self, id: str) -> Job:
        """Raises FieldError for an unknown id."""
        with self._changed:
            job = self._find(id)
        if job is None:
            raise FieldError("Job", id, "there is no such job")
        return job

    def watch(self, id: str) -> Progress:
        """How a job stands at this moment. Raises FieldError for an unknown id."""
        with self._changed:
            live = self._live.get(id)
            if live:
                return live.progress()
            job = self.get(id)
            waiting = self._store.waiting() if job.status is Status.QUEUED else []
            return of_job(job, waiting.index(id) if id in waiting else -1)

    def wait(self, id: str, timeout: float | None = None) -> Progress:
        """`watch` once the job has ended, or when `timeout` seconds are over."""
        with self._changed:
            self._changed.wait_for(lambda: self.watch(id).ended, timeout)
            return self.watch(id)

    def follow(self, id: str, interval: float = 0.5) -> Iterator[Progress]:
        """`watch` whenever something happened, at least every `interval` seconds, until the job has ended."""
        while True:
            now = self.watch(id)
            yield now
            if now.ended:
                return
            with self._changed:
                self._changed.wait(interval)

    def _find(self, id: str) -> Job | None:
        job = self._store.get(str(id))
        return self._as_it_is(job) if job else None

    def _as_it_is(self, job: Job) -> Job:
        """`job` with what its run has done since it was last written."""
        live = self._live.get(job.id)
        return live.as_job() if live else job

    def _stored(self, write: Callable[[], T]) -> T:
        try:
            return write()
        except sqlite3.Error as error:
            raise StorageError(f"Queue: nothing was changed, the disk refused ({error}).") from error


def _foreign(job: Job, owner: str | None) -> bool:
    return owner is not None and job.owner != owner
