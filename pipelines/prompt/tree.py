"""What a prompt is made of, and what of it holds at one step of the run. No torch, no recursion.

    "…"                             words as written, a plain str
    Break()                         what follows begins a new chunk
    Weighted(nodes, weight)         (x) (x:1.3) [x]
    Scheduled(before, after, when)  [before:after:when], [after:when], [before::when]
    Alternating(options)            [a|b]: the next option at every step

Nobody changes a node once it is made. They are not declared frozen because a megabyte of brackets is a million of them, and
a frozen one takes twice as long to make.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.prompt.regions import Region

HEAVIEST = 10.0         # weights beyond only destroy the picture
BOUND = 1e6             # products of many nested weights stay finite


@dataclass(slots=True, eq=False)
class Break:
    pass


@dataclass(slots=True, eq=False)
class Weighted:
    nodes: tuple[Node, ...]
    weight: float


@dataclass(slots=True, eq=False)
class Scheduled:
    """`when` is a fraction of the steps (written with a point) or a number of steps; `before` holds that long."""

    before: tuple[Node, ...]
    after: tuple[Node, ...]
    when: float
    fraction: bool

    def begins(self, steps: int, earlier: int = 0) -> int:
        """The first step (0-based) at which `after` holds; `steps` or more means never, zero or less from the start.

        earlier: steps of the pass before this one. A second pass (hires) is addressed by fractions from 1 to 2 and by
        numbers beyond the first pass's steps, as in AUTOMATIC1111.
        """
        if self.fraction:
            return int((self.when - (1 if earlier else 0)) * steps)
        return int(self.when) - earlier


@dataclass(slots=True, eq=False)
class Alternating:
    options: tuple[tuple[Node, ...], ...]


Node = str | Break | Weighted | Scheduled | Alternating


@dataclass(frozen=True, slots=True)
class Network:
    """`<lora:name:te:unet>`: a LoRA by name and how strongly it acts on the text encoders and on the UNet."""

    name: str
    te: float = 1.0
    unet: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """A parsed prompt. `notes` tell what was read otherwise than written; `changing` when steps see different texts."""

    nodes: tuple[Node, ...]
    notes: tuple[str, ...] = ()
    changing: bool = False
    weight: float = 1.0         # of this part of `a AND b :0.5`
    region: Region | None = None        # where this part counts; None: everywhere, less where the others do


@dataclass(frozen=True, slots=True)
class Span:
    """Words of one weight; `text` is BREAK's None."""

    text: str | None
    weight: float = 1.0


BREAK = Span(None)


def at_step(prompt: Prompt, step: int = 0, steps: int = 1, earlier: int = 0) -> tuple[Span, ...]:
    """The words that hold at `step` (0-based) of `steps`, neighbours of equal weight joined, with BREAK between chunks."""
    spans: list[Span] = []
    words: list[str] = []
    current = 1.0

    def close() -> None:
        if words:
            spans.append(Span("".join(words), current))
            words.clear()

    todo: list[tuple[Node, float]] = [(node, 1.0) for node in reversed(prompt.nodes)]
    while todo:
        node, weight = todo.pop()
        if isinstance(node, str):
            effective = round(max(-HEAVIEST, min(HEAVIEST, weight)), 6)
            if effective != current:
                close()
                current = effective
            words.append(node)
        elif isinstance(node, Break):
            close()
            spans.append(BREAK)
        else:
            inner, factor = _inside(node, step, steps, earlier)
            product = max(-BOUND, min(BOUND, weight * factor))
            todo.extend((child, product) for child in reversed(inner))
    close()
    return tuple(spans)


def _inside(node: Weighted | Scheduled | Alternating, step: int, steps: int,
            earlier: int) -> tuple[tuple[Node, ...], float]:
    if isinstance(node, Weighted):
        return node.nodes, node.weight
    if isinstance(node, Scheduled):
        return (node.after if step >= node.begins(steps, earlier) else node.before), 1.0
    return node.options[step % len(node.options)], 1.0


def timeline(prompt: Prompt, steps: int, earlier: int = 0) -> list[tuple[int, tuple[Span, ...]]]:
    """(first step, words) of every stretch of the run with the same words; one for a prompt that does not change."""
    stretches = [(0, at_step(prompt, 0, steps, earlier))]
    for step in range(1, steps if prompt.changing else 1):
        spans = at_step(prompt, step, steps, earlier)
        if spans != stretches[-1][1]:
            stretches.append((step, spans))
    return stretches
