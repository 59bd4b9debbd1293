"""What has been found out about model files, kept by (path, size, time): their sha256 and what they are. SQLite, disposable.

Two programs may write it at once; a damaged or unwritable one is replaced by one in memory: nothing in it is needed twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import threading
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from pipelines.families import Detected

DETECTOR = 3        # raise it when detection changes, so that old verdicts are forgotten
BLOCK = 4 * 2**20
TABLE = "CREATE TABLE IF NOT EXISTS facts (path TEXT, kind TEXT, version TEXT, value TEXT, PRIMARY KEY (path, kind))"


class Facts:
    """A small cache; every call is safe from any thread."""

    def __init__(self, folder: Path | None) -> None:
        self._lock = threading.Lock()
        self._folder = folder
        self._db = self._open(folder)

    @staticmethod
    def _open(folder: Path | None) -> sqlite3.Connection:
        if folder is not None:
            file = folder / "models.sqlite"
            for _attempt in ("as it is", "after moving a damaged one aside"):
                try:
                    folder.mkdir(parents=True, exist_ok=True)
                    db = sqlite3.connect(file, timeout=10, check_same_thread=False, isolation_level=None)
                    db.execute("PRAGMA journal_mode=WAL")
                    db.execute(TABLE)
                    return db
                except sqlite3.DatabaseError:
                    with contextlib.suppress(OSError):
                        file.replace(file.with_suffix(".bad"))
                except OSError:
                    break
        db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        db.execute(TABLE)
        return db

    @cached_property
    def converted(self) -> Path:
        """Where pickles lie as .safetensors, by the sha256 of the pickle; without a folder of ours only as long as we live."""
        if self._folder is not None:
            return self._folder / "converted"
        self._passing = TemporaryDirectory(prefix="atelier-converted-")
        return Path(self._passing.name)

    def detected(self) -> dict[str, tuple[str, Detected]]:
        """Everything known: path -> (version, what it is)."""
        with self._lock:
            rows = self._db.execute("SELECT path, version, value FROM facts WHERE kind = 'detected'").fetchall()
        return {path: (version, Detected(**json.loads(value))) for path, version, value in rows}

    def remember_detected(self, found: dict[str, tuple[str, Detected]]) -> None:
        self._put([(path, "detected", version, json.dumps(asdict(what))) for path, (version, what) in found.items()])

    def known_sha256(self, path: Path, version: str) -> str:
        """The sha256 if it is known for this version of the file, else ""."""
        with self._lock:
            row = self._db.execute("SELECT value FROM facts WHERE path = ? AND kind = 'sha256' AND version = ?",
                                   (key(path), version)).fetchone()
        return row[0] if row else ""

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

    def _put(self, rows: list[tuple[str, str, str, str]]) -> None:
        with self._lock, contextlib.suppress(sqlite3.Error):     # read-only or full disk: it is found out again next time
            self._db.execute("BEGIN")
            self._db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?)", rows)
            self._db.execute("COMMIT")


def key(path: Path) -> str:
    """A file name as text; bytes that are no UTF-8 are written out so that SQLite takes them."""
    return str(path).encode("utf-8", "backslashreplace").decode()
