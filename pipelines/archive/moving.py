"""Moves a picture into the trash and back, and says in one line why the disk would not have something done."""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pipelines.archive.disk import Disk
from pipelines.spec.errors import StorageError

WHY = {errno.ENOSPC: "no space left on the disk", errno.EDQUOT: "the disk quota is used up",
       errno.EROFS: "the outputs folder is read-only", errno.EACCES: "the outputs folder is read-only"}


def why(error: OSError) -> str:
    """The reason in words, without the path."""
    return WHY.get(error.errno or 0) or (error.strerror or "unknown error").lower()


def changed(change: Callable[[], object]) -> None:
    """Do it; an error of the disk becomes one line. A taken name stays a FileExistsError."""
    try:
        change()
    except FileExistsError:
        raise
    except OSError as error:
        raise StorageError(f"Outputs: nothing was changed - {why(error)}.") from error


def move(disk: Disk, source: Path, base: Path, file: str) -> str:
    """Give `source` the name `file` below `base`, or one beside it when that is taken; returns it. Overwrites nothing.

    A crash in between leaves the picture under both names, never under none. Raises StorageError.
    """
    wanted = base / file
    changed(partial(wanted.parent.mkdir, parents=True, exist_ok=True))
    target, number = wanted, 1
    while True:
        try:
            changed(partial(disk.publish, source, target))
            break
        except FileExistsError:
            target, number = wanted.with_stem(f"{wanted.stem}-{number}"), number + 1
    changed(partial(disk.remove, source))
    for folder in (target.parent, source.parent):
        changed(partial(disk.fsync, folder))
    return target.relative_to(base).as_posix()
