"""Names of files as they come from users and disks: what is no text, and what is no path, told before anything trips over it.

A disk takes any bytes as a name; Python shows those that are no UTF-8 as lone surrogates, which no database and no page take.
"""

from __future__ import annotations

import os
from pathlib import Path


def is_utf8(text: str) -> bool:
    """Whether `text` can be written down at all: it holds no lone surrogate."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def utf8(text: str) -> str:
    """`text` with a ? for every lone surrogate."""
    return text.encode("utf-8", "replace").decode()


def absolute(path: str | Path) -> Path:
    """The whole path, `~` and `~user` spelled out; it need not exist. Raises ValueError with the reason as a phrase."""
    try:
        whole = Path(path).expanduser().absolute()
        raw = os.fsencode(whole)
    except UnicodeEncodeError:
        raise ValueError("half a character (a lone surrogate) stands in no path") from None
    except (RuntimeError, KeyError):        # pathlib's word for a ~user nobody knows; KeyError: we ourselves have no home
        raise ValueError("there is no user of that name") from None
    if b"\0" in raw:
        raise ValueError("a NUL stands in no path")
    return whole
