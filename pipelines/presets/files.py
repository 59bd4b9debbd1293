"""Small text files that must not be lost: written whole or not at all, and kept aside when they are broken."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path

from pipelines.spec.errors import StorageError


def write(file: Path, text: str | bytes) -> None:
    """Write whole or not at all: temporary file, fsync, rename, fsync of the folder. Raises StorageError."""
    temporary: Path | None = None
    try:
        data = text.encode("utf-8") if isinstance(text, str) else text
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=file.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, file)
        _sync(file.parent)
    except UnicodeEncodeError:
        raise StorageError(f"Presets: {file.name} - half a character (a lone surrogate) fits into no file.") from None
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        why = error.strerror or type(error).__name__
        raise StorageError(f"Presets: {file.name} could not be written ({why}). Nothing was changed.") from None


def to_trash(file: Path, copy: bool = False) -> str:
    """Into `.trash/` beside it, under a name of its own: its token, the stem there. Raises StorageError; `file` is unharmed then.

    copy: `file` stays until what replaces it is written.
    """
    token, trash = f"{file.stem}~{time.time_ns()}", file.parent / ".trash"
    kept = trash / f"{token}{file.suffix}"
    try:
        trash.mkdir(parents=True, exist_ok=True)
        if copy:
            write(kept, file.read_bytes())
        else:
            file.rename(kept)
    except OSError as error:
        raise StorageError(f"Presets: {file.name} could not be moved to the trash ({error.strerror}).") from None
    return token


def _sync(folder: Path) -> None:
    """fsync of a folder, where the system has it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def keep_bad(file: Path) -> Path | None:
    """A copy of a broken file as `name.bad-<time of the file>`; the same broken file is copied once.

    Returns the copy, or None where the folder cannot be written (a read-only installation).
    """
    try:
        data = file.read_bytes()
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(file.stat().st_mtime))
        for extra in ("", *(f"-{n}" for n in range(2, 100))):
            copy = file.with_name(f"{file.name}.bad-{stamp}{extra}")
            if copy.exists():
                if copy.read_bytes() == data:
                    return copy
                continue
            with copy.open("xb") as out:
                out.write(data)
            return copy
    except OSError:
        return None
    return None
