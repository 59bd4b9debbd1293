r"""AUTOMATIC1111's prompt syntax to a tree: one pass, one stack, never an error.

`(x)` times 1.1, `(x:1.3)` times 1.3, `[x]` by 1.1; `\( \) \[ \] \\ \|` are those characters; `[a:b:0.5]`, `[a|b]`,
`BREAK`; a `#` at the start of a line, or between spaces, begins a comment to the line's end. `[a : b]` without a number
is plain de-emphasis. What makes no sense is words: a stray `)`, `(x:abc)`, `(x:1.2.3)`. A bracket left open is closed
where its surroundings end, as `(` without an end weights all that follows. `<lora:name:1>` is taken out (`networks`
names them); `a AND b :0.5` is split before anything else is read (`parts`).
"""

from __future__ import annotations

import re
from dataclasses import replace

from pipelines.prompt.networks import without_networks
from pipelines.prompt.tree import HEAVIEST, Alternating, Break, Node, Prompt, Scheduled, Span, Text, Weighted, at_step

STRONGER = 1.1
WEAKER = 1 / 1.1

_TOKEN = re.compile(r"\\[()\[\]\\|]|\(+|\[+|[)\]:|]|[^\\()\[\]:|]+|\\")
_COMMENT_LINE = re.compile(r"^[ \t]*#[^\n]*(?:\n|\Z)", re.MULTILINE)
_COMMENT_TAIL = re.compile(r"(?<=[ \t])#(?=[ \t])[^\n]*")
_NUMBER = re.compile(r"\s{0,8}([+-]?(?:\d{1,12}\.?\d{0,12}|\.\d{1,12}))\s{0,8}\Z")
_LONGEST_NUMBER = 42
_AND = re.compile(r"\bAND\b")
_PART_WEIGHT = re.compile(r":[ \t]{0,8}([+-]?(?:\d{1,12}\.?\d{0,12}|\.\d{1,12}))[ \t\n]{0,8}\Z")
MOST_PARTS = 16         # each part is one more row of every model call


class _Open:
    """A bracket being read: its nodes so far, and at which of them a bare ":" or "|" stands.

    There may be a million at once, so what is empty is shared.
    """

    __slots__ = ("bars", "colons", "kind", "nodes")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.nodes: list[Node] = []
        self.colons: tuple[int, ...] | list[int] = ()
        self.bars: tuple[int, ...] | list[int] = ()

    def mark(self, sign: str) -> None:
        """A bare ":" or "|" stands here."""
        where = "colons" if sign == ":" else "bars"
        if not getattr(self, where):
            setattr(self, where, [])
        getattr(self, where).append(len(self.nodes))
        self.nodes.append(Text(sign))


def parse(text: str, emphasis: bool = True) -> Prompt:
    """The tree of `text`. Never raises; time and memory grow with the length.

    emphasis: False reads `(x:1.3)`, `[x]` and backslashes as characters; schedules and alternations stay.
    """
    reader = _Reader(emphasis)
    for piece in _TOKEN.findall(without_networks(strip_comments(text))):
        reader.take(piece)
    return reader.finish()


def parts(text: str, emphasis: bool = True) -> tuple[Prompt, ...]:
    """`text` cut at every AND, each part with its weight (`b :0.5`, 1 without one); at least one part.

    Beyond `MOST_PARTS` the rest stays one part, with a note. The word counts wherever it stands, as in AUTOMATIC1111.
    """
    pieces = _AND.split(without_networks(strip_comments(text)), maxsplit=MOST_PARTS - 1)
    if len(pieces) == 1:
        return (parse(text, emphasis),)
    return tuple(_part(piece, emphasis, piece is pieces[-1]) for piece in pieces)


def _part(text: str, emphasis: bool, last: bool) -> Prompt:
    found = _PART_WEIGHT.search(text, max(0, len(text) - _LONGEST_NUMBER))
    weight = float(found[1]) if found else 1.0
    prompt = parse(text[: found.start()] if found else text, emphasis)
    notes = list(prompt.notes)
    if abs(weight) > HEAVIEST:
        notes.append(f"Weight {weight:g} of a part was limited to {HEAVIEST:g}.")
    if last and _AND.search(text):
        notes.append(f"Only the first {MOST_PARTS - 1} AND were used.")
    return replace(prompt, weight=max(-HEAVIEST, min(HEAVIEST, weight)), notes=tuple(notes))


def spans(text: str, step: int = 0, steps: int = 1) -> tuple[Span, ...]:
    """The weighted words of `text` at one step."""
    return at_step(parse(text), step, steps)


def strip_comments(text: str) -> str:
    """`text` without comments."""
    return _COMMENT_TAIL.sub("", _COMMENT_LINE.sub("", text)) if "#" in text else text


class _Reader:
    def __init__(self, emphasis: bool) -> None:
        self.emphasis = emphasis
        self.stack = [_Open("")]
        self.waiting = {"(": 0, "[": 0}     # open brackets of each kind
        self.notes: dict[str, None] = {}
        self.changing = False

    def take(self, piece: str) -> None:
        top = self.stack[-1]
        if piece[0] in "([":            # a run of them
            self.waiting[piece[0]] += len(piece)
            self.stack.extend(map(_Open, piece))
        elif piece in (")", "]") and self.waiting["(" if piece == ")" else "["]:
            wanted = "(" if piece == ")" else "["
            while self.stack[-1].kind != wanted:
                self.close(ended=False)
            self.close(ended=True)
        elif piece in (":", "|") and top.kind:
            top.mark(piece)
        elif len(piece) == 2 and piece[0] == "\\":
            top.nodes.append(Text(piece[1] if self.emphasis else piece))
        else:
            top.nodes.extend(words(piece) if self.emphasis else [Text(piece)])

    def finish(self) -> Prompt:
        if len(self.stack) > 1:
            self.notes["A bracket is not closed; it is taken as closed at the end."] = None
        stack = self.stack
        while len(stack) > 1:
            group = stack.pop()
            stack[-1].nodes.append(self.left_open(group))
        return Prompt(tuple(self.stack[0].nodes), tuple(self.notes), self.changing)

    def close(self, ended: bool) -> None:
        """End the innermost bracket; one that is not `ended` by its own sign only weights what it holds."""
        group = self.stack.pop()
        self.waiting[group.kind] -= 1
        if not ended:
            self.stack[-1].nodes.append(self.left_open(group))
            return
        node = self.round(group) if group.kind == "(" else self.square(group)
        if isinstance(node, Weighted) and not self.emphasis:
            node = Weighted((Text(group.kind), *group.nodes, Text(")" if group.kind == "(" else "]")), 1.0)
        self.stack[-1].nodes.append(node)

    def left_open(self, group: _Open) -> Node:
        """A bracket that ends where its surroundings do."""
        if not self.emphasis:
            return Weighted((Text(group.kind), *group.nodes), 1.0)
        return Weighted(tuple(group.nodes), STRONGER if group.kind == "(" else WEAKER)

    def round(self, group: _Open) -> Node:
        number = trailing_number(group)
        if number is None:
            return Weighted(tuple(group.nodes), STRONGER)
        weight = float(number)
        if abs(weight) > HEAVIEST:
            self.notes[f"Weight {number} was limited to {HEAVIEST:g}."] = None
            weight = max(-HEAVIEST, min(HEAVIEST, weight))
        return Weighted(tuple(group.nodes[: group.colons[-1]]), weight)

    def square(self, group: _Open) -> Node:
        if group.bars:
            self.changing = True
            cuts = [-1, *group.bars, len(group.nodes)]
            return Alternating(tuple(tuple(group.nodes[a + 1:b]) for a, b in zip(cuts[:-1], cuts[1:], strict=True)))
        number = trailing_number(group) if len(group.colons) in (1, 2) else None
        if number is None or float(number) < 0:
            return Weighted(tuple(group.nodes), WEAKER)
        self.changing = True
        first, last = group.colons[0], group.colons[-1]
        before = group.nodes[:first] if first != last else []
        after = group.nodes[first + 1:last] if first != last else group.nodes[:last]
        return Scheduled(tuple(before), tuple(after), float(number), "." in number)


def trailing_number(group: _Open) -> str | None:
    """The number after the last ":" of a bracket when nothing else stands there."""
    if not group.colons:
        return None
    rest = group.nodes[group.colons[-1] + 1:][:2]
    if len(rest) != 1 or not isinstance(rest[0], Text) or len(rest[0].text) > _LONGEST_NUMBER:
        return None
    found = _NUMBER.match(rest[0].text)
    return found[1] if found else None


def words(text: str) -> list[Node]:
    """`text` with every BREAK taken out of it, and the spaces around that."""
    if "BREAK" not in text:
        return [Text(text)]
    parts = re.split(r"\bBREAK\b", text)
    nodes: list[Node] = []
    for index, part in enumerate(parts):
        part = part.lstrip() if index else part
        part = part.rstrip() if index < len(parts) - 1 else part
        nodes += ([Break()] if index else []) + ([Text(part)] if part else [])
    return nodes
