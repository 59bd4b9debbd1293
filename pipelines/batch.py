"""Many pictures through img2img or inpaint: which ones, under which mask, and under which name each result is kept.

The job's request is the base, its payload the list of pictures; picture `n` of the list makes the indices n·c … n·c+c-1,
where c is what one request of the base makes. Files of a folder are read when their turn comes, not before.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Self

from pipelines.spec.errors import Cancelled, FieldError, ImageFileError, RequestError, StudioError
from pipelines.spec.events import Emit, Note
from pipelines.spec.geometry import Size
from pipelines.spec.param import SHA256
from pipelines.spec.paths import expanded, utf8
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.loops import loops_of
from pipelines.tasks.start import suited

if TYPE_CHECKING:
    from pipelines.queue import Job
    from pipelines.studio import Studio

KIND = "batch"
VERSION = 1
MOST = 10_000           # pictures of one batch
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
LONGEST = 200           # bytes of a result's name in UTF-8; a disk takes 255, and suffix and numbers come to it


@dataclass(frozen=True)
class Entry:
    """One picture. name: as it was given, relative, with `/`.   picture, mask: a file, or a kept picture's 64 hex digits."""

    name: str
    picture: str
    mask: str = ""


@dataclass(frozen=True)
class Batch:
    """base: everything but the picture, its seeds drawn.   masked: every picture needs its own mask.

    own_size: each is painted at about its own size, else all at the base's.   folder: of the results, below the outputs.
    """

    base: GenerationRequest
    entries: tuple[Entry, ...]
    masked: bool = False
    own_size: bool = False
    folder: str = ""

    @property
    def each(self) -> int:
        """Results of one picture."""
        return self.base.count

    @property
    def count(self) -> int:
        return len(self.entries) * self.each

    def file(self, index: int) -> str:
        """Where result `index` is kept: the picture's own name and sub-folder, without suffix."""
        entry, number = self.entries[index // self.each], index % self.each
        path = PurePosixPath(entry.name)
        stem = path.stem if self._namesakes[str(path.with_suffix(""))] == 1 else f"{path.stem}-{path.suffix[1:]}"
        folders = (safe(part) for part in (*PurePosixPath(self.folder).parts, *path.parent.parts))
        return "/".join((*folders, safe(stem) + (f"-{number + 1}" if self.each > 1 else "")))

    @cached_property
    def _namesakes(self) -> Counter[str]:
        """How many pictures have one name when suffixes are left off."""
        return Counter(str(PurePosixPath(e.name).with_suffix("")) for e in self.entries)

    def request(self, studio: Studio, index: int) -> GenerationRequest:
        """What makes result `index`; its picture and mask are kept now. Raises StudioError for what cannot be used."""
        entry = self.entries[index // self.each]
        if self.masked and not entry.mask:
            raise FieldError("Mask", entry.name, "there is none of that name")
        changes: dict[str, Any] = {"init": {"image": kept(studio, entry.picture)}}
        if entry.mask:
            changes["inpaint"] = {"mask": kept(studio, entry.mask)}
        if self.own_size:
            family = studio.model(self.base.model).family
            size = suited(Size(*studio.inputs.open(changes["init"]["image"]).size), family.native_px, family.size_step)
            changes |= {"width": size.width, "height": size.height}
        return studio.check(self.base.image(index % self.each).merged(changes))

    def to_json(self) -> str:
        """The pictures alone; the base request travels beside them."""
        return json.dumps({"version": VERSION, "masked": self.masked, "own_size": self.own_size, "folder": self.folder,
                           "entries": [[e.name, e.picture, e.mask] for e in self.entries]}, separators=(",", ":"))

    @classmethod
    def of_json(cls, base: GenerationRequest, text: str) -> Self:
        """Raises RequestError for what `to_json` did not write."""
        try:
            data = json.loads(text)
            if data["version"] != VERSION:
                raise ValueError(f"version {data['version']}")
            return cls(base, tuple(Entry(*map(str, e)) for e in data["entries"]), bool(data["masked"]),
                       bool(data["own_size"]), str(data["folder"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise RequestError([FieldError("Batch", text[:40], f"cannot be read any more ({error})")]) from None


def safe(part: str) -> str:
    """One part of a path that every disk and the gallery take, of at most LONGEST bytes."""
    clean = "".join("_" if c in '\\:/*?"<>|' or c < " " else c for c in utf8(part)).strip(" .")
    return clean.encode()[:LONGEST].decode("utf-8", "ignore").rstrip(" .") or "_"


def kept(studio: Studio, picture: str) -> str:
    """The name of a picture given as a file or as a kept name. Raises ImageFileError, StorageError."""
    if SHA256.fullmatch(picture):
        return picture
    return studio.inputs.keep_file(Path(picture))


# -- which pictures ----------------------------------------------------------------------------------------------------

def in_folder(folder: str | Path, masks: str | Path = "", beside: str | Path = "") -> tuple[Entry, ...]:
    """The pictures in `folder` and below, by name. Hidden ones, the masks and those in the folder `beside` are left out.

    masks: a folder with masks of the same relative names (suffixes may differ); a single one, or a file, counts for all.
    Raises FieldError: no such folder, no picture in it, too many.
    """
    root = expanded("Folder", folder)
    others = [expanded(label, other).resolve() for label, other in (("Mask folder", masks), ("Folder", beside)) if other]
    found = [(utf8(name), str(root / name)) for name in pictures_in(root, "Folder", others)]
    if not masks:
        return given(found)
    where = expanded("Mask folder", masks)
    if os.path.isfile(where):
        return given(found, [(where.name, str(where))])
    return given(found, [(utf8(name), str(where / name)) for name in pictures_in(where, "Mask folder")])


def pictures_in(root: Path, label: str, without: Sequence[Path] = ()) -> list[str]:
    """Relative names of the picture files below `root` but not in the folders `without`, sorted; links are not followed."""
    if not os.path.isdir(root):         # which takes a name too long for the disk for none, unlike Path.is_dir
        raise FieldError(label, str(root), "no such folder")
    names: list[str] = []
    for at, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and (Path(at) / f).resolve() not in without)
        names += [(Path(at) / f).relative_to(root).as_posix() for f in files
                  if not f.startswith(".") and f.lower().endswith(SUFFIXES)]
        if len(names) > MOST:
            raise FieldError(label, str(root), f"more than {MOST} pictures", f"up to {MOST}", "Take a smaller folder")
    if not names:
        raise FieldError(label, str(root), "no picture in it", ", ".join(s[1:].upper() for s in SUFFIXES))
    return sorted(names)


def given(pictures: Sequence[tuple[str, str]], masks: Sequence[tuple[str, str]] = ()) -> tuple[Entry, ...]:
    """Entries of single files, (name, file or kept name) each; one mask counts for all, several go by their names."""
    if len(pictures) > MOST:
        raise FieldError("Pictures", len(pictures), "too many", f"up to {MOST}")
    unique: dict[str, str] = {}
    for name, file in pictures:
        path, number = PurePosixPath(name), 2
        while name in unique:           # two uploads of one name from two folders
            name, number = f"{path.stem}-{number}{path.suffix}", number + 1
        unique[name] = file
    by_stem = {_stem(name): file for name, file in masks}
    only = masks[0][1] if len(masks) == 1 else ""
    return tuple(Entry(name, file, by_stem.get(_stem(name), only)) for name, file in unique.items())


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))


# -- as a job ----------------------------------------------------------------------------------------------------------

def batch_of(studio: Studio, base: GenerationRequest, entries: Sequence[Entry], masked: bool = False,
             own_size: bool = False) -> Batch:
    """A batch whose base is checked together with its first usable picture, its seeds drawn.

    Raises FieldError when there is no picture, RequestError for what no picture could be painted with.
    """
    if not entries:
        raise FieldError("Pictures", "", "there are none", fix="Choose pictures or a folder")
    if loops_of(base) > 1:
        raise FieldError("Loops", loops_of(base), "not together with several pictures", "1")
    base = studio.hooks.transform_request(base).drawn()
    batch = Batch(base, tuple(entries), masked, own_size)
    for at in range(len(entries)):
        try:
            batch.request(studio, at * batch.each)
            return batch
        except (ImageFileError, FieldError) as error:       # this picture or its mask: the next may do
            refusal: StudioError = error
    raise refusal


def submit(studio: Studio, batch: Batch, owner: str = "", key: str | None = None) -> str:
    """Queue the whole batch as one job; its request shows the first picture. Raises QueueFull, StorageError."""
    parts: dict[str, Any] = {"init": {}} | ({"inpaint": {}} if batch.masked or any(e.mask for e in batch.entries) else {})
    shown = batch.base.merged(parts)
    return studio.queue.submit(shown, KIND, key, owner, (batch.to_json(), batch.count))


def run(studio: Studio, job: Job, emit: Emit) -> None:
    """Paint and save the missing results of a job of the queue, in a folder named after it."""
    batch = Batch.of_json(job.request, job.payload)
    day = time.strftime("%Y-%m-%d", time.localtime(job.created))
    paint(studio, replace(batch, folder=f"{day}/batch-{job.id[:8]}"), emit, job.id, job.finished)


def paint(studio: Studio, batch: Batch, emit: Emit, job: str = "", done: frozenset[int] = frozenset()) -> dict[int, str]:
    """Paint and save the results not in `done`. Returns the error of each that could not be; the others go on.

    Raises the last error when not one could be painted.
    """
    errors: dict[int, str] = {}
    last: list[StudioError] = []
    missing = [index for index in range(batch.count) if index not in done]

    def failed(index: int, error: StudioError) -> None:
        errors[index] = str(error)
        last[:] = [error]
        emit(Note(f"{batch.entries[index // batch.each].name}: {error}"))

    for finished in studio.engine.run_cells(missing, lambda index: batch.request(studio, index), emit, failed):
        studio.keep(finished, emit, job, batch.file(finished.index))
    if missing and len(errors) == len(missing) and not isinstance(last[0], Cancelled):
        raise last[0]
    return errors
