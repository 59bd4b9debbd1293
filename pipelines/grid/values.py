"""What is typed for an axis becomes single texts and numbers: quoted CSV, `1-5`, `1-10 (+2)`, `1-10 [5]`.

The syntax is AUTOMATIC1111's. Nothing is expanded before its length is known, so `0-4294967295` costs nothing.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence

from pipelines.spec.errors import FieldError

MOST_VALUES = 1000      # of one axis
NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)"
QUOTED_NOTHING = re.compile(r'(^|,)[ \t]*""[ \t]*(?=,|$)', re.MULTILINE)
NOTHING = "\0"          # stands for "" while csv reads, which cannot tell it from a missing entry
RANGE = re.compile(rf"^({NUMBER})\s*-\s*({NUMBER})\s*(?:\(\s*({NUMBER})\s*\)|\[\s*(\d+)\s*\])?$")
ALLOWED = "1-5, 1-10 (+2), 10-1 (-3), 1-10 [5], or a list with commas"


def listed(label: str, text: str) -> list[str]:
    """The entries of a list with commas; an entry with a comma stands in double quotes, and `""` is the empty text.

    Raises FieldError when there is none.
    """
    lines = [line for line in QUOTED_NOTHING.sub(rf"\1{NOTHING}", text.replace(NOTHING, "")).splitlines() if line.strip()]
    try:
        rows = list(csv.reader(lines, skipinitialspace=True))
    except csv.Error as error:
        raise FieldError(label, text, f"not a list ({error})") from None
    entries = [entry.strip().replace(NOTHING, "") for row in rows for entry in row if entry.strip()]
    if not entries:
        raise FieldError(label, text, "the list is empty", fix="Type values with commas between them")
    if len(entries) > MOST_VALUES:
        raise FieldError(label, f"{len(entries)} values", "too many for one axis", f"up to {MOST_VALUES}")
    return entries


def numbers(label: str, entry: str, whole: bool) -> Iterator[str | int | float]:
    """The numbers of one entry; what is no range is given back as it was typed. Raises FieldError for a bad range."""
    match = RANGE.match(entry)
    if match is None:
        yield entry
        return
    start, end = float(match[1]), float(match[2])
    made = _counted(label, entry, start, end) if match[4] else _stepped(label, entry, start, end)
    yield from (int(n) if whole and (n == int(n) or match[4]) else n for n in made)


def _counted(label: str, entry: str, start: float, end: float) -> Iterator[float]:
    """`1-10 [5]`: so many values, both ends among them; for whole numbers they are cut, as AUTOMATIC1111 cuts them."""
    count = int(RANGE.match(entry)[4])          # type: ignore[index]
    if not 1 <= count <= MOST_VALUES:
        raise FieldError(label, entry, "that many values cannot be", f"1-{MOST_VALUES}")
    if count == 1:
        return iter((start,))
    return (round(start + (end - start) * i / (count - 1), 6) for i in range(count))


def _stepped(label: str, entry: str, start: float, end: float) -> Iterator[float]:
    """`1-10 (+2)`: from the first on by so much, never beyond the last."""
    given = RANGE.match(entry)[3]               # type: ignore[index]
    step = float(given) if given else 1.0
    if step == 0:
        raise FieldError(label, entry, "a step of 0 goes nowhere", ALLOWED)
    if (end - start) * step < 0:
        wanted = "-" if end < start else "+"
        raise FieldError(label, entry, "the range runs the other way", ALLOWED,
                         f"Write {entry.split('(')[0].strip()} ({wanted}{abs(step):g})")
    count = int((end - start) / step + 1e-9) + 1
    if count > MOST_VALUES:
        raise FieldError(label, entry, f"{count} values are too many for one axis", f"up to {MOST_VALUES}")
    return (round(start + step * i, 6) for i in range(count))


def as_list(entries: Sequence[str]) -> str:
    """A list that `listed` reads back."""
    return ", ".join('"' + e.replace('"', '""') + '"' if "," in e or '"' in e else e for e in entries)
