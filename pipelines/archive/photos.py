"""Photos of a person among the kept pictures: which crop took the place of which, and what shall go as soon as no job needs it.

Beside the pictures, so that a restart forgets neither: "delete all" must leave nothing of a photo. It knows no queue.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image

from pipelines.archive.disk import Disk, aside
from pipelines.archive.inputs import Inputs
from pipelines.spec.param import SHA256

NAME = "photos.json"
log = logging.getLogger(__name__)


class Photos:
    """Safe to use from several threads; the queue is asked before the lock is taken, never under it.

    needed: names of pictures that a job needs - with True one that waits or runs, with False any that the queue still lists.
    """

    def __init__(self, inputs: Inputs, needed: Callable[[bool], set[str]], disk: Disk | None = None) -> None:
        self._inputs, self._needed, self._disk = inputs, needed, disk or Disk()
        self._path = inputs.folder / NAME
        self._lock = threading.RLock()
        self._older, self._leaving = self._read()      # crops in whose place a newer one stands, by that one; names

    def keep(self, picture: Image.Image, instead: str = "") -> str:
        """The name of the crop `picture`; the one it stands `instead` of is deleted, unless a job of the queue names it.

        Such a one goes with the photo. Raises StorageError.
        """
        name = self._inputs.keep(picture)
        needed = self._needed(False)
        with self._lock:
            before = [one for one in (*self._older.pop(instead, []), instead) if one not in ("", name)]
            held = [*self._older.pop(name, []), *(one for one in before if one in needed)]
            if held:
                self._older[name] = held
            self._leaving.discard(name)
            self._write()
            self._inputs.forget([one for one in before if one not in needed])
        return name

    def delete(self, names: Sequence[str]) -> tuple[int, int]:
        """Delete these and every older crop of theirs, at once or when the last job that waits or runs with it has ended.

        (how many of `names` are gone, how many pictures go later). Raises StorageError; what is left goes at the next chance.
        """
        needed = self._needed(True)
        with self._lock:
            there = {name for name in names if self._kept(name)}
            going = there | {old for name in names for old in self._older.pop(name, []) if self._kept(old)}
            self._leaving |= going
            self._write()
            self._go(needed)
            return len(there - self._leaving), len(going & self._leaving)

    def sweep(self) -> None:
        """Delete what was to go and is needed no more. Raises nothing: it is tried again at the next chance."""
        if not self._leaving:
            return
        try:
            needed = self._needed(True)
            with self._lock:
                self._go(needed)
        except Exception as error:      # the worker must take the next job
            log.warning("Photos that were to go are still there (%s).", error)

    def _go(self, needed: set[str]) -> None:
        for name in sorted(self._leaving - needed):
            self._inputs.forget([name])
            self._leaving.discard(name)
        self._write()

    def _kept(self, name: str) -> bool:
        return bool(SHA256.fullmatch(name)) and (self._inputs.folder / f"{name}.png").is_file()

    # -- the file ------------------------------------------------------------------------------------------------------

    def _read(self) -> tuple[dict[str, list[str]], set[str]]:
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
            older = {str(name): [str(one) for one in crops] for name, crops in data["older"].items()}
            return older, {str(name) for name in data["leaving"]}
        except FileNotFoundError:
            return {}, set()
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            aside(self._path, "The list of older photos", error)
            return {}, set()

    def _write(self) -> None:
        """What cannot be written is remembered until the studio ends."""
        data: dict[str, Any] = {"version": 1, "older": self._older, "leaving": sorted(self._leaving)}
        try:
            if self._older or self._leaving:
                self._disk.overwrite(self._path, json.dumps(data, indent=0).encode())
            else:
                self._disk.remove(self._path)
        except OSError as error:
            log.warning("The list of older photos could not be written: %s", error)
