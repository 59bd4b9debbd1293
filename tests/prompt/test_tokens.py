"""Counting tokens and cutting them into chunks."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.prompt.chunks import chunked
from pipelines.prompt.embed import embed
from pipelines.prompt.parse import spans
from pipelines.prompt.tokens import TokenCount, count


def by_word(text: str) -> list[int]:
    """A vocabulary in which every word is one token, and a comma is 0."""
    return [0 if word == "," else 1 for word in text.replace(",", " , ").split()]


def lengths(text: str) -> list[int]:
    return [len(chunk.ids) for chunk in chunked(spans(text), by_word)]


@pytest.mark.parametrize(("text", "tokens", "chunks"), [
    ("", 0, 1), ("a red car", 3, 1), ("a (red:1.3) car, [snow]", 5, 1), ("red " * 75, 75, 1), ("red " * 76, 76, 2),
    ("car BREAK night", 2, 2), ("# note\ncar", 1, 1), ("\ud83d\x00", None, 1),
])
def test_tokens_and_chunks_are_counted(tokenizer_json: Path, text: str, tokens: int | None, chunks: int) -> None:
    counted = count(text, tokenizer_json)
    assert counted.chunks == chunks
    assert counted.limit == 75 * chunks
    assert tokens in (None, counted.tokens)


def test_the_counter_agrees_with_the_embedding(sd, tokenizer_json: Path) -> None:
    text = ", ".join(["a red car in the snow", "(night:1.2)"] * 20)
    assert embed(sd, text)["prompt_embeds"].shape[1] == 77 * count(text, tokenizer_json).chunks


def test_what_holds_at_a_step_is_counted(tokenizer_json: Path) -> None:
    assert count("[red car:night:0.5]", tokenizer_json, 0, 10) == TokenCount(2, 1, 75)
    assert count("[red car:night:0.5]", tokenizer_json, 9, 10).tokens == 1


@pytest.mark.parametrize(("text", "expected"), [
    ("w " * 76, [75, 1]), ("w " * 69 + ", " + "w " * 10, [70, 10]), ("w " * 40 + ", " + "w " * 40, [75, 6]),
    ("w " * 75 + ", w", [75, 2]), ("w BREAK " * 3, [1, 1, 1, 0]), ("w " * 74 + ", w", [75, 1]),
    ("w " * 55 + ", " + "w " * 20, [56, 20]), ("w " * 54 + ", " + "w " * 21, [75, 1]),
], ids=["no comma", "phrase moves", "comma too far back", "comma at the edge", "break", "comma is the last",
        "the 20th from the end", "the 21st from the end"])
def test_a_full_chunk_moves_its_last_phrase(text: str, expected: list[int]) -> None:
    assert lengths(text) == expected


def test_tokens_keep_their_weights_across_chunks() -> None:
    chunks = chunked(spans("w " * 70 + ", (x " + "x " * 9 + ":1.5)"), by_word)
    assert chunks[0].weights == [1.0] * 71
    assert chunks[1].weights == [1.5] * 10


def test_a_missing_vocabulary_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="tokenizer.json"):
        count("x", tmp_path / "tokenizer.json")


def test_counting_imports_no_torch(root: Path, tokenizer_json: Path) -> None:
    code = (f"import sys; from pipelines.prompt.tokens import count; count('a cat', {str(tokenizer_json)!r}); "
            "sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'diffusers')))")
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
