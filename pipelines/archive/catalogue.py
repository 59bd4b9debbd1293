"""The index as the archive asks it: brought up to date with the files, and replaced when it fails. The files are the truth."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pipelines.archive.index import Index, Row
from pipelines.archive.scan import refresh
from pipelines.spec.errors import StorageError

T = TypeVar("T")
log = logging.getLogger(__name__)


class Catalogue:
    """Safe to use from several threads."""

    def __init__(self, root: Path) -> None:
        self.root, self.index = root, Index(root)
        self._refreshing = threading.Lock()

    def close(self) -> None:
        self.index.close()

    def note(self, row: Row) -> None:
        """Put a picture in that was just saved; an index that refuses finds it later among the files."""
        try:
            self.index.add([row])
        except sqlite3.Error as error:
            log.warning("The index does not know %s yet: %s", row.item.file, error)

    def ask(self, question: Callable[[Index], T]) -> T:
        """The index's answer; one that cannot answer is replaced by a new one, once. Raises StorageError."""
        try:
            return question(self.index)
        except sqlite3.Error as error:
            log.warning("The index failed: %s", error)
        self.index.start_again()
        self.refresh()
        try:
            return question(self.index)
        except sqlite3.Error as error:
            raise StorageError(f"Outputs: the index cannot be read ({error}).") from error

    def refresh(self, wait: bool = True) -> int:
        """Take up files added or removed by hand. Returns how many were read; 0 while another thread does it."""
        if not self._refreshing.acquire(blocking=wait):
            return 0
        try:
            return self._refreshed()
        except sqlite3.Error as error:
            log.warning("The index could not be brought up to date: %s", error)
            return 0
        finally:
            self._refreshing.release()

    def _refreshed(self) -> int:
        """Once more with an index that can be written, when this one cannot."""
        if self.index.lost:
            self.index.start_again()
        try:
            return refresh(self.root, self.index)
        except sqlite3.OperationalError as error:       # a full or read-only disk, or another process's lock
            log.warning("The index of the outputs goes on in memory: %s", error)
            self.index.move_into_memory()
        except sqlite3.Error as error:
            log.warning("The index failed: %s", error)
            self.index.start_again()
        return refresh(self.root, self.index)

    def rebuild(self) -> int:
        """Make the index anew from the files alone. Returns how many there are."""
        self.ask(lambda index: index.clear())
        return self.refresh()
