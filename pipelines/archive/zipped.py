"""Several pictures as one file to take away: a zip with their own names, whole and not packed a second time."""

from __future__ import annotations

import secrets
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

from pipelines.archive.moving import changed
from pipelines.archive.outputs import Archive
from pipelines.spec.errors import FieldError

MOST = 1000
MOST_BYTES = 4 * 2**30
KEPT_S = 3600       # an older one has been fetched, or never will be


def zipped(archive: Archive, files: Sequence[str], folder: Path) -> Path:
    """A zip of these pictures in a folder of its own below `folder`, where older ones are removed.

    Raises FieldError for too many, too large or missing ones, StorageError when the disk refuses.
    """
    if len(files) > MOST:
        raise FieldError("Pictures", str(len(files)), "too many for one file", f"at most {MOST}")
    paths = [archive.open(file) for file in files]
    size = sum(path.stat().st_size for path in paths)
    if size > MOST_BYTES:
        raise FieldError("Pictures", f"{size / 2**30:.1f} GiB", "too large for one file", f"at most {MOST_BYTES // 2**30} GiB")
    _clear(folder)
    made = folder / secrets.token_hex(8) / f"atelier-{time.strftime('%Y%m%d-%H%M%S')}.zip"

    def write() -> None:
        made.parent.mkdir(parents=True)
        with zipfile.ZipFile(made, "w", strict_timestamps=False) as out:
            for file, path in zip(files, paths, strict=True):
                out.write(path, file)

    try:
        changed(write)
    except BaseException:
        made.unlink(missing_ok=True)        # half a file would take the room that is wanting
        raise
    return made


def _clear(folder: Path) -> None:
    for old in folder.glob("*/*.zip"):
        try:
            if time.time() - old.stat().st_mtime > KEPT_S:
                old.unlink()
                old.parent.rmdir()
        except OSError:         # somebody is fetching it, or has been quicker
            continue
