"""What the studio says when something cannot be done: one line, in the user's words.

    StudioError              anything the user can act on; never a bug
    ├── FieldError           one field of a request: what was given, why not, what is allowed, what to do
    ├── RequestError         several FieldErrors at once
    ├── ModelFileError       a file in models/ that cannot be used, and why
    ├── ImageFileError       a picture that cannot be read, and why
    ├── OutOfMemory          the device had no room, and what was tried
    ├── Halt                 whatever comes next would meet the same: the run ends, the queue waits
    │   ├── StorageError     the disk refused; a finished picture is still in memory (NotSaved)
    │   └── DeviceLost       the device computes nothing more for this process
    ├── Cancelled            the user stopped the job (not a failure; raised inward by `emit`)
    └── Skipped              the user skipped this picture; the job goes on with the next (raised inward by `emit`)
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class StudioError(Exception):
    """One line for the user. `str(error)` is that line; it holds no paths outside the studio's own folders."""


class FieldError(StudioError, ValueError):
    """One field refused. It is a ValueError so that pydantic carries it out of a validator."""

    def __init__(self, field: str, value: object, why: str, allowed: str = "", fix: str = "") -> None:
        self.field, self.value, self.why, self.allowed, self.fix = field, value, why, allowed, fix
        super().__init__(self._line())

    def _line(self) -> str:
        parts = [f"{self.field}: {shown(self.value)} - {self.why}."]
        if self.allowed:
            parts.append(f"Allowed: {self.allowed}.")
        if self.fix:
            parts.append(self.fix if self.fix.endswith((".", "?", "!")) else f"{self.fix}.")
        return " ".join(parts)


class RequestError(StudioError):
    """A request with one or more refused fields, in the order of the form."""

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(str(e) for e in self.errors))


class ModelFileError(StudioError):
    """`name` is the file as the library lists it."""

    def __init__(self, name: str, why: str, fix: str = "") -> None:
        self.name, self.why, self.fix = name, why, fix
        super().__init__(f"Model file: {shown(name)} - {why}." + (f" {fix}" if fix else ""))


class ImageFileError(StudioError):
    """`name` is the picture as the user named it."""

    def __init__(self, name: str, why: str, allowed: str = "PNG, JPEG, WebP, BMP, GIF (first frame)") -> None:
        self.name, self.why, self.allowed = name, why, allowed
        super().__init__(f"Image: {shown(name)} - {why}. Allowed: {allowed}.")


class OutOfMemory(StudioError):
    """The device had no room even after the cheaper ways named in `tried`."""

    def __init__(self, what: str, tried: Iterable[str] = ()) -> None:
        self.what, self.tried = what, tuple(tried)
        after = f" after {', '.join(self.tried)}" if self.tried else ""
        super().__init__(f"Memory: {what} did not fit{after}. Try a smaller size or batch size, or start with --medvram.")


class Halt(StudioError):
    """The next picture and the next job would fail of the same."""


class StorageError(Halt):
    """Writing failed; the message says what is kept and where."""


class DeviceLost(Halt):
    """`why`: the driver's own words. Until the process ends it answers everything with them."""

    def __init__(self, why: str) -> None:
        super().__init__(f"Device: it computes nothing more ({shown(why, 120)}). Close the studio and start it again; the jobs "
                         "that wait go on then.")


class Cancelled(StudioError):
    """Raised by `emit` inside a run when its job was cancelled; caught by the worker."""


class Skipped(StudioError):
    """Raised by `emit` inside a run when the current picture is skipped; caught by the engine."""


def shown(value: object, limit: int = 60) -> str:
    """`value` as it may stand in a message: one line, no control characters, at most `limit` characters."""
    text = value if isinstance(value, str) else repr(value)
    text = "".join(c if c.isprintable() else "\N{SYMBOL FOR NULL}" if c == "\0" else " " for c in text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def unknown(field: str, value: object, names: Iterable[str], fix: str = "") -> FieldError:
    """The error for a name that is not in a list: shows the three nearest names."""
    names = list(names)
    lowered = {n.lower(): n for n in names}
    near = [lowered[n] for n in get_close_matches(str(value).lower()[:200], lowered, n=3, cutoff=0.3)]
    return FieldError(field, value, "not found", ", ".join(near or names[:3]) or "none are installed", fix)
