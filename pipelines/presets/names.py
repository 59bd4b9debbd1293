"""File names for whatever the user calls a preset: safe on every system, one name one file."""

from __future__ import annotations

import hashlib
import unicodedata

from pipelines.spec.errors import FieldError
from pipelines.spec.paths import is_device

LONGEST = 100           # characters of a shown name
STEM = 48               # characters of a file's stem before its mark; at most 192 bytes
INVISIBLE = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def display(name: object, field: str = "Preset name") -> str:
    """The name as it is shown: trimmed, NFC, without marks that turn the writing direction.

    Raises FieldError for an empty name, one longer than LONGEST, and one with control characters.
    """
    allowed = f"1-{LONGEST} characters on one line"
    if not isinstance(name, str):
        raise FieldError(field, name, "not a text", allowed)
    text = unicodedata.normalize("NFC", "".join(c for c in name if c not in INVISIBLE)).strip()
    if not text:
        raise FieldError(field, name, "empty", allowed, "Give it a name")
    if len(text) > LONGEST:
        raise FieldError(field, text, f"{len(text)} characters are too long", allowed, "Shorten it")
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in text):
        raise FieldError(field, text, "has control characters", allowed)
    return text


def stem(name: str) -> str:
    """The file stem for a shown name: letters, digits, "-" and "_" only, never reserved, never a path.

    Names that lose something on the way get a mark of six hex digits, so that "a/b" and "a-b" are two files, also
    where the file system ignores case.
    """
    kept = "".join(c if c.isalnum() or c in "-_" else "-" for c in name.lower())
    plain = "-".join(part for part in kept.split("-") if part)[:STEM].strip("-_")
    if plain == name and not is_device(plain):
        return plain
    mark = hashlib.sha256(name.encode("utf-8")).hexdigest()[:6]
    return f"{plain or 'preset'}-{mark}"
