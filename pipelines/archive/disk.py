"""The few things done to the disk, one method each, so that a test can make any of them fail or die."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import psutil

TEMPORARY = ".part"         # a file still being written: .<process>-<token>.part, in the folder of its final name
log = logging.getLogger(__name__)


class Disk:
    """Writes whole files or none."""

    def write(self, path: Path, data: bytes) -> None:
        path.write_bytes(data)

    def fsync(self, path: Path) -> None:
        """Wait until the file (or the folder's list of names) is on the disk."""
        if path.is_dir() and os.name == "nt":       # Windows cannot open a folder; its journal keeps names
            return
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def publish(self, temporary: Path, final: Path) -> None:
        """Give the finished file its name. Raises FileExistsError, and never overwrites."""
        try:
            os.link(temporary, final)
        except FileExistsError:
            raise
        except OSError:         # a file system without hard links (FAT, some network drives)
            if final.exists():
                raise FileExistsError(str(final)) from None
            temporary.rename(final)

    def replace(self, temporary: Path, final: Path) -> None:
        temporary.replace(final)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def store(self, final: Callable[[], Path], data: bytes) -> Path:
        """Write `data` under the name that `final` gives; when the name is taken it is asked for another.

        A reader sees nothing or the whole file, also after a power loss. Raises OSError; then nothing is left behind
        that the next start would not clean away.
        """
        wanted = final()
        temporary = temporary_beside(wanted)
        try:
            self.write(temporary, data)
            self.fsync(temporary)
            while True:
                try:
                    self.publish(temporary, wanted)
                    break
                except FileExistsError:
                    wanted = final()
            try:
                self.fsync(wanted.parent)
            except OSError:     # the name may not last: better not saved, and said so, than saved perhaps
                self.remove(wanted)
                raise
        finally:
            with contextlib.suppress(OSError):
                self.remove(temporary)
        return wanted

    def overwrite(self, path: Path, data: bytes, durable: bool = True) -> None:
        """Put `data` in place of the file, atomically. Raises OSError; then the old file is unharmed.

        Without `durable` a power loss may cost it: for what can be made again.
        """
        temporary = temporary_beside(path)
        try:
            self.write(temporary, data)
            if durable:
                self.fsync(temporary)
            self.replace(temporary, path)
            if durable:
                self.fsync(path.parent)
        finally:
            with contextlib.suppress(OSError):
                self.remove(temporary)


def temporary_beside(path: Path) -> Path:
    return path.with_name(f".{os.getpid()}-{secrets.token_hex(6)}{TEMPORARY}")


def aside(path: Path, what: str, error: Exception) -> None:
    """Keep a small file that cannot be read as `<name>.bad-<time>` beside it, and say so. Raises nothing."""
    kept = path.with_name(f"{path.name}.bad-{time.strftime('%Y%m%d-%H%M%S')}")
    log.warning("%s cannot be read (%s); kept as %s.", what, error, kept.name)
    try:
        path.replace(kept)
    except OSError as failure:
        log.warning("It could not be moved: %s", failure)


def is_stray(name: str) -> bool:
    """Whether a file of that name was left behind: its process is gone, or it is this one, which has just begun."""
    process = name[1:].partition("-")[0]
    if not (name.startswith(".") and name.endswith(TEMPORARY) and process.isdigit()):
        return False
    return int(process) == os.getpid() or not psutil.pid_exists(int(process))
