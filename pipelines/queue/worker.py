"""One job from its first event to its end: what a run says goes to the watchers, what the user wants goes inward."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable

from pipelines.queue.job import Job, Status
from pipelines.queue.progress import Live
from pipelines.queue.store import Store
from pipelines.spec.errors import Cancelled, Skipped, StorageError, StudioError, shown
from pipelines.spec.events import Emit, Event, Saved, Step

WRITE_EVERY_S = 2.0         # the fraction of a running job on the disk, for the list after a crash
log = logging.getLogger(__name__)


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
    except StorageError as error:
        live.storage_failed = True
        live.end(Status.FAILED, str(error))
    except StudioError as error:
        live.end(Status.FAILED, str(error))
    except BaseException as error:          # an extension may even call sys.exit(): the worker must take the next job
        log.exception("Job %s failed by a mistake in the program", live.job.id)
        live.end(Status.FAILED, f"Internal error: {type(error).__name__}: {shown(str(error), 200)} (see the log).")


def _interrupt(live: Live, event: Event) -> None:
    """Carry the user's wish into the run. A finished picture cannot be skipped any more."""
    if live.stopping:
        raise Cancelled("Cancelled.")
    if live.skipping and not isinstance(event, Saved):
        live.skipping = False
        raise Skipped("Skipped.")
