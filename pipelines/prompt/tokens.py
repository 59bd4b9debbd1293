"""Counts a prompt's tokens with the model's own vocabulary, for the counter beside the prompt. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.prompt.chunks import CAPACITY, chunked
from pipelines.prompt.parse import spans

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class TokenCount:
    """`tokens` of the prompt in `chunks` of 75; the chunks hold `limit` together."""

    tokens: int
    chunks: int
    limit: int


def count(text: str, tokenizer_json: Path | str, step: int = 0, steps: int = 1) -> TokenCount:
    """Tokens of the words that hold at `step`. Raises OSError when the vocabulary cannot be read."""
    file = Path(tokenizer_json)
    vocabulary = _vocabulary(str(file), file.stat().st_mtime_ns)
    chunks = chunked(spans(text, step, steps), lambda words: _ids(vocabulary, words))
    return TokenCount(sum(len(chunk.ids) for chunk in chunks), len(chunks), CAPACITY * len(chunks))


def _ids(vocabulary: Tokenizer, words: str) -> list[int]:
    # A lone surrogate (half an emoji from a broken file) is no UTF-8; it counts as one unknown character.
    return list(vocabulary.encode(words.encode("utf-8", "replace").decode("utf-8"), add_special_tokens=False).ids)


@lru_cache(maxsize=4)
def _vocabulary(path: str, _changed: int) -> Tokenizer:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(path)
