"""What has been found out about model files, kept by (path, size, time): their sha256 and what they are. SQLite, disposable.

Two programs may write it at once; a damaged or unwritable one is replaced by one in memory: nothing in it is needed twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import sqlite3
import threading
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipelines.families import Detected

DETECTOR = 3        # raise it when detection changes, so that old verdicts are forgotten
BLOCK = 4 * 2**20
TABLE = "CREATE TABLE IF NOT EXISTS facts (path TEXT, kind TEXT, version TEXT, value TEXT, PRIMARY KEY (path, kind))"
log = logging.getLogger(__name__)


class Facts:
    """A small cache; every call is safe from any thread."""

    def __init__(self, folder: Path | None) -> None:
        self._lock = threading.Lock()
        self._folder = folder
        self._db = self._open(folder)

    def _open(self, folder: Path | None) -> sqlite3.Connection:
        """The file in `folder`, once more after moving it aside; in memory where the disk refuses."""
        for _attempt in ("as it is", "after moving a damaged one aside"):
            if folder is None:
                break
            file = folder / "models.sqlite"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                return _prepared(file)
            except sqlite3.DatabaseError as error:
                if "locked" in str(error):      # another program's; it is not damaged
                    break
                log.warning("What was known about the models cannot be used (%s); it is found out again.", error)
                _aside(file)
            except OSError:
                break
        return _prepared(":memory:")

    @cached_property
    def converted(self) -> Path:
        """Where pickles lie as .safetensors, by the sha256 of the pickle; without a folder of ours only as long as we live."""
        if self._folder is not None:
            return self._folder / "converted"
        self._passing = TemporaryDirectory(prefix="atelier-converted-")
        return Path(self._passing.name)

    def detected(self) -> dict[str, tuple[str, Detected]]:
        """Everything known to this detector: path -> (version, what it is)."""
        found = {}
        for path, version, value in self._ask("SELECT path, version, value FROM facts WHERE kind = 'detected' AND version LIKE ?",
                                              f"{DETECTOR}:%"):
            with contextlib.suppress(ValueError, TypeError, RecursionError):        # a row that this version did not write
                found[path] = (version, Detected(**json.loads(value)))
        return found

    def remember_detected(self, found: dict[str, tuple[str, Detected]]) -> None:
        self._put([(path, "detected", version, json.dumps(asdict(what))) for path, (version, what) in found.items()])

    def known_sha256(self, path: Path, version: str) -> str:
        """The sha256 if it is known for this version of the file, else ""."""
        rows = self._ask("SELECT value FROM facts WHERE path = ? AND kind = 'sha256' AND version = ?", key(path), version)
        return str(rows[0][0]) if rows else ""

    def sha256(self, path: Path, version: str) -> str:
        """The sha256 of the file, read once (about 1 s a GB). Raises OSError."""
        known = self.known_sha256(path, version)
        if known:
            return known
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
        self._put([(key(path), "sha256", version, digest.hexdigest())])
        return digest.hexdigest()

    def _ask(self, sql: str, *values: str) -> list[tuple[Any, ...]]:
        """The rows; none from a file that fails, which is replaced if it is damaged."""
        with self._lock:
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlite3.OperationalError as error:       # locked, or the disk is gone: it is found out again
                log.warning("What is known about the models cannot be read now: %s", error)
            except sqlite3.DatabaseError:
                self._db.close()
                if self._folder is not None:
                    _aside(self._folder / "models.sqlite")
                self._db = self._open(self._folder)
        return []

    def _put(self, rows: list[tuple[str, str, str, str]]) -> None:
        # read-only or full disk: it is found out again next time; the connection, as a context, ends what was begun
        with self._lock, contextlib.suppress(sqlite3.Error), self._db:
            self._db.execute("BEGIN")
            self._db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?)", rows)


def _prepared(file: Path | str) -> sqlite3.Connection:
    """An open cache. Raises sqlite3.DatabaseError for a file that is none, a damaged one and one of other columns."""
    db = sqlite3.connect(file, timeout=10, check_same_thread=False, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(TABLE)
        db.execute("SELECT path, kind, version, value FROM facts LIMIT 1")
        if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("damaged")
    except sqlite3.Error:
        db.close()
        raise
    return db


def _aside(file: Path) -> None:
    """Out of the way; its journal must not be played into the next one."""
    with contextlib.suppress(OSError):
        file.replace(file.with_suffix(".bad"))
        for journal in ("-wal", "-shm"):
            file.with_name(file.name + journal).unlink(missing_ok=True)


def key(path: Path) -> str:
    """A file name as text; bytes that are no UTF-8 are written out so that SQLite takes them."""
    return str(path).encode("utf-8", "backslashreplace").decode()
