"""Lists of wildcard values: text files, one value a line, `#` begins a comment, sub-folders are part of the name."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path

from pipelines.spec.errors import FieldError, unknown

FILE_LIMIT = 2_000_000      # bytes
LINE_LIMIT = 2_000          # characters


class Lists:
    """The lists of several folders; of two with one name the later folder's wins (the user's over ours)."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self.folders = tuple(folders)

    def names(self) -> list[str]:
        return sorted(self._files())

    def values(self, name: str) -> tuple[str, ...]:
        """The lines of one list. Raises FieldError naming the list: missing, too large, no text, empty."""
        file = self._files().get(name)
        if file is None:
            raise unknown("Wildcard", name, self.names(), "Put a text file of that name into the wildcards folder")
        try:
            state = file.stat()
            if not stat.S_ISREG(state.st_mode):     # a pipe would be waited for
                raise FieldError("Wildcard", name, "its list is not a file")
            if state.st_size > FILE_LIMIT:
                raise FieldError("Wildcard", name, "its list is too large", f"up to {FILE_LIMIT // 1_000_000} MB")
            lines = file.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError:
            raise FieldError("Wildcard", name, "its list is not UTF-8 text", "UTF-8", "Save it as UTF-8") from None
        except OSError as error:
            raise FieldError("Wildcard", name, f"its list cannot be read ({error.strerror})") from None
        found = tuple(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))
        if not found:
            raise FieldError("Wildcard", name, "its list is empty", "one value a line")
        long = next((number for number, line in enumerate(lines, 1) if len(line) > LINE_LIMIT), 0)
        if long:
            raise FieldError("Wildcard", name, f"line {long} of its list is too long", f"up to {LINE_LIMIT} characters")
        return found

    def _files(self) -> dict[str, Path]:
        return {file.relative_to(folder).with_suffix("").as_posix(): file
                for folder in self.folders if folder.is_dir() for file in sorted(folder.rglob("*.txt"))}
