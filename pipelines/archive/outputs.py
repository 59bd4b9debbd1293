"""The outputs folder: pictures are saved whole or not at all, found again, marked, trashed, restored.

The files are the truth. The index, the thumbnails and the folder's order are made from them and may be lost.
"""

from __future__ import annotations

import errno
import io
import logging
import shutil
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from PIL.Image import Image

from pipelines.archive.catalogue import Catalogue
from pipelines.archive.disk import Disk, temporary_beside
from pipelines.archive.facts import facts
from pipelines.archive.favourites import Favourites
from pipelines.archive.index import condition, row_of
from pipelines.archive.item import Item, NotSaved, difference
from pipelines.archive.moving import changed, move, why
from pipelines.archive.names import TRASH, free, inside, next_number
from pipelines.archive.scan import clean
from pipelines.archive.thumbnails import VIEW_SIDE, VIEWS, Thumbnails
from pipelines.deep import Picture, shallow
from pipelines.metadata import QUALITY, SUFFIXES, Read, check_size, from_infotext, read, read_texts, write
from pipelines.spec.errors import FieldError, StorageError
from pipelines.spec.naming import NUMBER, PATTERN, named
from pipelines.spec.request import GenerationRequest

KEPT_UNSAVED = 32       # pictures held in memory when the disk is full
LITTLE = 200 * 2**20    # bytes of free disk: some hundred pictures, or a few large ones
VIEWED = 4096 * 4096    # pixels a browser shows at once without a stall; of a larger picture it is shown a copy
log = logging.getLogger(__name__)


class Archive:
    """`root` need not exist. `pattern` is how pictures are called. `now` and `disk` are for tests. Safe from several threads."""

    def __init__(self, root: Path, disk: Disk | None = None, now: Callable[[], datetime] = datetime.now,
                 pattern: str = PATTERN) -> None:
        self.root, self._pattern = Path(root), pattern
        self._disk, self._now = disk or Disk(), now
        self._naming = threading.Lock()
        self._unsaved: deque[NotSaved] = deque(maxlen=KEPT_UNSAVED)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:        # the page opens all the same; the first save will say why it cannot be
            log.warning("The outputs folder cannot be made: %s", error)
        clean(self.root, self._disk)
        self.favourites = Favourites(self.root, self._disk)
        self.thumbnails = Thumbnails(self.root, self._disk)
        self.views = Thumbnails(self.root, self._disk, VIEWS, VIEW_SIDE)
        self.catalogue = Catalogue(self.root)

    def close(self) -> None:
        self.catalogue.close()

    # -- saving --------------------------------------------------------------------------------------------------------

    def save(self, image: Picture, request: GenerationRequest | str, extra: Mapping[str, Any] | None = None,
             format: str = "png", quality: int = QUALITY, file: str = "") -> Item:
        """Save one picture with the request that makes it again; `extra` goes into its metadata (see `metadata.write`).

        request: for a picture of another program that was worked over, that program's text.
        file: the name it shall have, relative and without suffix, where that is free and the disk can hold such a name; else it
        gets one by the archive's pattern. What `format` cannot hold becomes a PNG. Both are logged.
        `job` and `index` in `extra` let the queue find its pictures again after a crash. Raises NotSaved, which carries
        the picture, when the disk refuses; a thumbnail or an index that cannot be written is only logged.
        """
        extra = extra or {}
        format = holding(image, format)
        data = io.BytesIO()
        for note in write(image, data, request, extra, format, quality):
            log.warning("%s", note)
        own = named(self._pattern, request if isinstance(request, GenerationRequest) else None, self._now())
        try:
            path = self._named(data.getvalue(), own, SUFFIXES[format], file)
        except OSError as error:
            lost = NotSaved(image, request, extra, why(error), file)
            self._unsaved.append(lost)
            raise lost from error
        file = path.relative_to(self.root).as_posix()
        self._reduced(file, shallow(image))
        told = from_infotext(request) if isinstance(request, str) else Read(
            request.model_dump(mode="json", exclude_none=True), source="Atelier")
        row = row_of(file, file.rpartition("/")[0], {
            "time": path.stat().st_mtime_ns / 1e9, "bytes": data.tell(), "size": image.size, "source": told.source,
            "request": told.request, "made": extra}, trashed=False)
        self.catalogue.note(row)
        return row.item

    def _named(self, data: bytes, own: str, suffix: str, file: str) -> Path:
        """Called `file`; by the archive's pattern when the disk cannot hold a name that long, which no room on it would mend."""
        try:
            return self._store(data, suffix, file or own)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG or not file:
                raise
            log.warning("Outputs: %s… - the name is too long for the disk; the picture is numbered.", file[:60])
            return self._store(data, suffix, own)

    def _store(self, data: bytes, suffix: str, file: str) -> Path:
        def final() -> Path:
            folder, _, name = file.rpartition("/")
            before, numbered, after = f"{name}{suffix}".partition(NUMBER)
            if not numbered:
                return free(self.root / folder / before)
            (self.root / folder).mkdir(parents=True, exist_ok=True)
            number = next_number(before, after[:1], self.root / folder, self.root / TRASH / folder)
            return self.root / folder / f"{before}{number:05d}{after}"

        with self._naming:
            return self._disk.store(final, data)

    def _reduced(self, file: str, picture: Image) -> None:
        """The small copies by which it is listed and viewed, made while its pixels are at hand."""
        self.thumbnails.make(file, picture)
        if picture.width * picture.height > VIEWED:
            self.views.make(file, picture)

    @property
    def unsaved(self) -> tuple[NotSaved, ...]:
        """Finished pictures that wait in memory for room on the disk."""
        return tuple(self._unsaved)

    def save_again(self) -> list[Item]:
        """Try to save what waits; raises NotSaved at the first that still cannot be."""
        saved = []
        while self._unsaved:
            lost = self._unsaved.popleft()
            saved.append(self.save(lost.image, lost.request, lost.extra, "png16", file=lost.file))     # nothing is lost
        return saved

    def check(self) -> str:
        """Raise StorageError, one line, where nothing could be saved: before anything is painted that would be lost.

        The line about little room, "" where there is enough.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe = temporary_beside(self.root / "probe")
            try:
                self._disk.write(probe, bytes(4096))
            finally:
                self._disk.remove(probe)
        except OSError as error:
            raise StorageError(f"Outputs: {self.root} - nothing can be saved there ({why(error)}). Make room, or choose another "
                               "folder for the pictures.") from error
        if (left := self.free_bytes()) >= LITTLE:
            return ""
        return f"Outputs: {left >> 20} MiB are left on the disk of {self.root}. Make room, or not every picture may be saved."

    def free_bytes(self) -> int:
        """Room left on the disk of the outputs folder; 0 when it is gone."""
        try:
            return shutil.disk_usage(self.root).free
        except OSError:
            return 0

    # -- looking -------------------------------------------------------------------------------------------------------

    def items(self, query: str = "", favourites: bool = False, trash: bool = False, limit: int = 60,
              offset: int = 0, oldest: bool = False) -> list[Item]:
        """Pictures, newest first, or the oldest. `query`: words of prompt, model, sampler, name; also `sampler:"DPM++ 2M"`."""
        self.refresh(wait=False)
        where, values = condition(query, trash, self.favourites.all() if favourites else None)
        return [self._marked(item) for item in self.catalogue.ask(lambda index: index.find(where, values, limit, offset, oldest))]

    def count(self, query: str = "", favourites: bool = False, trash: bool = False) -> int:
        """How many `items` there are in all."""
        where, values = condition(query, trash, self.favourites.all() if favourites else None)
        return self.catalogue.ask(lambda index: index.count(where, values))

    def get(self, file: str, trash: bool = False) -> Item:
        """One picture, read from its file. Raises FieldError for what is none of the archive's."""
        found = facts(self.open(file, trash))
        if found is None:
            raise FieldError("File", file, "cannot be read")
        return self._marked(row_of(file, "", found, trash).item)

    def open(self, file: str, trash: bool = False) -> Path:
        """The path of a picture. Raises FieldError for every name that leads out of the outputs folder."""
        return inside(self.root / TRASH if trash else self.root, file)

    def read(self, file: str, trash: bool = False) -> Read:
        """What the picture says of how it was made, checked value by value."""
        return read(self.open(file, trash))

    def thumbnail(self, file: str, trash: bool = False) -> Path:
        """A small JPEG of the picture; the picture itself when none can be made."""
        path = self.open(file, trash)
        return self.thumbnails.of(file, path) or path

    def view(self, file: str, trash: bool = False) -> Path:
        """What a page shows of the picture: itself, or a copy of `VIEW_SIDE` pixels of one too large for a browser."""
        path = self.open(file, trash)
        width, height = read_texts(path, brief=True).size
        return self.views.of(file, path) or path if width * height > VIEWED else path

    def diff(self, first: str, second: str) -> list[tuple[str, Any, Any]]:
        """(label, value of the first, value of the second) for every field in which two pictures differ."""
        return difference(self.read(first).request, self.read(second).request)

    def refresh(self, wait: bool = True) -> int:
        """Take up files added or removed by hand; see `Catalogue.refresh`."""
        return self.catalogue.refresh(wait)

    def rebuild(self) -> int:
        """Make the index anew from the files alone. Returns how many there are."""
        return self.catalogue.rebuild()

    def of_job(self, job: str) -> dict[int, str]:
        """Pictures of one job on the disk, by their index in it."""
        self.refresh()
        return self.catalogue.ask(lambda index: index.of_job(job))

    def _marked(self, item: Item) -> Item:
        return replace(item, favourite=item.file in self.favourites)

    # -- marking and throwing away -------------------------------------------------------------------------------------

    def favourite(self, *files: str, on: bool = True) -> None:
        """Mark pictures, or take the marks away. Raises FieldError, StorageError."""
        for file in files:
            self.open(file)
        names = frozenset(files)
        changed(lambda: self.favourites.change(add=names) if on else self.favourites.change(remove=names))

    def trash(self, file: str) -> str:
        """Move a picture to the trash. Returns its name there, for `restore`. Raises FieldError, StorageError."""
        return self.trash_all([file])[0]

    def trash_all(self, files: Sequence[str]) -> list[str]:
        """Move pictures to the trash, none where one of them is not there. Returns their names there."""
        return self._move(files, into_trash=True)

    def restore(self, file: str) -> str:
        """Bring a picture back from the trash; when its name is taken it gets another. Returns the name."""
        return self.restore_all([file])[0]

    def restore_all(self, files: Sequence[str]) -> list[str]:
        """Bring pictures back from the trash, none where one of them is not there. Returns their names."""
        return self._move(files, into_trash=False)

    def empty_trash(self) -> int:
        """Delete what is in the trash for good. Returns how many pictures went."""
        self.refresh()
        gone = [item.file for item in self.catalogue.ask(lambda index: index.find(*condition("", True), 1_000_000, 0))]
        for file in gone:
            changed(partial(self._disk.remove, self.root / TRASH / file))
            self.thumbnails.forget(file)
            self.views.forget(file)
        self.catalogue.ask(lambda index: index.remove(gone, trashed=True))
        alive = frozenset(f for f in gone if (self.root / f).exists())
        changed(lambda: self.favourites.change(remove=frozenset(gone) - alive))
        return len(gone)

    def _move(self, files: Sequence[str], into_trash: bool) -> list[str]:
        sources = [self.open(file, trash=not into_trash) for file in files]
        base = self.root / TRASH if into_trash else self.root
        try:
            return [move(self._disk, source, base, file) for source, file in zip(sources, files, strict=True)]
        finally:
            self.refresh()


def holding(image: Picture, format: str) -> str:
    """`format`, or the PNG that holds a picture too large for it. Raises nothing: an unknown one is refused when it is written."""
    try:
        check_size(image.size, format)
    except FieldError as error:
        log.warning("%s It is saved as PNG.", error)
        return "png16"
    return format
