"""Jobs on the disk: a SQLite file that survives kill -9. It knows no threads and no progress but the last fraction."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pipelines.queue.turns as turns
from pipelines.queue.job import Job, Status
from pipelines.spec.errors import RequestError, StudioError, shown
from pipelines.spec.request import GenerationRequest

SCHEMA = 2          # 2: payload and pictures, for jobs of many requests
ENDED = "('done', 'failed', 'cancelled', 'interrupted')"
COLUMNS = "id, request, kind, status, owner, created, started, ended, notes, error, fraction, payload, pictures"
TABLES = {"jobs": f"{COLUMNS}, key, place", "files": "job, picture, file", "state": "name, value", "turns": "owner, turn"}
ADDED = {"payload": "''", "pictures": "0"}      # by version 2
log = logging.getLogger(__name__)


class Store:
    """One connection behind one lock. Methods raise sqlite3.Error when the disk refuses.

    volatile: why jobs are kept in memory only (a full or read-only disk at the start), "" when they are on the disk.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self.volatile = ""
        try:
            self._db = self._open(str(path))
        except sqlite3.OperationalError as error:
            self._db = self._only_in_memory(error)
        except sqlite3.DatabaseError as error:
            self._db = self._anew(error)

    def _open(self, where: str) -> sqlite3.Connection:
        db = sqlite3.connect(where, check_same_thread=False, timeout=10)
        try:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA:
                raise StudioError(f"Queue: {self.path.name} was written by a later version of the studio. "
                                  "Start that version, or move the file away.")
            if version and db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("damaged")
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")       # a job that was accepted is there after a power loss, too
            with db:
                db.execute(f"CREATE TABLE IF NOT EXISTS jobs ({COLUMNS}, key, place, PRIMARY KEY (id))")
                db.execute("CREATE TABLE IF NOT EXISTS files (job, picture, file, PRIMARY KEY (job, picture))")
                db.execute("CREATE TABLE IF NOT EXISTS state (name PRIMARY KEY, value)")
                db.execute(turns.TABLE)
                _complete(db)
                db.execute("CREATE UNIQUE INDEX IF NOT EXISTS by_key ON jobs (owner, key) WHERE key IS NOT NULL")
                db.execute("CREATE INDEX IF NOT EXISTS by_status ON jobs (status, place)")
                db.execute(f"PRAGMA user_version={SCHEMA}")
        except (sqlite3.Error, StudioError):
            db.close()
            raise
        return db

    def _only_in_memory(self, error: Exception) -> sqlite3.Connection:
        self.volatile = str(error)
        log.warning("The queue's file cannot be opened (%s); jobs are kept in memory only.", error)
        return self._open(":memory:")

    def _anew(self, error: Exception) -> sqlite3.Connection:
        """An empty file in place of the damaged one; in memory where the folder takes no change."""
        try:
            self._aside(error)
            return self._open(str(self.path))
        except (OSError, sqlite3.OperationalError) as refusal:
            return self._only_in_memory(refusal)

    def _aside(self, error: Exception) -> None:
        kept = self.path.with_name(f"{self.path.name}.bad-{time.strftime('%Y%m%d-%H%M%S')}")
        log.warning("The queue's file is damaged (%s); kept as %s, an empty one is begun.", error, kept.name)
        self.path.replace(kept)
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    # -- coming in -----------------------------------------------------------------------------------------------------

    def find_key(self, owner: str, key: str) -> str | None:
        """The job that this owner submitted under this key."""
        with self._lock:
            row = self._db.execute("SELECT id FROM jobs WHERE owner = ? AND key = ?", (owner, key)).fetchone()
        return row[0] if row else None

    def add(self, job: Job, key: str | None) -> None:
        """Append a job. Raises sqlite3.IntegrityError when this owner has used the key."""
        with self._lock, self._db:
            self._db.execute(
                f"INSERT INTO jobs ({COLUMNS}, key, place) VALUES (?, ?, ?, ?, ?, ?, 0, 0, '[]', '', 0, ?, ?, ?, ?)",  # noqa: S608
                (job.id, job.request.to_json(), job.kind, job.status, job.owner, job.created, job.payload,
                 job.pictures, key, self._last_place() + 1))

    def _last_place(self) -> float:
        return self._db.execute("SELECT coalesce(max(place), 0) FROM jobs").fetchone()[0]

    def count(self, status: Status) -> int:
        with self._lock:
            return self._db.execute("SELECT count(*) FROM jobs WHERE status = ?", (status,)).fetchone()[0]

    # -- going on ------------------------------------------------------------------------------------------------------

    def take(self) -> Job | None:
        """The first job of the owner whose turn it is, now running; None when none waits."""
        while True:
            with self._lock, self._db:
                row = self._db.execute(f"{turns.IN_ORDER} LIMIT 1").fetchone()
                if row is None:
                    return None
                self._db.execute("UPDATE jobs SET status = 'running', started = ?, error = '' WHERE id = ?",
                                 (time.time(), row[0]))
                self._db.execute(turns.SERVED, (row[1],))
            job = self.get(row[0])
            if job is not None:
                return job

    def add_file(self, job: str, picture: int, file: str) -> None:
        with self._lock, self._db:
            self._db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", (job, picture, file))

    def set_fraction(self, job: str, fraction: float) -> None:
        with self._lock, self._db:
            self._db.execute("UPDATE jobs SET fraction = ? WHERE id = ?", (fraction, job))

    def end(self, job: Job) -> None:
        """Write how the job ended, with all its pictures and notes, at once."""
        with self._lock, self._db:
            self._db.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)",
                                 [(job.id, picture, file) for picture, file in job.files.items()])
            self._db.execute("UPDATE jobs SET status = ?, ended = ?, error = ?, notes = ?, fraction = ? WHERE id = ?",
                             (job.status, time.time(), job.error, json.dumps(job.notes), job.fraction, job.id))

    def again(self, job: str) -> None:
        """Back to the end of the queue; its pictures stay."""
        with self._lock, self._db:
            self._db.execute("UPDATE jobs SET status = 'queued', started = 0, ended = 0, error = '', fraction = 0, "
                             "place = ? WHERE id = ?", (self._last_place() + 1, job))

    def cancel_waiting(self, job: str) -> bool:
        with self._lock, self._db:
            return self._db.execute("UPDATE jobs SET status = 'cancelled', ended = ? "
                                    "WHERE id = ? AND status = 'queued'", (time.time(), job)).rowcount > 0

    def order(self, jobs: Iterable[str]) -> None:
        """Give the waiting jobs these places."""
        with self._lock, self._db:
            base = self._last_place() + 1
            self._db.executemany("UPDATE jobs SET place = ? WHERE id = ?",
                                 [(base + n, job) for n, job in enumerate(jobs)])

    def prune(self, keep: int) -> None:
        """Forget the oldest ended jobs beyond `keep`; their pictures stay in the outputs."""
        with self._lock, self._db:
            self._db.execute(f"DELETE FROM jobs WHERE status IN {ENDED} AND id NOT IN "  # noqa: S608
                             f"(SELECT id FROM jobs WHERE status IN {ENDED} ORDER BY ended DESC, place DESC LIMIT ?)",
                             (keep,))
            self._db.execute("DELETE FROM files WHERE job NOT IN (SELECT id FROM jobs)")
            self._db.execute(turns.FORGET)

    # -- looking -------------------------------------------------------------------------------------------------------

    def get(self, job: str) -> Job | None:
        """The job; None when there is none, or its request cannot be read any more (then it is marked as failed)."""
        with self._lock:
            row = self._db.execute(f"SELECT {COLUMNS} FROM jobs WHERE id = ?", (job,)).fetchone()  # noqa: S608
            files = dict(self._db.execute("SELECT picture, file FROM files WHERE job = ?", (job,)))
        return self._job(row, files) if row else None

    def all(self, limit: int) -> list[Job]:
        """Running, waiting in their order, ended ones newest first."""
        sql = (f"SELECT {COLUMNS} FROM jobs ORDER BY "  # noqa: S608
               "CASE status WHEN 'running' THEN 0 WHEN 'queued' THEN 1 ELSE 2 END, "
               "CASE WHEN status IN ('running', 'queued') THEN place ELSE -ended END LIMIT ?")
        with self._lock:
            rows = self._db.execute(sql, (limit,)).fetchall()
            order = {id: n for n, id in enumerate(self.waiting())}
            files: dict[str, dict[int, str]] = {}
            for job, picture, file in self._db.execute("SELECT job, picture, file FROM files"):
                files.setdefault(job, {})[picture] = file
        rows.sort(key=lambda row: -1 if row[3] == Status.RUNNING else order.get(row[0], len(order)))
        jobs = (self._job(row, files.get(row[0], {})) for row in rows)
        return [job for job in jobs if job is not None]

    def waiting(self) -> list[str]:
        """Waiting jobs in the order in which they will run if nothing more comes in."""
        return [id for id, _ in self.waiting_owners()]

    def waiting_owners(self) -> list[tuple[str, str]]:
        """(id, owner) of the waiting jobs in their order."""
        with self._lock:
            return self._db.execute(turns.IN_ORDER).fetchall()

    def running(self) -> list[str]:
        with self._lock:
            return [row[0] for row in self._db.execute("SELECT id FROM jobs WHERE status = 'running'")]

    def _job(self, row: tuple[Any, ...], files: Mapping[int, str]) -> Job | None:
        try:
            return _read(row, files)
        except (RequestError, ValueError, TypeError) as refusal:        # a version with other fields, or somebody's hand
            log.warning("Job %s cannot be read any more: %s", row[0], refusal)
            with self._lock, self._db:
                self._db.execute("UPDATE jobs SET status = 'failed', error = ? WHERE id = ? AND status IN ('queued', 'running')",
                                 (shown(str(refusal), 500), row[0]))
            return None

    # -- the queue's own state -----------------------------------------------------------------------------------------

    def state(self, name: str) -> str:
        with self._lock:
            row = self._db.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        return row[0] if row else ""

    def set_state(self, name: str, value: str) -> None:
        with self._lock, self._db:
            self._db.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (name, value))


def _complete(db: sqlite3.Connection) -> None:
    """Add the columns that version 1 had not. Raises sqlite3.DatabaseError for a table that lacks others."""
    for table, columns in TABLES.items():
        there = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
        for column in (name for name in columns.split(", ") if name not in there):
            if column not in ADDED:
                raise sqlite3.DatabaseError(f"its table {table} has no column {column}")
            db.execute(f"ALTER TABLE {table} ADD COLUMN {column} DEFAULT {ADDED[column]}")


def _read(row: tuple[Any, ...], files: Mapping[int, str]) -> Job:
    """A job of its row. Raises RequestError, ValueError, TypeError for a row that no version of this wrote."""
    job, text, kind, status, owner, created, started, ended, notes, error, fraction, payload, pictures = row
    return Job(job, GenerationRequest.from_json(text), kind, Status(status), owner, float(created), float(started), float(ended),
               dict(files), _notes(notes), error or "", float(fraction), payload=payload or "", pictures=int(pictures or 0))


def _notes(text: Any) -> tuple[str, ...]:
    """The notes of a row; none where they cannot be read: the pictures matter more."""
    try:
        return tuple(map(str, json.loads(text)))
    except (ValueError, TypeError, RecursionError):
        return ()
