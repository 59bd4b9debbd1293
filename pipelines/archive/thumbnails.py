"""Smaller JPEGs of the pictures, for lists and for browsers, made when saved or first asked for. They may be deleted."""

from __future__ import annotations

import io
import logging
from pathlib import Path

from PIL import Image

from pipelines.archive.disk import Disk
from pipelines.images import open_image
from pipelines.spec.errors import ImageFileError

FOLDER, VIEWS = ".thumbs", ".views"
SIDE, VIEW_SIDE = 384, 2560     # pixels, the longer one: in a list, on a whole screen
log = logging.getLogger(__name__)


class Thumbnails:
    """Lie under `folder` with the names of their pictures."""

    def __init__(self, root: Path, disk: Disk, folder: str = FOLDER, side: int = SIDE) -> None:
        self.root, self._disk, self._folder, self._side = root, disk, folder, side

    def path(self, file: str) -> Path:
        return self.root / self._folder / f"{file}.jpg"

    def make(self, file: str, picture: Image.Image) -> Path | None:
        """Write the thumbnail of `picture`. None when it could not be written: that is never worth an error."""
        small = picture.copy() if max(picture.size) <= self._side else _reduced(picture, self._side)
        data = io.BytesIO()
        try:
            small.convert("RGB").save(data, "JPEG", quality=85)
            path = self.path(file)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._disk.overwrite(path, data.getvalue(), durable=False)
        except (OSError, ValueError) as error:
            log.warning("No thumbnail of %s: %s", file, error)
            return None
        return path

    def of(self, file: str, picture: Path) -> Path | None:
        """The thumbnail of the file `picture`, made now if it is missing or older; None when that is impossible."""
        path = self.path(file)
        try:
            if path.stat().st_mtime >= picture.stat().st_mtime and path.stat().st_size:
                return path
        except OSError:
            pass
        try:
            return self.make(file, open_image(picture))
        except ImageFileError as error:
            log.warning("No thumbnail of %s: %s", file, error)
            return None

    def forget(self, file: str) -> None:
        try:
            self._disk.remove(self.path(file))
        except OSError as error:
            log.warning("The thumbnail of %s stays: %s", file, error)


def _reduced(picture: Image.Image, side: int) -> Image.Image:
    """`picture` fitted into a square of `side`; a large one is halved by boxes first and not copied whole."""
    factor = max(1, max(picture.size) // (2 * side))
    small = picture.reduce(factor) if factor > 1 else picture.copy()
    small.thumbnail((side, side), Image.Resampling.BICUBIC)
    return small
