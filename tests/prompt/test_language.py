"""AND, LoRA tags, second passes, emphasis read as characters: what AUTOMATIC1111 documents of them, by table."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import settings as few
from hypothesis import strategies as st

from pipelines.prompt.embed import EmbeddingCache, Wanted, embed, encode
from pipelines.prompt.inversion import Inversion, Inversions, mentioned
from pipelines.prompt.networks import networks, without_networks
from pipelines.prompt.parse import MOST_PARTS, parse, parts
from pipelines.prompt.tree import Network, at_step
from pipelines.spec.errors import FieldError


def words(text: str) -> list[tuple[str, float]]:
    return [("".join(s.text or "|" for s in at_step(p)).strip(), p.weight) for p in parts(text)]


@pytest.mark.parametrize(("text", "expected"), [
    ("a AND b", [("a", 1), ("b", 1)]), ("a:1.2 AND b : -0.3", [("a", 1.2), ("b", -0.3)]), ("a :.5 AND b", [("a", 0.5), ("b", 1)]),
    ("a AND b\n:2 ", [("a", 1), ("b", 2)]), ("AND", [("", 1), ("", 1)]), ("a AND", [("a", 1), ("", 1)]),
    ("a and b", [("a and b", 1)]), ("BRAND", [("BRAND", 1)]), ("ANDY", [("ANDY", 1)]), ("a, 16:9", [("a, 16:9", 1)]),
    ("(a AND b)", [("a", 1), ("b)", 1)]), ("a :1 AND b :x", [("a", 1), ("b :x", 1)]), ("a AND b :1e3", [("a", 1), ("b :1e3", 1)]),
    ("a :99 AND b :-99", [("a", 10), ("b", -10)]), ("a AND (b:1.2)", [("a", 1), ("b", 1)]),
    ("a AND [b:c:2] :0.5", [("a", 1), ("b", 0.5)]), ("a # x AND y\nAND b", [("a", 1), ("b", 1)]),
    ("a AND b :0.5 <lora:x:1>", [("a", 1), ("b", 0.5)]), ("a BREAK b AND c", [("a|b", 1), ("c", 1)]),
])
def test_and_cuts_a_prompt_and_weighs_its_parts(text: str, expected: list[tuple[str, float]]) -> None:
    assert words(text) == expected


def test_too_many_parts_are_said() -> None:
    found = parts(" AND ".join("abcdefghijklmnopqrst"))
    assert len(found) == MOST_PARTS and found[-1].notes == (f"Only the first {MOST_PARTS - 1} AND were used.",)


@pytest.mark.parametrize(("text", "expected"), [
    ("<lora:x>", Network("x")), ("<lora:x:0.8>", Network("x", 0.8, 0.8)), ("<lora:x:0.5:0.9>", Network("x", 0.5, 0.9)),
    ("<lora:x:te=0.5>", Network("x", 0.5, 0.5)), ("<lora:x:unet=0.5>", Network("x", 1, 0.5)),
    ("<lora:x:1:unet=0>", Network("x", 1, 0)), ("<LORA: a b-c.d/e :-1>", Network("a b-c.d/e", -1, -1)),
    ("<lyco:x:2>", Network("x", 2, 2)), ("<lora:x:.5>", Network("x", 0.5, 0.5)),
])
def test_a_tag_is_read_and_taken_out(text: str, expected: Network) -> None:
    assert networks(f"a {text} b") == (expected,)
    assert without_networks(f"a {text} b") == "a  b"


@pytest.mark.parametrize("text", ["<lora>", "<lora:>", "<lora:x", "lora:x:1>", "<b>", "a < b > c", "<<lora:x:1", "<hyper:x:1>"])
def test_what_is_no_tag_stays(text: str) -> None:
    assert networks(text) == () and without_networks(text) == text


@pytest.mark.parametrize("text", ["<lora:x:a>", "<lora:x:>", "<lora:x:nan>", "<lora:x:inf>", "<lora:x:1e9>", "<lora:x:1:2:3>",
                                  "<lora:x:dyn=4>", "<hypernet:ink:1>", "<lora:x><lora:X>",
                                  "".join(f"<lora:{i}>" for i in range(33))])
def test_a_tag_that_makes_no_sense_is_named(text: str) -> None:
    with pytest.raises(FieldError, match="Prompt: "):
        networks(text)


@pytest.mark.parametrize(("text", "first", "second"), [     # words at each of 4 steps of two passes of 4
    ("[a:b:0.5]", "aabb", "bbbb"), ("[a:b:1.5]", "aaaa", "aabb"), ("[a:b:6]", "aaaa", "aabb"), ("[a:b:2]", "aabb", "bbbb"),
    ("[a:b:1.0]", "aaaa", "bbbb"), ("[a:b:2.0]", "aaaa", "aaaa"), ("[a|b]", "abab", "abab"),
])
def test_a_second_pass_has_schedules_of_its_own(text: str, first: str, second: str) -> None:
    for earlier, expected in ((0, first), (4, second)):
        assert "".join(at_step(parse(text), step, 4, earlier)[0].text or "" for step in range(4)) == expected


@pytest.mark.parametrize(("text", "kept"), [
    ("(x:1.3)", "(x:1.3)"), ("[x]", "[x]"), ("((x", "((x"), (r"\(x\)", r"\(x\)"), ("([a:b:0.5])", "(a)"), ("[a|b] (c)", "a (c)"),
    ("a BREAK b", "a BREAK b"), ("x)", "x)"), ("(a|b:2)", "(a|b:2)"),
])
def test_emphasis_none_reads_brackets_as_characters(text: str, kept: str) -> None:
    assert [(s.text, s.weight) for s in at_step(parse(text, False), 0, 4)] == [(kept, 1.0)]


@pytest.mark.parametrize("kind", ["sd", "sd2", "sdxl"])
def test_emphasis_modes_differ_as_they_are_named(request: pytest.FixtureRequest, kind: str,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = request.getfixturevalue(kind)
    norm = next(part for name, part in pipe.text_encoder.named_modules() if name.endswith("final_layer_norm"))
    raised = torch.nn.Parameter(torch.full_like(norm.bias, 0.1))
    monkeypatch.setitem(norm._parameters, "bias", raised)       # untaught, it leaves no mean to restore

    def hidden(prompt: str, mode: str = "Original") -> torch.Tensor:
        return encode(pipe, Wanted(prompt, emphasis=mode))[0].call_kwargs["prompt_embeds"]

    plain, weighed = hidden("a red car"), hidden("a (red:1.5) car", "No norm")
    assert torch.equal(hidden("a (red:1.5) car", "Ignore"), plain)
    assert torch.equal(weighed[:, 2], plain[:, 2] * 1.5) and torch.equal(weighed[:, 3:], plain[:, 3:])
    assert not torch.equal(hidden("a (red:1.5) car"), weighed)
    assert not torch.equal(hidden("a (red:1.5) car", "None"), plain)


# -- embeddings ------------------------------------------------------------------------------------------------------------


def inversion(name: str, rows: int = 2, *widths: int) -> Inversion:
    return Inversion(name, {w: torch.randn(rows, w, generator=torch.Generator().manual_seed(1)) for w in widths or (32,)}, name)


@pytest.mark.parametrize(("text", "found"), [
    ("a look b", ["look"]), ("Look, LOOK", ["look", "look"]), ("looks, overlook, look_", []), ("my-look", ["my-look"]),
    ("bad hands 4", ["bad hands 4"]), ("look", ["look"]), ("", []), ("(look:1.2)", ["look"]), ("look.look", ["look", "look"]),
])
def test_a_name_counts_where_it_stands_alone(text: str, found: list[str]) -> None:
    assert [name for _, _, name in mentioned(text, ("look", "my-look", "bad hands 4"))] == found or found == ["my-look"]
    assert all(text[start:end].lower() == name for start, end, name in mentioned(text, ("look", "bad hands 4")))


@pytest.mark.parametrize("kind", ["sd", "sd2", "sdxl"])
def test_vectors_stand_where_the_name_stood_and_leave_no_trace(request: pytest.FixtureRequest, kind: str) -> None:
    pipe = request.getfixturevalue(kind)
    given = Inversions([inversion("look")])
    table = pipe.text_encoder.get_input_embeddings()
    before, size = table.weight.clone(), len(pipe.tokenizer)
    plain = embed(pipe, "a look car")["prompt_embeds"]
    looked = encode(pipe, Wanted("a Look car"), inversions=given)[0].call_kwargs["prompt_embeds"]
    assert torch.equal(looked[:, :2], plain[:, :2]) and not torch.equal(looked[:, 2], plain[:, 2])
    assert torch.equal(table.weight, before) and len(pipe.tokenizer) == size and not table._forward_hooks
    assert torch.equal(embed(pipe, "a look car")["prompt_embeds"], plain)


def test_a_words_own_vector_gives_what_the_word_gives(sd) -> None:
    token = sd.tokenizer("car", add_special_tokens=False).input_ids
    rows = sd.text_encoder.get_input_embeddings().weight[token].detach()
    given = Inversions([Inversion("zzz", {32: rows})])
    assert torch.equal(encode(sd, Wanted("a red zzz"), inversions=given)[0].call_kwargs["prompt_embeds"],
                       embed(sd, "a red car")["prompt_embeds"])


def test_it_is_what_diffusers_own_loader_gives(sd) -> None:
    import copy

    one = inversion("look")
    theirs = copy.copy(sd)
    theirs.tokenizer, theirs.text_encoder = copy.deepcopy(sd.tokenizer), copy.deepcopy(sd.text_encoder)
    theirs.load_textual_inversion({"look": one.vectors[32]}, token="look")
    with torch.no_grad():
        wanted = theirs.encode_prompt("a look car", "cpu", 1, False)[0]
    assert torch.allclose(encode(sd, Wanted("a look car"), inversions=Inversions([one]))[0].call_kwargs["prompt_embeds"],
                          wanted, atol=1e-5)


def test_weights_chunks_and_the_cache_know_embeddings(sd) -> None:
    cache, given = EmbeddingCache(), Inversions([inversion("look", 80), inversion("other", 80)])
    first, second = (encode(sd, Wanted(f"({name}:1.2)"), cache, given)[0].call_kwargs["prompt_embeds"]
                     for name in ("look", "other"))
    assert first.shape == (1, 154, 32)
    assert not torch.equal(first, encode(sd, Wanted("look"), cache, given)[0].call_kwargs["prompt_embeds"])
    assert len(cache._kept) == 5 and second.shape == first.shape


@pytest.mark.parametrize(("words", "chunks"), [(70, [70, 8]), (67, [75]), (68, [68, 8])])
def test_the_vectors_of_an_embedding_stay_in_one_chunk(sd, words: int, chunks: list[int]) -> None:
    given = Inversions([inversion("look", 8), inversion("next", 8)])
    found = encode(sd, Wanted("car " * words + "look"), inversions=given)[0].call_kwargs["prompt_embeds"]
    assert found.shape[1] == 77 * len(chunks)
    alone = encode(sd, Wanted("look"), inversions=given)[0].call_kwargs["prompt_embeds"]
    assert torch.equal(found[:, 77:], alone) or len(chunks) == 1
    assert [given.together([1 << 40, (1 << 40) + 1, *range((1 << 40) + 8, (1 << 40) + 16)], at) for at in (0, 1, 2)] == [2, 1, 8]


def test_an_embedding_of_another_width_is_refused_by_name(sd) -> None:
    with pytest.raises(FieldError, match="Embedding: look - made for a text encoder 768 wide; this model's is 32 wide"):
        encode(sd, Wanted("a look"), inversions=Inversions([inversion("look", 1, 768)]))


# -- hostile input ---------------------------------------------------------------------------------------------------------

HOSTILE = {"tags": "<lora:", "closed tags": "<lora:a:1>", "colons": "<lora:a:1:1", "ands": "a AND ", "weights": ":1 ",
           "spaces": ": ", "names": "look ", "halves": "my-"}


def operations(work: Callable[[], object]) -> int:
    """Python calls made by `work`: unlike time it does not depend on who else is busy."""
    count = 0

    def counting(_frame: object, event: str, _arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counting)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE)
def test_work_grows_with_the_length_and_not_with_its_square(unit: str) -> None:
    def read(size: int) -> int:
        text = unit * (size // len(unit))
        return operations(lambda: (parts(text), without_networks(text), mentioned(text, ("look", "my-look"))))

    assert read(40_000) <= 8 * 1.5 * read(5_000) + 1000


@given(st.text(alphabet="ab()[]|:<>lora.05 ANDBREK#\\\n"))
@few(deadline=None)
def test_parts_never_raise_and_tags_only_by_name(text: str) -> None:
    assert all(-10 <= part.weight <= 10 for part in parts(text))
    try:
        networks(text)
    except FieldError as error:
        assert error.field == "Prompt"
