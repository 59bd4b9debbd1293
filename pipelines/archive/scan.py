"""Keeps the index true to the files: reads what is new, forgets what is gone, cleans away what a crash left."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from pipelines.archive.disk import Disk, is_stray
from pipelines.archive.facts import facts
from pipelines.archive.index import Index, Row, row_of
from pipelines.archive.names import PICTURES, TRASH, folders_of
from pipelines.archive.thumbnails import FOLDER as THUMBNAILS
from pipelines.archive.thumbnails import VIEWS
from pipelines.spec.paths import is_utf8, utf8

SETTLED_S = 2.0         # a folder changed within this time may change again without its time stamp showing it
BATCH = 500             # rows a transaction
log = logging.getLogger(__name__)


def refresh(root: Path, index: Index) -> int:
    """Bring the index up to date; folders unchanged since are not read. Returns how many files were read."""
    return _refresh(root, index, False) + _refresh(root / TRASH, index, True)


def _refresh(base: Path, index: Index, trashed: bool) -> int:
    known = index.folders(trashed)
    present, read = set(), 0
    for folder in folders_of(base) if base.is_dir() else ():
        if not is_utf8(folder):
            _left_out(folder)
            continue
        present.add(folder)
        try:
            changed = (base / folder).stat().st_mtime_ns
        except OSError:
            continue
        if known.get(folder) == changed:
            continue
        read += _folder(base, folder, index, trashed)
        index.set_folder(folder, trashed, changed if time.time() - changed / 1e9 > SETTLED_S else 0)
    for folder in known.keys() - present:
        index.set_folder(folder, trashed, None)
    return read


def _folder(base: Path, folder: str, index: Index, trashed: bool) -> int:
    """Compare one folder with the index."""
    known = index.files_in(folder, trashed)
    present = dict(_pictures(base / folder, folder))
    index.remove(known.keys() - present.keys(), trashed)
    new = [file for file, stamp in present.items() if known.get(file) != stamp]
    rows: list[Row] = []
    for file in new:
        found = facts(base / file)
        if found:
            rows.append(row_of(file, folder, found, trashed))
        if len(rows) >= BATCH:
            index.add(rows)
            rows = []
    index.add(rows)
    return len(new)


def _pictures(path: Path, folder: str) -> Iterator[tuple[str, tuple[float, int]]]:
    """Relative name, and time and size, of each picture in a folder."""
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith(".") or not entry.name.lower().endswith(PICTURES) or not entry.is_file():
                    continue
                if not is_utf8(entry.name):
                    _left_out(f"{folder}/{entry.name}")
                    continue
                stat = entry.stat()
                yield f"{folder}/{entry.name}" if folder else entry.name, (stat.st_mtime_ns / 1e9, stat.st_size)
    except OSError as error:
        log.warning("A folder of the outputs cannot be read: %s", error)


@lru_cache(maxsize=1024)        # said once: a folder is looked at again and again
def _left_out(name: str) -> None:
    log.warning("%s is not listed: its name is no UTF-8. Rename it to see it in the gallery.", utf8(name).strip("/"))


def clean(root: Path, disk: Disk) -> int:
    """Remove files that a crash left half-written; files of living processes stay. Returns how many went."""
    gone = 0
    hidden = [f"{base}/{folder}" for base in (TRASH, THUMBNAILS, VIEWS) for folder in folders_of(root / base)]
    for folder in [*folders_of(root), *hidden]:
        try:
            with os.scandir(root / folder) as entries:
                stray = [entry.path for entry in entries if is_stray(entry.name)]
            for path in stray:
                disk.remove(Path(path))
                gone += 1
        except OSError:         # no such folder, or read-only: nothing to clean
            continue
    return gone
