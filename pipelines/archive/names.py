"""Names of pictures in the outputs folder: which one is next, and which ones lie inside it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pipelines.spec.errors import FieldError

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
TRASH = ".trash"


def next_number(before: str, after: str, *folders: Path) -> int:
    """One more than the highest number between these texts in names of the folders, so that a clock that runs backwards repeats
    none."""
    highest, numbered = -1, re.compile(rf"{re.escape(before)}(\d{{5,9}}){re.escape(after)}")
    for folder in folders:
        if folder.is_dir():
            with os.scandir(folder) as entries:
                highest = max([highest, *(int(m[1]) for e in entries if (m := numbered.match(e.name)))])
    return highest + 1


def free(path: Path) -> Path:
    """`path`, or one beside it with a number when that is taken; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wanted, number = path, 2
    while wanted.exists():
        wanted, number = path.with_name(f"{path.stem}-{number}{path.suffix}"), number + 1
    return wanted


def inside(root: Path, file: str) -> Path:
    """The picture `file` (relative, with `/`) under `root`. Raises FieldError for everything else on this disk."""
    pure = PurePosixPath(file)
    strange = any(c in file for c in "\0\\:") or pure.is_absolute() or len(file) > 1000
    if strange or any(part.startswith(".") for part in pure.parts) or pure.suffix.lower() not in PICTURES:
        raise _refused(file, "not a picture of the outputs folder")
    try:
        path = (root / pure).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise _refused(file, "no such picture") from None
    if not path.is_relative_to(root.resolve()) or not path.is_file():
        raise _refused(file, "not a picture of the outputs folder")
    return path


def _refused(file: str, why: str) -> FieldError:
    return FieldError("File", file, why)


def folders_of(root: Path) -> Iterator[str]:
    """Folders below `root` that may hold pictures, relative with `/`, the root itself as ""; links are not followed."""
    stack = [""]
    while stack:
        folder = stack.pop()
        yield folder
        try:
            with os.scandir(root / folder) as entries:
                below = [e.name for e in entries if not e.name.startswith(".") and e.is_dir(follow_symlinks=False)]
        except OSError:         # gone or unreadable since it was listed
            continue
        stack += [f"{folder}/{name}" if folder else name for name in below]
