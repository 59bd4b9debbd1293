"""Which pictures a batch takes, under which mask, what their results are called, and a kill -9 in the middle of one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from pipelines.batch import Batch, Entry, given, in_folder, safe
from pipelines.spec.errors import FieldError, RequestError
from pipelines.spec.request import GenerationRequest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures with sub-folders, one of them hidden, and files that are none."""
    for name in ("b.png", "a.jpg", "a.png", "deep/er/c.webp", ".hidden/x.png", "results/old.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64), "teal").save(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    return tmp_path / "in"


def test_a_folder_is_read_with_its_sub_folders_and_without_the_results(folder: Path) -> None:
    found = in_folder(folder, beside=folder / "results")
    assert [e.name for e in found] == ["a.jpg", "a.png", "b.png", "deep/er/c.webp"]
    assert all(Path(e.picture).is_file() and not e.mask for e in found)


def test_masks_go_by_relative_name_and_one_file_counts_for_all(folder: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    (masks / "deep/er").mkdir(parents=True)
    for name in ("b.jpg", "deep/er/c.png"):
        Image.new("L", (64, 64), 255).save(masks / name)
    assert {e.name: Path(e.mask).name for e in in_folder(folder, masks) if e.mask} == {"b.png": "b.jpg", "deep/er/c.webp": "c.png"}
    assert {e.mask for e in in_folder(folder, masks / "b.jpg")} == {str(masks / "b.jpg")}


def test_masks_that_lie_among_the_pictures_are_no_pictures(folder: Path) -> None:
    (folder / "masks").mkdir()
    Image.new("L", (64, 64), 255).save(folder / "masks/b.png")
    Image.new("L", (64, 64), 255).save(folder / "masks/a.png")
    found = in_folder(folder, folder / "masks", beside=folder / "results")
    assert [(e.name, Path(e.mask).name) for e in found if e.mask] == [("a.jpg", "a.png"), ("a.png", "a.png"), ("b.png", "b.png")]
    assert [e.name for e in found if not e.mask] == ["deep/er/c.webp"]


@pytest.mark.parametrize(("path", "line"), [
    ("none such", "no such folder"), ("in/notes.txt", "no such folder"), ("empty", "no picture in it"),
], ids=["missing", "a file", "empty"])
def test_a_folder_without_pictures_is_refused(folder: Path, tmp_path: Path, path: str, line: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FieldError, match=line):
        in_folder(tmp_path / path)


def test_results_keep_name_and_folder_and_namesakes_their_suffix() -> None:
    entries = given([("a.png", "1"), ("a.jpg", "2"), ("b.png", "3"), ("b.png", "4")])
    batch = Batch(GenerationRequest(batch_count=2), (*entries, Entry("deep/c.webp", "5")), folder="day")
    assert [batch.file(i) for i in range(batch.count)] == [f"day/{n}-{k}" for n in (
        "a-png", "a-jpg", "b", "b-2", "deep/c") for k in (1, 2)]


@pytest.mark.parametrize(("part", "clean"), [
    ("..", "_"), ("a:b\\c", "a_b_c"), (".hidden", "hidden"), ("x" * 500, "x" * 200), ("画" * 83, "画" * 66),
    ("é ü", "é ü"), ("a\0b", "a_b"),
], ids=["parent", "Windows", "hidden", "long", "long in bytes", "letters", "NUL"])
def test_no_name_leads_out_of_the_folder(part: str, clean: str) -> None:         # faults.md C39
    assert safe(part) == clean
    assert ".." not in Batch(GenerationRequest(), (Entry(f"../{part}.png", ""),)).file(0).split("/")


@pytest.mark.parametrize("stem", ["x" * 250, "画" * 83 + "ab"], ids=["letters", "three bytes each"])
def test_of_a_long_name_the_number_remains_and_a_disk_takes_it(stem: str) -> None:
    batch = Batch(GenerationRequest(batch_count=2), (Entry(f"{stem}.png", ""),), folder="day")
    first, second = batch.file(0), batch.file(1)
    assert first.endswith("-1") and second.endswith("-2") and len(f"{second}-12.png".removeprefix("day/").encode()) <= 255


def test_a_batch_comes_back_from_its_payload_and_nothing_else_does() -> None:
    batch = Batch(GenerationRequest(seed=3), given([("a.png", "f" * 64)], [("m.png", "e" * 64)]), True, True, "day")
    assert Batch.of_json(batch.base, batch.to_json()) == batch
    with pytest.raises(RequestError, match="cannot be read any more"):
        Batch.of_json(batch.base, '{"version": 9}')


def test_a_killed_batch_goes_on_and_nothing_is_made_twice(resumed: Callable[..., list[int]], tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / "in" / str(number % 3)).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64), (number * 20, 90, 60)).save(tmp_path / "in" / str(number % 3) / f"{number}.png")
    folder = str(tmp_path / "in")
    resumed("batch", f"batch.submit(studio, batch.batch_of(studio, base, batch.in_folder({folder!r})))", 12, (3, 6))
    made = [p.relative_to(tmp_path / "outputs").parts[2:] for p in (tmp_path / "outputs").glob("2*/batch-*/*/*.png")]
    assert sorted(made) == sorted((str(n % 3), f"{n}.png") for n in range(12))


def test_a_picture_whose_name_is_no_utf8_is_painted_under_one_that_is(tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"caf\xe9.png")
    Image.new("RGB", (64, 64), "teal").save(file)
    (entry,) = in_folder(tmp_path)
    assert (entry.picture, entry.name) == (str(file), "caf?.png")
    assert Batch(GenerationRequest(), (entry,)).file(0) == "caf_"
    assert safe(file.stem) == "caf_"


@pytest.mark.parametrize("path", ["~nosuchuser/x", "x" * 5000, "a\0b", "\ud800"],
                         ids=["nobody's", "long", "NUL", "half a character"])
def test_what_can_be_no_folder_is_one_line(folder: Path, path: str) -> None:
    with pytest.raises(FieldError, match="^Folder: "):
        in_folder(path)
    with pytest.raises(FieldError, match="^Mask folder: "):
        in_folder(folder, path)
