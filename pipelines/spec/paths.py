"""Names of files as they come from users and disks: what is no text, and what is no path, told before anything trips over it.

A disk takes any bytes as a name; Python shows those that are no UTF-8 as lone surrogates, which no database and no page take.
"""

from __future__ import annotations

import os
from pathlib import Path

from pipelines.spec.errors import FieldError

WHOLE = "Write the whole path"
_DEVICES = frozenset(("con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))))


def is_utf8(text: str) -> bool:
    """Whether `text` can be written down at all: it holds no lone surrogate."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_device(name: str) -> bool:
    """Whether Windows would open a device by this file's name, whatever its suffix."""
    return name.split(".")[0].lower() in _DEVICES


def utf8(text: str) -> str:
    """`text` with a ? for every lone surrogate."""
    return text.encode("utf-8", "replace").decode()


def expanded(field: str, path: str | Path) -> Path:
    """`path` with `~` and `~user` spelled out; it need not exist. Raises FieldError for what can be the path of nothing."""
    try:
        whole = Path(path).expanduser()
        raw = os.fsencode(whole)
    except UnicodeEncodeError:
        raise FieldError(field, str(path), "half a character (a lone surrogate) stands in no path", fix=WHOLE) from None
    except RuntimeError:        # pathlib's word for a ~user nobody knows
        raise FieldError(field, str(path), "there is no user of that name on this machine", fix=WHOLE) from None
    if b"\0" in raw:
        raise FieldError(field, str(path), "a NUL stands in no path", fix=WHOLE)
    return whole
