"""One studio a data folder: a lock the kernel releases when its process dies, and beside it the process's number."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from pipelines.spec.errors import StudioError

log = logging.getLogger(__name__)


class InstanceLock:
    """Beside the file `path`: `path.lock` is held, `path.pid` names the holder for the second instance's message."""

    def __init__(self, path: Path) -> None:
        self._pid = path.with_name(f"{path.name}.pid")
        self._lock = FileLock(path.with_name(f"{path.name}.lock"))

    def acquire(self) -> None:
        """Raises StudioError naming the process that holds it."""
        try:
            self._pid.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise self._held() from None
        except (NotImplementedError, OSError) as error:     # a network drive without locks: the number has to do
            log.warning("The data folder cannot be locked: %s", error)
            if psutil.pid_exists(self._holder()) and self._holder() != os.getpid():
                raise self._held() from None
        if self._holder():
            log.warning("The last studio (process %d) ended without closing; its lock was stale.", self._holder())
        try:
            self._pid.write_text(str(os.getpid()), encoding="ascii")
        except OSError as error:
            log.warning("The data folder takes no lock: %s", error)

    def _held(self) -> StudioError:
        return StudioError(f"Queue: the data folder is used by another studio (process {self._holder() or 'unknown'}). "
                           "Close that one, or start this one with another data folder.")

    def _holder(self) -> int:
        try:
            text = self._pid.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return 0
        return int(text) if text.isdigit() and len(text) < 10 else 0

    def release(self) -> None:
        with contextlib.suppress(OSError):      # a disk that has become read-only
            self._pid.unlink(missing_ok=True)
        self._lock.release()
