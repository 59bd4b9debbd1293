"""What the explainer says of a prompt."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as few
from hypothesis import strategies as st

from pipelines.prompt.explain import Branch, Known, explain
from pipelines.prompt.tokens import count, pieces

KNOWN = Known(loras=("anime/paint", "other"), embeddings={"my-look": 1, "Bad Hands": 3})


def flat(branches: tuple[Branch, ...]) -> list[Branch]:
    return [found for branch in branches for found in (branch, *flat(branch.children))]


def test_every_token_has_its_weight_and_chunk(tokenizer_json: Path) -> None:
    told = explain("a (red:1.3) car BREAK night", known=Known(tokens=pieces(tokenizer_json)))
    found = [(p.text.strip(), p.weight, p.chunk) for p in told.conditions[0].pieces]
    assert found == [("a", 1, 0), ("red", 1.3, 0), ("car", 1, 0), ("night", 1, 1)]


def test_chunks_are_those_of_the_counter(tokenizer_json: Path) -> None:
    text = ", ".join(["a red car in the snow", "(night:1.2)", ","] * 20)
    told, counted = explain(text, known=Known(tokens=pieces(tokenizer_json))), count(text, tokenizer_json)
    assert told.conditions[0].chunks == counted.chunks
    assert len(told.conditions[0].pieces) == counted.tokens
    assert f"takes {counted.chunks} chunks" in told.notes[0]


@pytest.mark.parametrize(("step", "active"), [(0, "cat"), (4, "cat"), (5, "dog"), (9, "dog")])
def test_the_tree_says_what_holds_at_a_step(step: int, active: str) -> None:
    told = explain("a [cat:dog:0.5]", step, 10)
    words = [b.text for b in flat(told.conditions[0].tree) if b.kind == "text" and b.active]
    assert words == ["a ", active]
    assert told.conditions[0].stretches == ((0, "a cat"), (5, "a dog"))


def test_alternation_has_one_active_option() -> None:
    options = [b for b in flat(explain("[a|b|c]", 4, 10).conditions[0].tree) if b.kind == "option"]
    assert [b.active for b in options] == [False, True, False]


def test_unknown_loras_are_troubles_with_the_nearest_name() -> None:
    told = explain("a <lora:pant:1> <lora:other:0.5>", known=KNOWN)
    assert told.troubles == ("LoRA: pant - not found. Allowed: anime/paint.",)
    assert explain("<lora:Paint:1>", known=KNOWN).troubles == ()
    assert "not a weight" in explain("<lora:paint:x>", known=KNOWN).troubles[0]


def test_embeddings_are_found_where_they_stand_alone() -> None:
    told = explain("my-look, bad hands, my-looks", known=KNOWN)
    assert told.embeddings == () and explain("x", known=KNOWN).embeddings == ()
    tokens = Known(embeddings=KNOWN.embeddings, tokens=lambda words: [(1, words)])
    assert explain("my-look, BAD HANDS, my-looks", known=tokens).embeddings == ("my-look", "Bad Hands")


def test_every_vector_of_an_embedding_is_a_token_and_they_stay_together(tokenizer_json: Path) -> None:
    known = Known(embeddings={"my-look": 8}, tokens=pieces(tokenizer_json))
    for words, lengths in ((1, [9]), (70, [70, 8])):
        text = "car " * words + "(my-look:1.2)"
        [told], counted = explain(text, known=known).conditions, count(text, tokenizer_json, embeddings=known.embeddings)
        assert [sum(p.chunk == chunk for p in told.pieces) for chunk in range(told.chunks)] == lengths
        assert (counted.tokens, counted.chunks) == (sum(lengths), len(lengths))
        assert {(p.embedding, p.weight) for p in told.pieces[-8:]} == {("my-look", 1.2)}


@pytest.mark.parametrize(("text", "read_as"), [
    ("a (red:1.3) [cat:dog:5] [x] ((y)) [a|b] BREAK c", ""), ("a (red", "a (red)"), ("a) b", r"a\) b"), ("(x:99)", "(x:10.0)"),
    ("(a:b:c)", "(a:b:c:1.1)"), ("a # note", ""), ("<lora:other:1> a", ""), ("a AND [b :2", "a AND [b ] :2")])
def test_what_was_read_otherwise_is_written_as_it_was_read(text: str, read_as: str) -> None:
    assert explain(text, known=KNOWN).read_as == read_as
    assert explain(text, emphasis="None", known=KNOWN).read_as == ""


def test_prompts_of_an_and_are_told_with_their_weights() -> None:
    assert [c.weight for c in explain("a :1.5 AND b").conditions] == [1.5, 1.0]


@pytest.mark.parametrize(("emphasis", "weights"), [("Original", [1.3]), ("Ignore", [1.3]), ("None", [1.0])])
def test_emphasis_is_told(emphasis: str, weights: list[float]) -> None:
    told = explain("(x:1.3)", emphasis=emphasis)
    assert [p.weight for p in told.conditions[0].pieces] == weights
    assert bool(told.notes) == (emphasis == "Ignore")


@given(st.text(alphabet="ab()[]|:<>lora.05 ANDBREK#\\"), st.integers(0, 3))
@few(deadline=None, max_examples=60)
def test_nothing_that_is_written_stops_it(text: str, step: int) -> None:
    assert explain(text, step, 4, known=KNOWN).conditions


def test_depth_is_bounded_for_the_page() -> None:
    assert len(flat(explain("(" * 5000 + "x" + ")" * 5000).conditions[0].tree)) < 50


def test_it_imports_no_torch(root: Path) -> None:
    code = "import sys; import pipelines.prompt.explain, pipelines.loading.loras, pipelines.loading.lora_card; " \
           "sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'diffusers')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
