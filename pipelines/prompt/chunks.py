"""Weighted words to chunks of as many tokens as the text encoder reads at once (75 for CLIP). No torch.

As in AUTOMATIC1111: BREAK ends a chunk; when one is full and a comma stands within its last 20 tokens, what follows the
comma moves to the next chunk, so that no phrase is cut. The vectors of an embedding stay together: one that does not fit
into the open chunk begins the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pipelines.prompt.tree import Span

BACKTRACK = 20
CAPACITY = 75
Encode = Callable[[str], list[int]]     # words -> token ids without start and end
Together = Callable[[Sequence[int], int], int]      # ids, place -> how many tokens from there on stay together


@dataclass(slots=True)
class Chunk:
    """Token ids without start, end and padding, and the weight of each."""

    ids: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def cut(self, at: int) -> Chunk:
        """Take everything from token `at` on out of this chunk."""
        tail = Chunk(self.ids[at:], self.weights[at:])
        del self.ids[at:], self.weights[at:]
        return tail


def alone(_ids: Sequence[int], _at: int) -> int:
    """Every token stands for itself."""
    return 1


def chunked(spans: Sequence[Span], encode: Encode, capacity: int = CAPACITY, together: Together = alone) -> list[Chunk]:
    """At least one chunk, each of at most `capacity` tokens."""
    comma = (encode(",") or [-1])[-1]
    chunks = [Chunk()]
    last_comma = -1                     # position after the last comma in the open chunk
    for span in spans:
        if span.text is None:
            chunks.append(Chunk())
            last_comma = -1
            continue
        ids = encode(span.text)
        for at, token in enumerate(ids):
            if len(chunks[-1].ids) == capacity:
                movable = last_comma > 0 and token != comma and 0 < capacity - last_comma < BACKTRACK
                chunks.append(chunks[-1].cut(last_comma) if movable else Chunk())
                last_comma = -1
            if len(chunks[-1].ids) + together(ids, at) > capacity and chunks[-1].ids:
                chunks.append(Chunk())
                last_comma = -1
            chunks[-1].ids.append(token)
            chunks[-1].weights.append(span.weight)
            if token == comma:
                last_comma = len(chunks[-1].ids)
    return chunks
