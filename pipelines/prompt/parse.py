r"""AUTOMATIC1111's prompt syntax to a tree: one pass, one stack, never an error.

`(x)` times 1.1, `(x:1.3)` times 1.3, `[x]` by 1.1; `\( \) \[ \] \\ \|` are those characters; `[a:b:0.5]`, `[a|b]`,
`BREAK`; a `#` at the start of a line, or between spaces, begins a comment to the line's end. `[a : b]` without a number
is plain de-emphasis. What makes no sense is words: a stray `)`, `(x:abc)`, `(x:1.2.3)`. A bracket left open is closed
where its surroundings end, as `(` without an end weights all that follows. `<lora:name:1>` is taken out (`networks`
names them); `a AND b :0.5` is split before anything else is read (`parts`), and each part may say where it counts (`regions`).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

from pipelines.prompt import regions
from pipelines.prompt.networks import without_networks
from pipelines.prompt.tree import HEAVIEST, Alternating, Break, Node, Prompt, Scheduled, Span, Weighted, at_step

STRONGER = 1.1
WEAKER = 1 / 1.1

_TOKEN = re.compile(r"\\[()\[\]\\|]|[(\[]+|[)\]:|]|[^\\()\[\]:|]+|\\")
_OPENS = {")": "(", "]": "["}
_COMMENT_LINE = re.compile(r"^[ \t]*#[^\n]*(?:\n|\Z)", re.MULTILINE)
_COMMENT_TAIL = re.compile(r"(?<=[ \t])#(?=[ \t])[^\n]*")
_NUMBER = re.compile(r"\s{0,8}([+-]?(?:\d{1,12}\.?\d{0,12}|\.\d{1,12}))\s{0,8}\Z")
_LONGEST_NUMBER = 42
_AND = re.compile(r"\bAND\b")
_PART_WEIGHT = re.compile(r":[ \t]{0,8}([+-]?(?:\d{1,12}\.?\d{0,12}|\.\d{1,12}))[ \t\n]{0,8}\Z")
MOST_LEFT = 400         # brackets left open at one place that count: 1.1^400 is far beyond any weight
MOST_PARTS = 16         # each part is one more row of every model call
OUTSIDE = "Every part has a region: what lies outside of them is painted without words."


def parse(text: str, emphasis: bool = True) -> Prompt:
    """The tree of `text`. Never raises; time and memory grow with the length.

    emphasis: False reads `(x:1.3)`, `[x]` and backslashes as characters; schedules and alternations stay.
    """
    reader = _Reader(emphasis)
    reader.read(_TOKEN.findall(without_networks(strip_comments(text))))
    return reader.finish()


def parts(text: str, emphasis: bool = True) -> tuple[Prompt, ...]:
    """`text` cut at every AND, each part with its weight (`b :0.5`, 1 without one) and its region; at least one part.

    Beyond `MOST_PARTS` the rest stays one part, with a note. The word counts wherever it stands, as in AUTOMATIC1111.
    Where every part has a region, one without words comes first: something must stand outside of them.
    """
    cut = [regions.cut(piece) for piece in pieces(text)]
    if len(cut) == 1 and cut[0][2] is None:
        return (parse(text, emphasis),)
    read = tuple(_part(*one, emphasis, last=number == len(cut)) for number, one in enumerate(cut, 1))
    return read if any(one.region is None for one in read) else (Prompt((), (OUTSIDE,)), *read)


def pieces(text: str) -> list[str]:
    """`text` without comments and LoRAs, cut at every AND."""
    return _AND.split(without_networks(strip_comments(text)), maxsplit=MOST_PARTS - 1)


def _part(before: str, behind: str, region: regions.Region | None, emphasis: bool, last: bool) -> Prompt:
    """Its weight stands at its end or before its region, behind which a style may have added words."""
    text, found = before + behind, _weight_of(before + behind)
    if found:
        text = text[: found.start()]
    elif found := _weight_of(before):
        text = before[: found.start()] + behind
    weight = float(found[1]) if found else 1.0
    prompt = parse(text, emphasis)
    notes = list(prompt.notes)
    if abs(weight) > HEAVIEST:
        notes.append(f"Weight {weight:g} of a part was limited to {HEAVIEST:g}.")
    if last and _AND.search(text):
        notes.append(f"Only the first {MOST_PARTS - 1} AND were used.")
    return replace(prompt, weight=max(-HEAVIEST, min(HEAVIEST, weight)), notes=tuple(notes), region=region)


def _weight_of(text: str) -> re.Match[str] | None:
    return _PART_WEIGHT.search(text, max(0, len(text) - _LONGEST_NUMBER))


def spans(text: str, step: int = 0, steps: int = 1) -> tuple[Span, ...]:
    """The weighted words of `text` at one step."""
    return at_step(parse(text), step, steps)


def strip_comments(text: str) -> str:
    """`text` without comments."""
    return _COMMENT_TAIL.sub("", _COMMENT_LINE.sub("", text)) if "#" in text else text


class _Reader:
    """Where the reading stands. A megabyte may be a million open brackets, so an open one is two entries of two lists."""

    def __init__(self, emphasis: bool) -> None:
        self.emphasis = emphasis
        self.nodes: list[Node] = []     # of every open bracket, one behind another
        self.starts: list[int] = []     # where in `nodes` each open bracket begins, the outermost first
        self.kinds: list[str] = []      # "(" or "[" of each
        self.colons: list[int] = []     # where in `nodes` those stand that may divide an open bracket
        self.bars: list[int] = []
        self.notes: dict[str, None] = {}
        self.changing = False

    def read(self, pieces: list[str]) -> None:
        nodes, starts, kinds = self.nodes, self.starts, self.kinds
        waiting = {"(": 0, "[": 0}      # open brackets of each kind
        marks = {":": self.colons, "|": self.bars}
        for piece in pieces:
            sign = piece[0]
            if piece in waiting:
                starts.append(len(nodes))
                kinds.append(piece)
                waiting[piece] += 1
            elif sign in "([":          # a run of them
                starts.extend([len(nodes)] * len(piece))
                kinds.extend(piece)
                waiting["("] += piece.count("(")
                waiting["["] += piece.count("[")
            elif piece in marks:
                if starts:
                    marks[piece].append(len(nodes))
                nodes.append(piece)
            elif sign in _OPENS and waiting[_OPENS[sign]]:
                while kinds[-1] != _OPENS[sign]:
                    waiting[kinds[-1]] -= 1
                    self.close(ended=False)
                waiting[kinds[-1]] -= 1
                self.close(ended=True)
            elif sign == "\\" and len(piece) == 2:
                nodes.append(piece[1] if self.emphasis else piece)
            elif self.emphasis and "BREAK" in piece:
                nodes.extend(words(piece))
            else:
                nodes.append(piece)

    def finish(self) -> Prompt:
        if self.starts:
            self.notes["A bracket is not closed; it is taken as closed at the end."] = None
        nodes, starts, kinds = self.nodes, self.starts, self.kinds
        while starts:           # those that begin at the same place are one weight
            start = starts[-1]
            if len(starts) < 2 or starts[-2] != start:
                starts.pop()
                nodes[start:] = [self.weighted(kinds.pop(), nodes[start:])]
                continue
            first = bisect_left(starts, start)
            nodes[start:] = [self.weighted(kinds[first:], nodes[start:])]
            del starts[first:], kinds[first:]
        return Prompt(tuple(self.nodes), tuple(self.notes), self.changing)

    def close(self, ended: bool) -> None:
        """End the innermost bracket; one that is not `ended` by its own sign only weights what it holds."""
        start, kind = self.starts.pop(), self.kinds.pop()
        held = self.nodes[start:]
        colons, bars = inside(self.colons, start), inside(self.bars, start)
        if not ended:
            node: Node = self.weighted(kind, held)
        elif kind == "(":
            node = self.round(held, colons)
        else:
            node = self.square(held, colons, bars)
        self.nodes[start:] = [node]

    def weighted(self, kinds: Sequence[str], held: list[Node], end: str = "") -> Weighted:
        """A bracket that only weights, or several. Where emphasis is not read the signs are characters; `end`: its own, if any."""
        if not self.emphasis:
            return Weighted((*kinds, *held, end), 1.0)
        if len(kinds) > 1:
            return Weighted(tuple(held), STRONGER ** max(-MOST_LEFT, min(MOST_LEFT, kinds.count("(") - kinds.count("["))))
        return Weighted(tuple(held), STRONGER if kinds[0] == "(" else WEAKER)

    def round(self, held: list[Node], colons: list[int]) -> Node:
        number = trailing_number(held, colons) if self.emphasis else None
        if number is None:
            return self.weighted("(", held, ")")
        weight = float(number)
        if abs(weight) > HEAVIEST:
            self.notes[f"Weight {number} was limited to {HEAVIEST:g}."] = None
            weight = max(-HEAVIEST, min(HEAVIEST, weight))
        return Weighted(tuple(held[: colons[-1]]), weight)

    def square(self, held: list[Node], colons: list[int], bars: list[int]) -> Node:
        if bars:
            self.changing = True
            options, begin = [], 0
            for bar in (*bars, len(held)):
                options.append(tuple(held[begin:bar]))
                begin = bar + 1
            return Alternating(tuple(options))
        number = trailing_number(held, colons) if len(colons) in (1, 2) else None
        if number is None or float(number) < 0:
            return self.weighted("[", held, "]")
        self.changing = True
        first, last = colons[0], colons[-1]
        before = held[:first] if first != last else []
        after = held[first + 1:last] if first != last else held[:last]
        return Scheduled(tuple(before), tuple(after), float(number), "." in number)


def inside(marks: list[int], start: int) -> list[int]:
    """Those at `start` or behind it, taken out of `marks` and counted from there. What lies deeper was taken before."""
    if not marks or marks[-1] < start:
        return []
    first = bisect_left(marks, start)
    own = [mark - start for mark in marks[first:]]
    del marks[first:]
    return own


def trailing_number(held: list[Node], colons: list[int]) -> str | None:
    """The number after the last ":" of a bracket when nothing else stands there."""
    if not colons or len(held) != colons[-1] + 2:
        return None
    last = held[-1]
    if not isinstance(last, str) or len(last) > _LONGEST_NUMBER:
        return None
    found = _NUMBER.match(last)
    return found[1] if found else None


def words(text: str) -> list[Node]:
    """`text` with every BREAK taken out of it, and the spaces around that."""
    if "BREAK" not in text:
        return [text]
    parts = re.split(r"\bBREAK\b", text)
    nodes: list[Node] = []
    for index, part in enumerate(parts):
        part = part.lstrip() if index else part
        part = part.rstrip() if index < len(parts) - 1 else part
        nodes += ([Break()] if index else []) + ([part] if part else [])
    return nodes
