"""Workers: a thread a device takes job after job; what a run says goes to watchers, what the user wants goes inward."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from pipelines.queue.job import Job, Status
from pipelines.queue.progress import Live
from pipelines.queue.store import Store
from pipelines.spec.errors import Cancelled, Halt, Skipped, StudioError, shown
from pipelines.spec.events import Emit, Event, Saved, Step

KEPT_ENDED = 500
LOOK_AGAIN_S = 5.0          # an idle worker tries again after that time, should the disk have refused before
WRITE_EVERY_S = 2.0         # the fraction of a running job on the disk, for the list after a crash
log = logging.getLogger(__name__)


class Workers:
    """Fields are guarded by `changed`.

    live: running jobs, and ended ones the disk would not take.   held: why no further job begins, though no user paused.
    ended: called after every job.
    """

    def __init__(self, store: Store, run: Callable[[Job, Emit], None], changed: threading.Condition,
                 ended: Callable[[], None]) -> None:
        self.store, self._run, self._changed, self._told = store, run, changed, ended
        self.live: dict[str, Live] = {}
        self.held = ""
        self._threads: list[threading.Thread] = []
        self._stopping = False

    def start(self, devices: int) -> None:
        self._threads = [threading.Thread(target=self._work, args=(device,), name=f"worker-{device}", daemon=True)
                         for device in range(devices)]
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float) -> bool:
        """Interrupt what runs at its next event. False when a thread is still alive after `timeout` seconds."""
        with self._changed:
            self._stopping = True
            for live in self.live.values():
                live.stopping = live.stopping or Status.INTERRUPTED
            self._changed.notify_all()
        until = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def flush(self) -> None:
        """Write ended jobs the disk refused before. Raises sqlite3.Error when it still does."""
        for live in [live for live in self.live.values() if live.status.ended]:
            self._settle(live)

    def _work(self, device: int) -> None:
        while True:
            with self._changed:
                live = self._next(device)
                while live is None and not self._stopping:
                    self._changed.wait(LOOK_AGAIN_S)
                    live = self._next(device)
                if live is None:
                    return
            perform(live, self._run, self.store, self._notify)
            with self._changed:
                self._ended(live)
                self._told()
                self._changed.notify_all()

    def _next(self, device: int) -> Live | None:
        """The next job, taken off the disk."""
        try:
            job = None if self._stopping or self.held or self.store.state("paused") else self.store.take()
        except sqlite3.Error as error:
            log.warning("No job can be taken from the queue: %s", error)
            return None
        if job is None:
            return None
        live = self.live[job.id] = Live(replace(job, device=device))
        self._changed.notify_all()
        return live

    def _ended(self, live: Live) -> None:
        """Write how it went; what cannot be written stays in memory and is tried again."""
        if live.holds:                      # every further job would meet the same
            self.held = live.error
        if self.live.get(live.job.id) is not live:      # a retry was quicker and has written it
            return
        try:
            self._settle(live)
            self.store.prune(KEPT_ENDED)
        except sqlite3.Error as error:
            log.warning("How job %s ended could not be written: %s", live.job.id, error)

    def _settle(self, live: Live) -> None:
        self.store.end(live.as_job())
        del self.live[live.job.id]

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()


def perform(live: Live, run: Callable[[Job, Emit], None], store: Store, notify: Callable[[], None]) -> None:
    """Run the job of `live` and set its status and error. Raises nothing: a worker outlives every job."""
    written = time.monotonic()

    def emit(event: Event) -> None:
        nonlocal written
        live.take(event)
        try:
            if isinstance(event, Saved):
                store.add_file(live.job.id, event.index, event.file)
            elif isinstance(event, Step) and time.monotonic() - written > WRITE_EVERY_S:
                written = time.monotonic()
                store.set_fraction(live.job.id, live.fraction)
        except sqlite3.Error as error:      # the job is written whole at its end all the same
            log.warning("Progress of job %s could not be written: %s", live.job.id, error)
        notify()
        _interrupt(live, event)

    try:
        run(live.job, emit)
        live.end(Status.DONE)
    except Cancelled:
        live.end(live.stopping or Status.CANCELLED)
    except Skipped:                         # a run without a loop of its own: the picture was its last
        live.end(Status.DONE)
    except Halt as error:
        live.holds = True
        live.end(Status.FAILED, str(error))
    except StudioError as error:
        live.end(Status.FAILED, str(error))
    except BaseException as error:          # an extension may even call sys.exit(): the worker must take the next job
        log.exception("Job %s failed by a mistake in the program", live.job.id)
        live.end(Status.FAILED, f"Internal error: {type(error).__name__}: {shown(str(error), 200)} (see the log).")


def _interrupt(live: Live, event: Event) -> None:
    """Carry the user's wish into the run; not between two pictures that are being saved: both are finished."""
    if isinstance(event, Saved):
        return
    if live.stopping:
        raise Cancelled("Cancelled.")
    if live.skipping:
        live.skipping = False
        raise Skipped("Skipped.")
