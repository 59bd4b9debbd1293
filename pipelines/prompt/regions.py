"""`<region:x,y,width,height>` in a part of `a AND b`: where in the picture that part counts. Knows no model. No torch.

All in shares of the picture, from its upper left corner; `:base=` and `:soft=` may follow. What cannot be read is an error of its
own, with the tag in it: silence would paint the part everywhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.spec.errors import FieldError

BASE = 0.2          # what mini makes of other values, also of the next: docs/regions.md
SOFT = 0.1
REST = 0.999        # a box that ends here reaches the edge: 0.334 + 0.665
Shares = tuple[float, float, float, float]      # left, top, right, bottom
WHOLE: Shares = (0.0, 0.0, 1.0, 1.0)
_TAG = re.compile(r"<region:([^<>\n]{0,200})>", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(?:\d{1,12}\.?\d{0,12}|\.\d{1,12})")
_ALLOWED = "<region:x,y,width,height>, each a share of the picture from 0 to 1; then perhaps :base=0.2 and :soft=0.1"
_ONE = "One region a part; divide them with AND"


@dataclass(frozen=True)
class Region:
    """A box.   base: what the parts without a region still weigh in it.   soft: width of its sloping borders, in shares."""

    x: float
    y: float
    width: float
    height: float
    base: float = BASE
    soft: float = SOFT

    def __str__(self) -> str:
        """As it is written in a prompt."""
        box = f"{self.x:g},{self.y:g},{self.width:g},{self.height:g}"
        base, soft = (f":{name}={value:g}" * (value != usual) for name, value, usual in
                      (("base", self.base, BASE), ("soft", self.soft, SOFT)))
        return f"<region:{box}{base}{soft}>"

    def columns(self, seen: Shares, cells: int) -> list[float]:
        """How much it covers of each of `cells` columns of the part `seen` of the picture: 0 to 1."""
        return _along(self.x, self.width, self.soft, (seen[0], seen[2]), cells)

    def rows(self, seen: Shares, cells: int) -> list[float]:
        """The same of rows; a cell's cover is that of its column times that of its row."""
        return _along(self.y, self.height, self.soft, (seen[1], seen[3]), cells)


def _along(begin: float, length: float, soft: float, seen: tuple[float, float], cells: int) -> list[float]:
    """A slope lies astride its border, so that neighbours add up to 1; at the picture's own edge there is none."""
    end, step = begin + length, (seen[1] - seen[0]) / cells
    slope = max(step, min(soft, length))
    middles = [seen[0] + (cell + 0.5) * step for cell in range(cells)]
    rising = [1.0 if begin <= 1 - REST else (at - begin) / slope + 0.5 for at in middles]
    falling = [1.0 if end >= REST else (end - at) / slope + 0.5 for at in middles]
    return [max(0.0, min(1.0, up, down)) for up, down in zip(rising, falling, strict=True)]


def cut(text: str) -> tuple[str, str, Region | None]:
    """What stands before and behind the first region of `text`, and that. One that `check` refuses stays as words."""
    tag = _TAG.search(text) if "<" in text else None
    try:
        return (text[:tag.start()], text[tag.end():], _read(tag, "")) if tag else (text, "", None)
    except FieldError:
        return text, "", None


def check(pieces: Iterable[str], field: str = "Prompt") -> None:
    """pieces: of `parse.pieces`. Raises FieldError for a box that is none, and for two in one part."""
    for piece in pieces:
        tags = list(_TAG.finditer(piece)) if "<" in piece else []
        for tag in tags:
            _read(tag, field)
        if len(tags) > 1:
            raise FieldError(field, tags[1][0], "a second region in one part", fix=_ONE)


def check_none(text: str, field: str) -> None:
    """Raises FieldError for a region where none counts."""
    if "<" in text and (tag := _TAG.search(text)):
        raise FieldError(field, tag[0], "regions count in the prompt only", fix="Take it out")


def _read(tag: re.Match[str], field: str) -> Region:
    box, *more = tag[1].split(":")
    numbers = [_number(text, tag, field) for text in box.split(",")]
    if len(numbers) != 4:
        raise FieldError(field, tag[0], f"{len(numbers)} numbers, not four", _ALLOWED)
    x, y, width, height = numbers
    if not width or not height or x >= REST or y >= REST:
        raise FieldError(field, tag[0], "nothing of the picture lies in it", _ALLOWED)
    given: dict[str, float] = {}
    for text in more:
        name, _, value = text.partition("=")
        if name.strip() not in ("base", "soft") or name.strip() in given:
            raise FieldError(field, tag[0], f"{text.strip()!r} is not known here", _ALLOWED)
        given[name.strip()] = _number(value, tag, field)
    return Region(x, y, width, height, **given)


def _number(text: str, tag: re.Match[str], field: str) -> float:
    value = float(text) if _NUMBER.fullmatch(text.strip()) else math.nan
    if not 0 <= value <= 1:
        raise FieldError(field, tag[0], f"{text.strip()!r} is not a share from 0 to 1", _ALLOWED)
    return value
