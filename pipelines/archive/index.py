"""The gallery's index: a SQLite cache of what the files say. It may be lost at any time; the files are the truth."""

from __future__ import annotations

import json
import logging
import re
import sqlite3
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.archive.item import Item
from pipelines.spec.paths import utf8

SCHEMA = 2
NAME = ".index.sqlite"
COLUMNS = "file, folder, made, bytes, width, height, source, request, words, job, job_index, trashed"
_MARKS = {"model": "\1", "sampler": "\2", "schedule": "\3", "seed": "\4", "vae": "\5", "source": "\6", "from": "\7"}
"""Characters no query can contain; in `words` one stands before each field's value and _END behind it."""
_END = "\x1f"
_TERM = re.compile(r'(?:(model|sampler|schedule|seed|vae|source|from|day):)?(?:"([^"]*)"|(\S+))', re.IGNORECASE)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """What the index keeps of one file."""

    item: Item
    folder: str
    job: str = ""
    job_index: int = -1


class Index:
    """One connection behind one lock. Every method may raise sqlite3.Error; the archive then starts a new index."""

    def __init__(self, root: Path) -> None:
        self.path = root / NAME
        self._lock = threading.RLock()
        self._in_memory = False
        self._db = self._open()

    def _open(self) -> sqlite3.Connection:
        """The file; in memory where the disk refuses. A damaged or older file is moved aside."""
        try:
            return self._prepared(sqlite3.connect(self.path, check_same_thread=False, timeout=10))
        except sqlite3.OperationalError as error:
            log.warning("The index of the outputs stays in memory: %s", error)
            return self._only_in_memory()
        except sqlite3.DatabaseError as error:
            self._aside(str(error))
        try:
            return self._prepared(sqlite3.connect(self.path, check_same_thread=False, timeout=10))
        except sqlite3.DatabaseError:           # a read-only folder with a damaged file in it
            return self._only_in_memory()

    def _only_in_memory(self) -> sqlite3.Connection:
        self._in_memory = True
        return self._prepared(sqlite3.connect(":memory:", check_same_thread=False))

    def _prepared(self, db: sqlite3.Connection) -> sqlite3.Connection:
        try:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if not 0 <= version <= SCHEMA:
                raise sqlite3.DatabaseError(f"schema {version}")
            if version and db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("damaged")
            if 0 < version < SCHEMA:        # an older studio's: the files say it all again
                with db:
                    db.execute("DROP TABLE items")
                    db.execute("DROP TABLE folders")
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")     # a cache: a power loss may cost its last rows, never its shape
            with db:
                db.execute(f"CREATE TABLE IF NOT EXISTS items ({COLUMNS}, PRIMARY KEY (file, trashed))")
                db.execute("CREATE INDEX IF NOT EXISTS by_made ON items (trashed, made DESC, file DESC)")
                db.execute("CREATE INDEX IF NOT EXISTS by_job ON items (job) WHERE job != ''")
                db.execute("CREATE TABLE IF NOT EXISTS folders "
                           "(folder, trashed, changed, PRIMARY KEY (folder, trashed))")
                db.execute(f"PRAGMA user_version={SCHEMA}")
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _aside(self, why: str) -> None:
        """Keep the damaged file for whoever wants to look, and forget its journal."""
        kept = self.path.with_name(f"{NAME}.bad-{time.strftime('%Y%m%d-%H%M%S')}")
        log.warning("The index of the outputs is damaged (%s); kept as %s and made anew.", why, kept.name)
        try:
            self.path.replace(kept)
            for suffix in ("-wal", "-shm"):
                self.path.with_name(NAME + suffix).unlink(missing_ok=True)
        except OSError as error:
            log.warning("It could not be moved: %s", error)

    @property
    def lost(self) -> bool:
        """Whether somebody deleted the file under the open connection."""
        return not self._in_memory and not self.path.exists()

    def move_into_memory(self) -> None:
        """Go on in memory with what is known, when the disk takes no more rows; the next start catches the file up."""
        with self._lock:
            if self._in_memory:
                return
            memory = sqlite3.connect(":memory:", check_same_thread=False)
            self._db.backup(memory)
            self._db.close()
            self._db, self._in_memory = memory, True

    def start_again(self) -> None:
        """Throw everything away."""
        with self._lock:
            self._db.close()
            if self.path.exists():
                self._aside("it failed while it was read")
            self._in_memory = False
            self._db = self._open()

    def clear(self) -> None:
        with self._lock, self._db:
            self._db.execute("DELETE FROM items")
            self._db.execute("DELETE FROM folders")

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def add(self, rows: Iterable[Row]) -> None:
        """Insert or replace; a folder not heard of before is noted as one to be read."""
        rows = list(rows)
        values = [(r.item.file, r.folder, r.item.made, r.item.bytes, r.item.width, r.item.height, r.item.source,
                   json.dumps(r.item.request), words_of(r.item), r.job, r.job_index, int(r.item.trashed)) for r in rows]
        with self._lock, self._db:
            self._db.executemany(f"INSERT OR REPLACE INTO items ({COLUMNS}) VALUES ({', '.join('?' * 12)})",  # noqa: S608
                                 values)
            self._db.executemany("INSERT OR IGNORE INTO folders VALUES (?, ?, 0)",
                                 {(r.folder, int(r.item.trashed)) for r in rows})

    def remove(self, files: Iterable[str], trashed: bool) -> None:
        with self._lock, self._db:
            self._db.executemany("DELETE FROM items WHERE file = ? AND trashed = ?", [(f, int(trashed)) for f in files])

    def folders(self, trashed: bool) -> dict[str, int]:
        """When each folder had last changed (ns) as it was read; 0 when it must be read again."""
        with self._lock:
            return dict(self._db.execute("SELECT folder, changed FROM folders WHERE trashed = ?", (int(trashed),)))

    def files_in(self, folder: str, trashed: bool) -> dict[str, tuple[float, int]]:
        """made and bytes of each file known in a folder."""
        with self._lock:
            rows = self._db.execute("SELECT file, made, bytes FROM items WHERE folder = ? AND trashed = ?",
                                    (folder, int(trashed)))
            return {file: (made, size) for file, made, size in rows}

    def set_folder(self, folder: str, trashed: bool, changed: int | None) -> None:
        """None forgets the folder and its files."""
        with self._lock, self._db:
            if changed is None:
                self._db.execute("DELETE FROM folders WHERE folder = ? AND trashed = ?", (folder, int(trashed)))
                self._db.execute("DELETE FROM items WHERE folder = ? AND trashed = ?", (folder, int(trashed)))
            else:
                self._db.execute("INSERT OR REPLACE INTO folders VALUES (?, ?, ?)", (folder, int(trashed), changed))

    def find(self, where: str, values: Sequence[Any], limit: int, offset: int, oldest: bool = False) -> list[Item]:
        """Newest first, or oldest."""
        columns, order = "file, made, bytes, width, height, source, request, trashed", "" if oldest else "DESC"
        sql = f"SELECT {columns} FROM items WHERE {where} ORDER BY made {order}, file {order} LIMIT ? OFFSET ?"  # noqa: S608
        with self._lock:
            rows = self._db.execute(sql, (*values, limit, offset)).fetchall()
        return [Item(f, made, w, h, size, source, json.loads(request), False, bool(gone))
                for f, made, size, w, h, source, request, gone in rows]

    def count(self, where: str, values: Sequence[Any]) -> int:
        with self._lock:
            return self._db.execute(f"SELECT count(*) FROM items WHERE {where}", tuple(values)).fetchone()[0]  # noqa: S608

    def of_job(self, job: str) -> dict[int, str]:
        """Pictures of one job by their index in it, also those in the trash."""
        with self._lock:
            return dict(self._db.execute("SELECT job_index, file FROM items WHERE job = ? AND job_index >= 0", (job,)))


def words_of(item: Item) -> str:
    """What is searched: the folded texts, and single fields between marks."""
    init = item.request.get("init")
    told = {**item.request, "source": item.source, "from": init.get("image", "") if isinstance(init, dict) else ""}
    fields = "".join(f"{mark}{_plain(str(told.get(name, '')))}{_END}" for name, mark in _MARKS.items())
    prompts = [_plain(str(item.request.get(name, ""))) for name in ("prompt", "negative_prompt")]
    return fields + "\n".join([*prompts, item.file])


def _plain(text: str) -> str:
    """Folded, without marks and lone surrogates."""
    return utf8("".join(c for c in text if c >= " " or c == "\n").casefold())


def condition(query: str, trashed: bool, files: Iterable[str] | None = None) -> tuple[str, list[Any]]:
    """SQL for a search: every word must occur; `sampler:"DPM++ 2M"` and `model:mi` (a beginning), `seed:42` and
    `day:2026-11-21` (the whole value) narrow it, and `from:` the hash of the picture that was started from."""
    where = ["trashed = ?"]
    values: list[Any] = [int(trashed)]
    for field, phrase, word in _TERM.findall(query[:500]):
        wanted, mark = _plain(phrase or word), _MARKS.get(field.lower(), "")
        if field.lower() == "day":
            where.append("folder = ?")
        else:
            where.append("instr(words, ?) > 0")
            wanted = f"{mark}{wanted}{_END if field.lower() == 'seed' else ''}"
        values.append(wanted)
    if files is not None:
        where.append("file IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(list(files)))
    return " AND ".join(where), values


def row_of(file: str, folder: str, facts: Mapping[str, Any], trashed: bool) -> Row:
    """A row from what `reader.facts` found in a file."""
    made = facts["made"]
    return Row(Item(file, facts["time"], facts["size"][0], facts["size"][1], facts["bytes"], facts["source"],
                    facts["request"], False, trashed), folder, utf8(str(made.get("job", ""))), _whole(made.get("index")))


def _whole(value: Any) -> int:
    """An index as the database takes it; -1 for what is none: a file may say anything."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else -1
