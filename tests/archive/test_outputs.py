"""Saving, finding, marking, throwing away and bringing back."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipelines.archive import Archive, Item
from pipelines.metadata import read
from pipelines.spec.errors import FieldError
from pipelines.spec.request import GenerationRequest

Save = Callable[..., Item]
DAY = datetime.now().strftime("%Y-%m-%d")


def test_names_count_up_within_the_day(save: Save) -> None:
    assert [save(seed=seed).file for seed in (7, 7, 9)] == [
        f"{DAY}/0000{n}-{s}.png" for n, s in ((0, 7), (1, 7), (2, 9))
    ]


@pytest.mark.parametrize(("format", "suffix"), [("png", ".png"), ("jpeg", ".jpg"), ("webp", ".webp")])
def test_what_is_saved_can_be_made_again(format: str, suffix: str, archive: Archive) -> None:
    request = GenerationRequest(prompt="a red fox", seed=5)
    item = archive.save(Image.new("RGB", (32, 16)), request, {"job": "j", "index": 3}, format)
    assert item.file.endswith(suffix)
    assert archive.read(item.file).full == request
    assert archive.of_job("j") == {3: item.file}


@pytest.mark.parametrize(("size", "format", "suffix"), [((16384, 4), "webp", ".png"), ((16383, 4), "webp", ".webp")])
def test_what_a_format_cannot_hold_is_saved_as_png(size: tuple[int, int], format: str, suffix: str, archive: Archive,
                                                   caplog: pytest.LogCaptureFixture) -> None:
    item = archive.save(Image.new("RGB", size), GenerationRequest(prompt="wide", seed=1), format=format)
    assert item.file.endswith(suffix) and archive.read(item.file).full.prompt == "wide"
    assert ("It is saved as PNG." in caplog.text) == (suffix == ".png")


def test_a_name_that_no_disk_can_hold_becomes_a_number(archive: Archive, caplog: pytest.LogCaptureFixture) -> None:
    file = archive.save(Image.new("RGB", (8, 8)), GenerationRequest(seed=7), file="batch/" + "画" * 90).file
    assert file.endswith("/00000-7.png") and "the name is too long for the disk" in caplog.text and archive.unsaved == ()


def test_nothing_but_whole_pictures_lies_in_the_folder(archive: Archive, save: Save) -> None:
    save()
    assert sorted(p.name for p in (archive.root / DAY).iterdir()) == ["00000-7.png"]


QUERIES = {
    "": 4, "fox": 2, "FOX snow": 1, "fox -nothing": 0, "лис": 1, "ЛИС": 1, "mini": 4, "model:mini": 4, "model:in": 0,
    'sampler:"dpm++ 2m"': 3, "sampler:euler": 1, "seed:4": 0, "seed:42": 1, f"day:{DAY}": 4, "day:2001-01-01": 0, "blur": 1,
    "source:atelier": 4, "00002-": 1, "%": 0, "'": 0, '"': 0, "\0": 4,
}  # fmt: skip


@pytest.mark.parametrize(("query", "found"), QUERIES.items(), ids=[ascii(q) for q in QUERIES])
def test_search_finds_words_and_fields(query: str, found: int, archive: Archive, save: Save) -> None:
    save(prompt="a red Fox, in the snow")
    save(prompt="a fox", sampler="Euler a", negative_prompt="blur")
    save(prompt="Лис уночі", seed=42)
    save(prompt="a cat \ud800")
    assert len(archive.items(query)) == archive.count(query) == found


def test_pages_are_newest_first(archive: Archive, save: Save) -> None:
    files = [save(seed=n).file for n in range(7)]
    for n, file in enumerate(files):
        os.utime(archive.root / file, (1000 + n, 1000 + n))
    pages = [[item.file for item in archive.items(limit=3, offset=at)] for at in (0, 3, 6)]
    assert sum(pages, []) == files[::-1]


def test_files_added_and_removed_by_hand_are_noticed(archive: Archive, save: Save) -> None:
    first, second = save(prompt="first"), save(prompt="second")
    (archive.root / "kept").mkdir()
    shutil.move(archive.root / first.file, archive.root / "kept" / "mine.png")
    (archive.root / second.file).unlink()
    Image.new("RGB", (8, 8)).save(archive.root / "stranger.webp")
    (archive.root / "note.txt").write_text("no picture")
    assert {item.file: item.prompt for item in archive.items()} == {"kept/mine.png": "first", "stranger.webp": ""}


def test_pictures_of_other_programs_are_searched_too(archive: Archive) -> None:
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    chunks.add_text(
        "parameters", "an owl\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, Model: dream"
    )
    Image.new("RGB", (8, 8)).save(archive.root / "owl.png", pnginfo=chunks)
    assert [(i.file, i.source, i.width) for i in archive.items("owl model:dream")] == [("owl.png", "AUTOMATIC1111", 8)]


def test_favourites_outlive_the_index(tmp_path: Path, archive: Archive, save: Save) -> None:
    file = save().file
    save()
    archive.favourite(file)
    archive.close()
    (archive.root / ".index.sqlite").unlink()
    again = Archive(archive.root)
    assert [(i.file, i.favourite) for i in again.items(favourites=True)] == [(file, True)]
    again.favourite(file, on=False)
    assert again.items(favourites=True) == []


def test_trash_can_be_undone(archive: Archive, save: Save) -> None:
    item = save(prompt="a cat")
    archive.favourite(item.file)
    name = archive.trash(item.file)
    assert (archive.items(), [i.file for i in archive.items(trash=True)]) == ([], [name])
    assert archive.restore(name) == item.file
    assert [(i.file, i.favourite) for i in archive.items()] == [(item.file, True)]


def test_a_number_in_the_trash_is_not_given_again(archive: Archive, save: Save) -> None:
    archive.trash(save().file)
    assert save().file == f"{DAY}/00001-7.png"


def test_restoring_beside_a_namesake_takes_another_name(archive: Archive, save: Save) -> None:
    first, second = save(prompt="first").file, save(prompt="second").file
    name = archive.trash(first)
    shutil.copy(archive.root / second, archive.root / first)
    assert archive.restore(name) == first.replace("-7", "-7-1")
    assert sorted(i.prompt for i in archive.items()) == ["first", "second", "second"]


def test_the_trash_can_be_emptied(archive: Archive, save: Save) -> None:
    files = [save().file for _ in range(3)]
    for file in files[:2]:
        archive.trash(file)
    assert archive.empty_trash() == 2
    assert [p.name for p in archive.root.rglob("*.png")] == [Path(files[2]).name]


def test_a_thumbnail_is_small_and_comes_back(archive: Archive) -> None:
    file = archive.save(Image.effect_noise((1024, 512), 50), GenerationRequest(seed=1)).file
    for _ in range(2):
        with Image.open(archive.thumbnail(file)) as small:
            assert (small.size, small.format) == ((384, 192), "JPEG")
        shutil.rmtree(archive.root / ".thumbs")


def test_two_pictures_differ_in_what_was_changed(archive: Archive, save: Save) -> None:
    first = save(prompt="a cat", steps=20, variation={"seed": 1, "strength": 0.5})
    second = save(prompt="a cat", steps=30)
    assert archive.diff(first.file, second.file) == [
        ("Steps", 20, 30), ("Variation seed", 1, None), ("Variation strength", 0.5, None)]  # fmt: skip


def test_get_reads_the_file_itself(archive: Archive, save: Save) -> None:
    item = save(prompt="a cat")
    assert archive.get(item.file) == item
    assert read(archive.open(item.file)).made == {"Version": "Atelier 0.1.0"}


OUTSIDE = [
    "../secret.png", "/etc/passwd", "a/../../secret.png", "..\\secret.png", "C:\\x.png", "\\\\host\\x.png", "a\0.png", "",
    ".index.sqlite", ".trash/x.png", ".favourites.json", "x.html", "a" * 300 + ".png", "a/" * 600 + "x.png", "%2e%2e/x.png",
    "link.png", "folder", "none.png", "file:///etc/x.png",
]  # fmt: skip


@pytest.mark.parametrize("file", OUTSIDE, ids=[ascii(f)[:30] for f in OUTSIDE])
def test_no_name_leads_out_of_the_folder(file: str, archive: Archive) -> None:
    Image.new("RGB", (8, 8)).save(archive.root.parent / "secret.png")
    (archive.root / "link.png").symlink_to(archive.root.parent / "secret.png")
    (archive.root / "folder").mkdir()
    for use in (archive.open, archive.get, archive.trash, archive.favourite, archive.thumbnail, archive.restore):
        with pytest.raises(FieldError, match=r"^File: .* - (no such picture|not a picture of the outputs folder)\.$"):
            use(file)


LATIN = os.fsdecode(b"caf\xe9")


@pytest.mark.parametrize("place", [f"{LATIN}.png", f"{LATIN}/inner.png"], ids=["picture", "folder"])
def test_a_name_that_is_no_utf8_is_left_out_and_said_once(place: str, archive: Archive, save: Callable[..., Item],
                                                          caplog: pytest.LogCaptureFixture) -> None:
    item = save()
    (archive.root / place).parent.mkdir(exist_ok=True)
    (archive.root / place).write_bytes((archive.root / item.file).read_bytes())
    for _ in range(2):
        assert [i.file for i in archive.items()] == [item.file]
    assert archive.of_job("x") == {}
    assert archive.rebuild() >= 1
    gone = archive.trash(item.file)
    assert [i.file for i in archive.items(trash=True)] == [gone]
    assert archive.empty_trash() == 1
    assert (archive.root / place).is_file()
    assert caplog.text.count("its name is no UTF-8") == 1


@pytest.mark.parametrize("made", [{"job": "x", "index": 10**30}, {"job": "\ud800", "index": 1}, {"job": "x", "index": -7}],
                         ids=["index", "half a character", "negative"])
def test_what_a_file_says_of_its_job_stops_nobody(made: dict[str, object], archive: Archive, save: Callable[..., Item]) -> None:
    item = save()
    info = PngInfo()
    info.add_text("atelier", json.dumps({"version": 1, "request": {"prompt": "strange"}, "made": made}))
    Image.new("RGB", (8, 8)).save(archive.root / "x.png", pnginfo=info)
    assert sorted(i.file for i in archive.items()) == sorted(["x.png", item.file])
    assert archive.of_job("x") == {}


def test_pictures_are_called_by_the_pattern(tmp_path: Path) -> None:
    archive = Archive(tmp_path, now=lambda: datetime(2026, 11, 28), pattern="[model_name]/[prompt_words] [number]")
    picture = Image.new("RGB", (8, 8))
    made = [archive.save(picture, GenerationRequest(prompt=words, seed=1)).file for words in ("a car", "a cat", "a car")]
    assert made == ["mini/a car 00000.png", "mini/a cat 00000.png", "mini/a car 00001.png"]
    archive.trash(made[2])
    assert archive.save(picture, GenerationRequest(prompt="a car", seed=1)).file == "mini/a car 00002.png"
    archive.close()
    same = Archive(tmp_path, pattern="[seed]")
    assert [same.save(picture, GenerationRequest(seed=1)).file for _ in range(2)] == ["1.png", "1-2.png"]
    same.close()
