"""AUTOMATIC1111's prompt syntax, by its documented behaviour."""

import gc
import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.prompt.parse import OUTSIDE, parse, parts, pieces, spans
from pipelines.prompt.printed import printed
from pipelines.prompt.regions import WHOLE, Region, check, check_none, cut
from pipelines.prompt.tree import BREAK, Span, at_step, timeline
from pipelines.spec.errors import FieldError

VECTORS = {
    "": [],
    "normal text": [("normal text", 1.0)],
    "an (important) word": [("an ", 1.0), ("important", 1.1), (" word", 1.0)],
    "((x))": [("x", 1.21)], "(x:1.3)": [("x", 1.3)], "( x : 1.3 )": [(" x ", 1.3)], "(a:.5)": [("a", 0.5)],
    "(a:-1)": [("a", -1.0)], "(a:+2)": [("a", 2.0)], "[x]": [("x", 0.909091)], "[[x]]": [("x", 0.826446)],
    "([x])": [("x", 1.0)], "((a:1.2) b)": [("a", 1.32), (" b", 1.1)],
    "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).": [
        ("a ", 1.0), ("house", 1.573), (" ", 1.1), ("on", 1.0), (" a ", 1.1), ("hill", 0.55), (", sun, ", 1.1),
        ("sky", 1.4641), (".", 1.1)],
    r"\(literal\] \[x\) \\": [(r"(literal] [x) " + "\\", 1.0)], r"(a\:b)": [(r"a\:b", 1.1)], r"x\y": [(r"x\y", 1.0)],
    "(unbalanced": [("unbalanced", 1.1)], "a) b]": [("a) b]", 1.0)], "[a:b": [("a:b", 0.909091)],
    "(x:1.5": [("x:1.5", 1.1)], "(x:abc)": [("x:abc", 1.1)], "(x:1e9)": [("x:1e9", 1.1)],
    "(a:b:c)": [("a:b:c", 1.1)], "(a:1.2.3)": [("a:1.2.3", 1.1)], "(a:b:1.3)": [("a:b", 1.3)], "(x:1000)": [("x", 10.0)],
    "(x:-1000)": [("x", -10.0)], "()": [], "(:1.3)": [], "[]": [], "a:b|c": [("a:b|c", 1.0)], "(a|b)": [("a|b", 1.1)],
    "[bad : wrong] anatomy": [("bad : wrong", 0.909091), (" anatomy", 1.0)],
    "[a:b:c:0.5]": [("a:b:c:0.5", 0.909091)], "[a:-1]": [("a:-1", 0.909091)], r"[a\|b]": [("a|b", 0.909091)],
    "a BREAK b": [("a", 1.0), (None, 1.0), ("b", 1.0)], "BREAK": [(None, 1.0)],
    "(a BREAK b:1.2)": [("a", 1.2), (None, 1.0), ("b", 1.2)], "BREAKFAST": [("BREAKFAST", 1.0)],
    "# note\nred\n  # more\ncar": [("red\ncar", 1.0)], "red # note": [("red ", 1.0)], "C# and #ff0000": [("C# and #ff0000", 1.0)],
    "a AND b": [("a AND b", 1.0)], "<lora:x:1>": [],
}
STEPS = {       # prompt: words at each of 4 steps
    "[a:b:0.5]": "aabb", "[a:b:2]": "aabb", "[b:3]": "...b", "[a::1]": "a...", "[a:b:4]": "aaaa", "[a:b:1.0]": "aaaa",
    "[a:b:0]": "bbbb", "[a:b: 0.25 ]": "abbb", "[a|b]": "abab", "[a|b|c]": "abca", "[a|]": "a.a.", "[a|b|c:0.5]": None,
    "[[a:b:1]:c:3]": "abbc", "[a:[b|c]:2]": "aabc", "[(a):b:2]": "aabb",
}


@pytest.mark.parametrize("text", VECTORS, ids=lambda t: t[:30] or "empty")
def test_a_prompt_has_these_words_and_weights(text: str) -> None:
    assert [(s.text, s.weight) for s in spans(text)] == VECTORS[text]


@pytest.mark.parametrize("text", [t for t in STEPS if STEPS[t]])
def test_a_prompt_changes_at_the_right_step(text: str) -> None:
    prompt = parse(text)
    assert prompt.changing
    words = dict(timeline(prompt, 4))
    held, seen = ".", ""
    for step in range(4):
        held = "".join(s.text or "" for s in words[step]) or "." if step in words else held
        seen += held
    assert seen == STEPS[text]


def test_an_alternation_with_a_number_is_not_a_schedule() -> None:
    assert [spans("[a|b|c:0.5]", step, 4)[0].text for step in range(4)] == ["a", "b", "c:0.5", "a"]


def test_the_studys_negative_prompt_alternates_and_de_emphasises() -> None:
    text = "[deformed | disfigured], poorly drawn, [bad : wrong] anatomy, [extra | missing] limb, (mutated hands)"
    first, second = (spans(text, step, 25) for step in (0, 1))
    assert first[0].text == "deformed , poorly drawn, "
    assert second[0].text == " disfigured, poorly drawn, "
    assert Span("bad : wrong", 0.909091) in first
    assert first[-1] == Span("mutated hands", 1.1)


@pytest.mark.parametrize(("text", "note"), [("(x:99)", "Weight 99 was limited to 10."),
                                           ("(x", "A bracket is not closed; it is taken as closed at the end.")])
def test_what_was_read_otherwise_is_noted(text: str, note: str) -> None:
    assert parse(text).notes == (note,)
    assert parse("(x:9) [y] \\(").notes == ()


@given(st.text(alphabet="ab ()[]:|\\#\n.,0123456789<>{}_BREAK", max_size=80))
def test_the_parser_never_raises_and_its_weights_are_bounded(text: str) -> None:
    prompt = parse(text)
    for step in range(3):
        assert all(-10 <= span.weight <= 10 for span in at_step(prompt, step, 3))


@given(st.text())
def test_any_text_at_all_is_taken(text: str) -> None:
    parse(text)


@given(st.text(alphabet=st.characters(exclude_characters="()[]\\#")).filter(lambda t: "BREAK" not in t))
def test_literal_text_is_kept_byte_for_byte(text: str) -> None:
    assert "".join(s.text or "" for s in spans(text)) == text
    assert all(s.weight == 1.0 for s in spans(text))


@given(st.text(alphabet="abc()[]\\"))
def test_escaped_brackets_are_kept_byte_for_byte(text: str) -> None:
    escaped = "".join("\\" + c if c in "()[]\\" else c for c in text)
    assert "".join(s.text or "" for s in spans(escaped)) == text


SIGNS = st.sampled_from([*"ab ()[]:|\\.05123", "BREAK", "[a:b:0.5]", "(x:1.3)", "[a|b]"])


@given(st.lists(SIGNS, max_size=16).map("".join))
def test_a_printed_tree_is_parsed_to_the_same_words_at_every_step(text: str) -> None:
    prompt = parse(text)
    again = parse(printed(prompt))
    assert [at_step(again, step, 4) for step in range(4)] == [at_step(prompt, step, 4) for step in range(4)]
    assert printed(again) == printed(prompt) and again.notes == ()


@given(st.integers(0, 3000))
def test_depth_is_no_limit(depth: int) -> None:
    assert [s.text for s in spans("(" * depth + "x" + ")" * depth)] == ["x"]


def test_a_region_is_taken_out_of_its_part_wherever_it_stands_beside_the_weight() -> None:
    base, *others = parts("a meadow AND (a car:1.2) :0.5 <region:0,0,0.5,1> AND [<REGION: .5, 0,.5 ,1:soft=0>red:blue:0.5]")
    assert base.region is None and [one.weight for one in others] == [0.5, 1.0]
    assert [one.region for one in others] == [Region(0, 0, 0.5, 1), Region(0.5, 0, 0.5, 1, soft=0)]
    assert at_step(others[0]) == (Span(" "), Span("a car", 1.2), Span(" "))
    assert timeline(others[1], 2)[1] == (1, (Span(" blue"),))

    styled = parts("a AND b :0.5 <region:0,0,1,0.5>, oil painting")[1]
    assert styled.weight == 0.5 and at_step(styled) == (Span(" b , oil painting"),)


def test_where_every_part_has_a_region_something_stands_outside_and_a_note_says_what() -> None:
    outside, only = parts("a car :2 <region:0,0,1,0.5>")
    assert (outside.nodes, outside.notes, only.weight) == ((), (OUTSIDE,), 2.0)


@pytest.mark.parametrize(("box", "why"), [
    ("0,0,1", "3 numbers, not four"), ("0,0,1,1,1", "5 numbers"), ("", "'' is not a share"), ("0,0,2,1", "'2' is not a share"),
    ("-0.1,0,1,1", "'-0.1' is not a share"), ("0,nan,1,1", "'nan' is not"), ("0,0,0,1", "nothing of the picture"),
    ("1,0,1,1", "nothing of the picture"), ("0,0,1,1:hard=1", "'hard=1' is not known"), ("0,0,1,1:soft", "'' is not a share"),
    ("0,0,1,1:base=0:base=1", "'base=1' is not known")])
def test_a_box_that_is_none_stays_words_and_is_refused_with_its_tag(box: str, why: str) -> None:
    text = f"a AND b <region:{box}>"
    assert parts(text)[1].region is None and box[:5] in "".join(span.text or "" for span in at_step(parts(text)[1]))
    with pytest.raises(FieldError, match=re.escape(f"<region:{box}> - {why}")):
        check(pieces(text))


def test_a_part_has_one_region_and_a_negative_prompt_none() -> None:
    check(pieces("a <region:0,0,1,1> AND b <region:0,0,1,1> # <region:no>"))
    with pytest.raises(FieldError, match="a second region"):
        check(pieces("a <region:0,0,1,1> <region:0,0,1,1>"))
    with pytest.raises(FieldError, match="in the prompt only"):
        check_none("ugly <region:0,0,1,1>", "Negative prompt")


SHARE = st.integers(0, 20).map(lambda twentieths: twentieths / 20)


@given(SHARE.filter(lambda x: x < 1), SHARE.filter(bool), SHARE, SHARE)
def test_a_region_is_written_as_it_is_read(x: float, width: float, base: float, soft: float) -> None:
    region = Region(x, 0.25, width, 0.5, base, soft)
    assert cut(f"a {region} b") == ("a ", " b", region)


@given(SHARE.filter(lambda x: 0 < x < 1), st.integers(3, 40), SHARE)
def test_two_halves_cover_every_column_once_and_tiles_see_their_part(border: float, cells: int, soft: float) -> None:
    soft = min(soft, border, 1 - border)
    left, right = (Region(x, 0, width, 1, soft=soft).columns(WHOLE, cells) for x, width in ((0, border), (border, 1 - border)))
    assert [a + b for a, b in zip(left, right, strict=True)] == pytest.approx([1.0] * cells)
    assert Region(0, 0, border, 1).rows(WHOLE, cells) == [1.0] * cells
    middle = Region(0.25, 0.25, 0.5, 0.5, soft=soft)
    assert middle.columns(WHOLE, 32)[8:24] == pytest.approx(middle.columns((0.25, 0, 0.75, 1), 16))
    hard = Region(0.3, 0, 0.4, 1, soft=0).columns(WHOLE, cells)
    assert cells < 5 or sum(hard) / cells == pytest.approx(0.4)


MEGABYTE = ("<region:", "<region:0,0,1,1>", "(", "[", "()", "[]", "[a:b:", "[a|", "[a|b]", "([", "(a:1.3)", "AND ", "\\", ":",
            "<lora:", "{a|", "a, ")


def nodes(text: str) -> list[tuple[int, str, list[object]]]:
    """The least a parser in this language does: one look and one node for every sign."""
    made: list[tuple[int, str, list[object]]] = []
    for at, sign in enumerate(text):
        made.append((at, sign, []))
    return made


@pytest.mark.parametrize("unit", [*MEGABYTE, "half", "wrong"])
def test_a_megabyte_costs_a_few_looks_at_every_sign(unit: str) -> None:
    """Measured against this machine's own speed: a second where `nodes` takes a tenth of it."""
    size = 1_000_000
    text = {"half": "(" * (size // 2) + ")" * (size // 2), "wrong": "([" * (size // 4) + ")]" * (size // 4)}.get(unit)
    text = text or unit * (size // len(unit))
    assert seconds(text, parts) < 10 * seconds(text, nodes)


HOSTILE = {"open round": "(", "open square": "[", "nested": "(a", "schedules": "[a:", "alternations": "[a|b",
           "breaks": "BREAK ", "spaces": " ", "colons": ":", "escapes": "\\", "comments": "a # b\n", "closers": ")]",
           "numbers": "(a:1"}


def seconds(text: str, read: Callable[[str], object] = spans) -> float:
    """CPU time of one reading, without the garbage collector: its cost depends on everything else that is loaded."""
    times = []
    gc.disable()
    for _ in range(3):
        started = time.process_time()
        read(text)
        times.append(time.process_time() - started)
    gc.enable()
    return min(times)


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE)
def test_time_grows_with_the_length_and_not_with_its_square(unit: str) -> None:
    small, large = (unit * (size // len(unit)) for size in (10_000, 80_000))
    seconds(small)
    ratio = seconds(large) / max(seconds(small), 1e-4)
    assert ratio < 8 * 3, f"8 times the text took {ratio:.0f} times as long"


def test_break_is_a_span_of_its_own() -> None:
    assert BREAK in spans("a BREAK b")
