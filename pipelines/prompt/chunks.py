"""Weighted words to chunks of as many tokens as the text encoder reads at once (75 for CLIP). No torch.

As in AUTOMATIC1111: BREAK ends a chunk; when one is full and a comma stands within its last 20 tokens, what follows the
comma moves to the next chunk, so that no phrase is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pipelines.prompt.tree import Span

BACKTRACK = 20
CAPACITY = 75
Encode = Callable[[str], list[int]]     # words -> token ids without start and end


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


def chunked(spans: Sequence[Span], encode: Encode, capacity: int = CAPACITY) -> list[Chunk]:
    """At least one chunk, each of at most `capacity` tokens."""
    comma = (encode(",") or [-1])[-1]
    chunks = [Chunk()]
    last_comma = -1                     # position after the last comma in the open chunk
    for span in spans:
        if span.text is None:
            chunks.append(Chunk())
            last_comma = -1
            continue
        for token in encode(span.text):
            if len(chunks[-1].ids) == capacity:
                movable = last_comma > 0 and token != comma and 0 < capacity - last_comma <= BACKTRACK
                chunks.append(chunks[-1].cut(last_comma) if movable else Chunk())
                last_comma = -1
            chunks[-1].ids.append(token)
            chunks[-1].weights.append(span.weight)
            if token == comma:
                last_comma = len(chunks[-1].ids)
    return chunks
