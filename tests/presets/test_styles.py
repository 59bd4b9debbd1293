"""styles.csv: what A1111 writes is read, what is broken is named and kept, what we write no spreadsheet runs."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.spec.errors import FieldError, StorageError
from pipelines.styles import LIMIT, Style, Styles, joined
from pipelines.styles.table import parse, written

HEAD = "name,prompt,negative_prompt\n"


@pytest.fixture
def styles(root: Path, tmp_path: Path) -> Styles:
    return Styles([root / "presets", tmp_path])


def mine(styles: Styles, data: bytes | str) -> Styles:
    styles.user.parent.mkdir(exist_ok=True)
    styles.user.write_bytes(data if isinstance(data, bytes) else data.encode())
    return styles


def test_what_ships_can_be_read_and_is_read_only(styles: Styles) -> None:
    assert len(styles.names()) == 16 and not styles.problems()
    with pytest.raises(FieldError, match="belongs to the studio"):
        styles.delete("Watercolour")


@pytest.mark.parametrize(("prompt", "addition", "result"), [
    ("a cat", "photo of {prompt}, sharp", "photo of a cat, sharp"), ("a cat", "sharp", "a cat, sharp"), ("", "sharp",
    "sharp"),
    ("a cat,", "sharp", "a cat, sharp"), ("a cat", "", "a cat"), ("a", "{prompt} {prompt}", "a a")])
def test_a_style_takes_the_prompt_in_or_is_appended(prompt: str, addition: str, result: str) -> None:
    assert joined(prompt, addition) == result


def test_styles_are_applied_in_order_and_an_unknown_one_names_the_nearest(styles: Styles) -> None:
    prompt, negative = styles.apply("a cat", "dog", ["Watercolour", "Golden hour"])
    assert prompt.startswith("watercolour painting of a cat") and prompt.endswith("long shadows")
    assert negative.startswith("dog, photo")
    with pytest.raises(FieldError, match="Watercolour"):
        styles.apply("a cat", "", ["Watercolor"])


@pytest.mark.parametrize("names", [[], ["Photograph"], ["Quality words"], ["Watercolour", "Golden hour"],
                                   ["Neon night", "Pixel art", "Quality words"]])
def test_applied_styles_are_extracted_back(styles: Styles, names: list[str]) -> None:
    made = styles.apply("a red car, in the snow", "cat", names)
    assert styles.extract(*made) == ("a red car, in the snow", "cat", names)


@settings(max_examples=60, deadline=None)
@given(prompt=st.text("ab, {}", max_size=12), addition=st.text("ab, {}", max_size=8), marked=st.booleans())
def test_extraction_ends_and_gives_the_same_picture(
        tmp_path_factory: pytest.TempPathFactory, prompt: str, addition: str, marked: bool) -> None:
    styles = Styles([tmp_path_factory.mktemp("styles")])
    styles.save("S", addition + ("{prompt}" if marked else ""))
    left, negative, names = styles.extract(prompt, "")
    assert styles.apply(left, negative, names) == (prompt, "")


def test_no_style_is_extracted_where_two_would_do(styles: Styles) -> None:
    styles.save("One", "sharp, golden")
    assert styles.extract("a cat, sharp, golden", "rain") == ("a cat", "rain", ["One"])
    styles.save("Two", "{prompt}, sharp, golden")
    assert styles.extract("a cat, sharp, golden", "rain") == ("a cat, sharp, golden", "rain", [])


def test_deleted_and_replaced_styles_come_back_from_the_trash(styles: Styles) -> None:
    styles.save("Watercolour", "mine")
    styles.save("Watercolour", "mine, better")
    styles.delete("Watercolour")
    assert [styles.restore(), styles.restore()] == [Style("Watercolour", "mine, better"), Style("Watercolour (2)", "mine")]
    with pytest.raises(FieldError, match="nothing was deleted"):
        styles.restore()


def test_another_programs_styles_are_taken_in_beside_those_that_are_here(styles: Styles, tmp_path: Path) -> None:
    styles.save("A", "mine")
    (tmp_path / "theirs.csv").write_text(HEAD + 'A,mine,\nA,"theirs, too",\nB,x,y\n')
    assert styles.import_file(tmp_path / "theirs.csv") == ["A", "A (3)", "B"]
    assert [styles.get(name).prompt for name in ("A", "A (3)", "B")] == ["mine", "theirs, too", "x"]
    (tmp_path / "none.csv").write_text(HEAD)
    with pytest.raises(FieldError, match="no style is in it"):
        styles.import_file(tmp_path / "none.csv")


READ = [
    ("\ufeff" + HEAD + "A,a,b\n", [("A", "a", "b")], ""), (HEAD.replace("\n", "\r\n") + "A,a,b\r\n", [("A", "a",
    "b")], ""),
    ("A,a,b\n", [("A", "a", "b")], ""), ("name;prompt;negative_prompt\nA;a, x;b\n", [("A", "a, x", "b")], "semicolons"),
    ("name,text\nA,a\n", [("A", "a", "")], ""), (HEAD + "A,a\n", [("A", "a", "")], ""),
    (HEAD + "A,a,b,c\nB,x,y\n", [("B", "x", "y")], "line 2 - 4 columns"),
    (HEAD + "alone\nB,x,y\n", [("B", "x", "y")], "line 2 - 1 columns"), (HEAD + ",a,b\n", [], "line 2 - no name"),
    (HEAD + "A,a\0,b\n", [], "line 2 - a NUL"), (HEAD + "A,a,b\nA,c,d\n", [("A", "a", "b"), ("A (3)", "c",
    "d")], "line 3"),
    (HEAD + 'A,"open,b\nB,x,y\n', [("B", "x", "y")], "line 2"), (HEAD + 'A,"a"x,b\nB,x,y\n', [("B", "x",
    "y")], "line 2"),
    (HEAD + 'A,"two\nlines",b\nB,x\0,y\n', [("A", "two\nlines", "b")], "line 4"),
    ("prompt,name\nx,A\n", [("A", "x", "")], ""), ("", [], ""), (HEAD + "---- faces ----,,\n", [("---- faces ----", "",
    "")], ""),
]


@pytest.mark.parametrize(("text", "rows", "said"), READ, ids=[t[:40] for t, _, _ in READ])
def test_files_as_people_have_them_are_read_and_faults_named_by_line(
        text: str, rows: list[tuple[str, str, str]], said: str) -> None:
    found, problems = parse(text.encode())
    assert [(s.name, s.prompt, s.negative_prompt) for s in found] == rows
    assert said in " ".join(problems) and bool(problems) == bool(said), problems


@pytest.mark.parametrize(("encoding", "said"), [("utf-16", ""), ("cp1251", "line 2 - not UTF-8")])
def test_files_in_other_encodings_are_read_or_named(encoding: str, said: str) -> None:
    found, problems = parse((HEAD + "Акварель,a,b\n").encode(encoding))
    assert len(found) == 1 and said in " ".join(problems)


def test_a_broken_file_is_kept_once_and_never_overwritten_unread(styles: Styles) -> None:
    data = (HEAD + "A,a,b,c\nB,x,y\n").encode()
    mine(styles, data)
    assert any("line 2" in p for p in styles.problems())
    styles.save("New", "n")
    Styles([styles.user.parent.parent]).problems()
    copies = list(styles.user.parent.glob("styles.csv.bad-*"))
    assert [c.read_bytes() for c in copies] == [data]
    assert (styles.user.parent / "styles.csv.bak").read_bytes() == data
    assert {"B", "New"} <= set(styles.names()) and not styles.problems()


def test_a_file_of_more_than_fifty_megabytes_is_refused_unread(styles: Styles) -> None:
    mine(styles, b"")
    with styles.user.open("r+b") as file:
        file.truncate(LIMIT + 1)
    assert any("50 MB are too large" in p for p in styles.problems()) and len(styles.names()) == 16
    with pytest.raises(StorageError, match="too large to be changed here"):
        styles.save("New", "n")
    assert styles.user.stat().st_size == LIMIT + 1, "what could not be read is not written over"


def test_a_locked_file_is_named(styles: Styles, monkeypatch: pytest.MonkeyPatch) -> None:
    mine(styles, HEAD)

    def locked(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", locked)
    assert any("Permission denied" in p for p in styles.problems())
    with pytest.raises(StorageError, match="cannot be read .Permission denied.. Close the program that holds it"):
        styles.save("New", "n")


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1", "-2", "@SUM(A1)", "'=x", "''=x", "\u0442=1"])
def test_what_we_write_no_spreadsheet_runs_and_we_read_back(styles: Styles, name: str) -> None:
    styles.save(name, name, name)
    with styles.user.open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)
    assert Styles([styles.user.parent.parent]).get(name) == Style(name, name, name)


@settings(max_examples=100, deadline=None)
@given(prompt=st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=60))
def test_every_style_survives_the_file_exactly(prompt: str) -> None:
    found, problems = parse(written([Style("A", prompt, prompt)]).encode())
    assert (found, problems) == ([Style("A", prompt, prompt)], [])


def test_a_style_of_mine_wins_over_a_shipped_one_and_gives_it_back_when_deleted(styles: Styles) -> None:
    shipped = styles.get("Watercolour")
    styles.save("Watercolour", "mine")
    assert styles.get("Watercolour").prompt == "mine"
    styles.delete("Watercolour")
    assert styles.get("Watercolour") == shipped


def test_html_in_a_name_stays_text(styles: Styles) -> None:
    styles.save("<img src=x onerror=alert(1)>", "a")
    assert "<img src=x onerror=alert(1)>" in styles.names()


def test_half_a_character_is_refused_with_one_line(styles: Styles) -> None:
    with pytest.raises(StorageError, match="half a character"):
        styles.save("A", "\ud83d")


def test_two_thousand_mutated_files_break_nothing() -> None:
    source = (HEAD + 'A,"a, {prompt}",b\nB,"two\nlines",\nC,c,d\n').encode() * 3
    rng = random.Random(11)
    for _ in range(2000):
        data = bytearray(source)
        for _ in range(rng.randint(1, 12)):
            at = rng.randrange(len(data))
            data[at:at + rng.randint(0, 9)] = bytes(rng.choice(b'",;\n\r\0\xff=a{}') for _ in range(rng.randint(0, 9)))
        found, problems = parse(bytes(data))
        assert len({s.name for s in found}) == len(found) and len(problems) <= 52
