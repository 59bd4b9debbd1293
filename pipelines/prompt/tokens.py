"""Counts a prompt's tokens with the model's own vocabulary, for the counter beside the prompt. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pipelines.prompt.chunks import CAPACITY, chunked
from pipelines.prompt.inversion import mentioned
from pipelines.prompt.parse import parts
from pipelines.prompt.tree import at_step

if TYPE_CHECKING:
    from tokenizers import Tokenizer

NONE: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True)
class TokenCount:
    """`tokens` of the prompt in `chunks` of 75; the chunks hold `limit` together."""

    tokens: int
    chunks: int
    limit: int


def count(text: str, tokenizer_json: Path | str, step: int = 0, steps: int = 1,
          embeddings: Mapping[str, int] = NONE) -> TokenCount:
    """Tokens of the words that hold at `step`, of the longest prompt of an AND. Raises OSError when the vocabulary cannot be
    read.

    embeddings: those the text may name, with their vectors: each is a token.
    """
    vocabulary = _vocabulary_of(tokenizer_json)

    def ids(words: str) -> list[int]:
        found: list[int] = []
        at = 0
        for start, end, name in mentioned(words, tuple(embeddings)):
            found += [*_ids(vocabulary, words[at:start]), -1 - embeddings[name], *[-1] * (embeddings[name] - 1)]
            at = end
        return found + _ids(vocabulary, words[at:])

    def together(found: Sequence[int], at: int) -> int:
        return max(1, -1 - found[at])

    cut = [chunked(at_step(part, step, steps), ids, together=together) for part in parts(text)]
    chunks = max(cut, key=lambda chunks: (len(chunks), sum(len(chunk.ids) for chunk in chunks)))
    return TokenCount(sum(len(chunk.ids) for chunk in chunks), len(chunks), CAPACITY * len(chunks))


def pieces(tokenizer_json: Path | str) -> Callable[[str], list[tuple[int, str]]]:
    """What cuts words into (token id, the characters it stands for). Raises OSError."""
    vocabulary = _vocabulary_of(tokenizer_json)

    def cut(words: str) -> list[tuple[int, str]]:
        clean = words.encode("utf-8", "replace").decode("utf-8")
        encoded = vocabulary.encode(clean, add_special_tokens=False)
        return [(token, clean[start:end]) for token, (start, end) in zip(encoded.ids, encoded.offsets, strict=True)]

    return cut


def _vocabulary_of(tokenizer_json: Path | str) -> Tokenizer:
    file = Path(tokenizer_json)
    return _vocabulary(str(file), file.stat().st_mtime_ns)


def _ids(vocabulary: Tokenizer, words: str) -> list[int]:
    # A lone surrogate (half an emoji from a broken file) is no UTF-8; it counts as one unknown character.
    return list(vocabulary.encode(words.encode("utf-8", "replace").decode("utf-8"), add_special_tokens=False).ids)


@lru_cache(maxsize=4)
def _vocabulary(path: str, _changed: int) -> Tokenizer:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(path)
