"""Which pictures are favourites: a small JSON file beside them, so that a lost index costs none."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path

from pipelines.archive.disk import Disk, aside

NAME = ".favourites.json"
log = logging.getLogger(__name__)


class Favourites:
    """File names, on the disk after every change. A change raises OSError when it could not be written."""

    def __init__(self, root: Path, disk: Disk) -> None:
        self.path, self._disk, self._lock = root / NAME, disk, threading.Lock()
        self._files = self._read()

    def _read(self) -> frozenset[str]:
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
            return frozenset(str(f) for f in data["files"])
        except FileNotFoundError:
            return frozenset()
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            aside(self.path, "The list of favourites", error)
            return frozenset()

    def __contains__(self, file: object) -> bool:
        return file in self._files

    def all(self) -> frozenset[str]:
        return self._files

    def change(self, add: frozenset[str] = frozenset(), remove: frozenset[str] = frozenset()) -> None:
        with self._lock:
            files = (self._files | add) - remove
            if files == self._files:
                return
            text = json.dumps({"version": 1, "files": sorted(files)}, indent=0)
            self._disk.overwrite(self.path, text.encode())
            self._files = files
