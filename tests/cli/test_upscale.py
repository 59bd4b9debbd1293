"""`upscale` makes files and folders larger, writes none halfway and none over its source, and says in one line what is wrong."""

import numpy as np
import pytest
from PIL import Image

import app

WIDE = ["--device", "cpu", "--quiet"]


@pytest.fixture
def folder(tmp_path):
    """a.png, b.jpg and a text, in `in/`."""
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.jpg"):
        Image.fromarray(np.full((20, 30, 3), 90, np.uint8)).save(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    return tmp_path


def said(capsys, tmp_path, *words: str) -> tuple[int, list[str], str]:
    code = app.main(["upscale", "--data-dir", str(tmp_path), *WIDE, *words])
    out, err = capsys.readouterr()
    return code, out.splitlines(), err


def test_a_folder_and_a_second_upscaler(folder, capsys):
    code, made, _ = said(capsys, folder, str(folder / "in"), "--scale", "1.5", "--upscaler", "Lanczos",
                         "--second-upscaler", "nearest", "-o", str(folder / "out"))
    assert code == 0 and made == [str(folder / "out" / "a.png"), str(folder / "out" / "b.png")]
    assert {Image.open(m).size for m in made} == {(45, 30)}


def test_minis_own_is_the_default_and_lies_beside_the_source(folder, capsys):
    code, made, _ = said(capsys, folder, str(folder / "in" / "a.png"), "--width", "100", "--height", "50")
    assert code == 0 and made == [str(folder / "in" / "a-upscaled.png")] and Image.open(made[0]).size == (100, 50)


@pytest.mark.parametrize(("words", "code", "line"), [
    (["a.png", "--upscaler", "lanczo"], 2, "Upscaler: lanczo - not found. Allowed: Lanczos"),
    (["a.png", "--upscaler", "Nearest", "--scale", "9"], 2, "Upscale by: 9"), (["gone.png"], 2, "no such file"),
    (["a.png", "--tile", "32", "--tile-overlap", "32"], 2, "Tile overlap: 32"),
    (["a.png", "b.jpg", "-o", "one.png"], 2, "one file for 2 pictures"), (["a.png", "-o", "a.png"], 2, "the source itself"),
    (["notes.txt", "a.png", "--upscaler", "Nearest"], 1, "not an image"), (["a.png", "--sale", "2"], 2, "Did you mean --scale?")])
def test_what_is_wrong_is_one_line(folder, capsys, monkeypatch, words, code, line):
    monkeypatch.chdir(folder / "in")
    got, _, err = said(capsys, folder, *words)
    assert got == code and line in err and "Traceback" not in err
