"""Keeps every picture that a request starts from, named by the sha256 of its file, beside the outputs.

A request names pictures by that hash only, so it stays small JSON, and a picture made today can be made again when the
file it began with has long been moved. Nothing here knows what a picture is used for.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from PIL import Image

from pipelines.archive.disk import Disk
from pipelines.archive.moving import why
from pipelines.images import open_image
from pipelines.spec.errors import FieldError, ImageFileError, StorageError
from pipelines.spec.param import SHA256

FOLDER = ".inputs"
LENT = 32           # pictures


class Inputs:
    """A folder of PNG files that are written once and never changed."""

    def __init__(self, root: Path, disk: Disk | None = None) -> None:
        """root: the outputs folder."""
        self.folder = root / FOLDER
        self._disk = disk or Disk()
        self._lent: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, picture: Image.Image) -> str:
        """The name (64 hex digits) of `picture`, which is stored unless it is there. Raises StorageError when the disk refuses."""
        name, data = _named(picture)
        path = self.folder / f"{name}.png"
        try:
            if not path.is_file():
                self.folder.mkdir(parents=True, exist_ok=True)
                self._disk.overwrite(path, data)
        except OSError as error:
            raise StorageError(f"Picture: it could not be kept in the outputs folder ({why(error)}). Make room there or choose "
                               "another folder with --outputs-dir, then try again.") from error
        return name

    def lend(self, picture: Image.Image) -> str:
        """As `keep`, but in memory and only for the newest few: pictures of one run that no stored request names."""
        name, data = _named(picture)
        with self._lock:
            self._lent[name] = data
            self._lent.move_to_end(name)
            while len(self._lent) > LENT:
                self._lent.popitem(last=False)
        return name

    def keep_file(self, source: str | Path | bytes) -> str:
        """As `keep`, from a file or its bytes. Raises ImageFileError for what is no picture, StorageError."""
        return self.keep(open_image(source))

    def fetch(self, names: Iterable[str], file: Path) -> None:
        """Keep here too what the finished picture `file` names and its own outputs folder keeps, should that be another one.

        What is not kept there either, or cannot be copied, is missed by whoever opens it.
        """
        missing = [name for name in names if SHA256.fullmatch(name) and not (self.folder / f"{name}.png").is_file()]
        for name, folder in itertools.product(missing, file.resolve().parents):
            kept = folder / FOLDER / f"{name}.png"
            with suppress(OSError):
                if kept.is_file() and hashlib.sha256(data := kept.read_bytes()).hexdigest() == name:
                    self.folder.mkdir(parents=True, exist_ok=True)
                    self._disk.overwrite(self.folder / kept.name, data)

    def forget(self, names: Sequence[str]) -> int:
        """Delete pictures from disk and memory; how many there were. Raises StorageError when the disk refuses."""
        gone = 0
        for name in dict.fromkeys(names):
            with self._lock:
                self._lent.pop(name, None)
            try:
                self.path(name).unlink()
                gone += 1
            except FieldError:
                continue        # it was not there
            except OSError as error:
                raise StorageError(f"Photos: one could not be deleted ({error.strerror}). Delete it from {self.folder}.") from error
        return gone

    def check(self, name: str) -> None:
        """Raise FieldError when there is no such picture, neither kept nor lent."""
        if name not in self._lent:
            self.path(name)

    def path(self, name: str) -> Path:
        """The file of a kept picture. Raises FieldError when it is gone."""
        path = self.folder / f"{name}.png"
        if not SHA256.fullmatch(name) or not path.is_file():
            raise FieldError("Picture", name[:12], "this input picture is no longer kept", fix="Choose the picture again")
        return path

    def open(self, name: str) -> Image.Image:
        """The kept or lent picture, RGB or RGBA (masks: RGB). Raises FieldError when it is gone or damaged."""
        with self._lock:
            lent = self._lent.get(name)
        if lent is not None:
            return open_image(lent)
        path = self.path(name)
        try:
            return open_image(path)
        except ImageFileError:
            raise FieldError("Picture", name[:12], "its kept file is damaged", fix="Choose the picture again") from None


def _named(picture: Image.Image) -> tuple[str, bytes]:
    data = io.BytesIO()
    picture.save(data, "PNG", compress_level=4)
    return hashlib.sha256(data.getvalue()).hexdigest(), data.getvalue()
