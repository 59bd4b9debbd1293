"""`app.py batch`: a folder through img2img and inpaint; the same words go on, other words are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import app
from pipelines.metadata import read

SMALL = ["--prompt", "a red car", "--steps", "4", "--width", "64", "--height", "64", "--denoising-strength", "0.5", "--quiet"]


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("ATELIER_DATA_DIR", str(tmp_path / "home"))
    monkeypatch.delenv("COMMANDLINE_ARGS", raising=False)
    for name, colour in (("a.png", "teal"), ("deep/b.jpg", "orange")):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64), colour).save(tmp_path / "in" / name)

    def call(*words):
        code = app.main(["batch", str(tmp_path / "in"), str(tmp_path / "out"), *SMALL, *words])
        said = capsys.readouterr()
        return code, [Path(line).relative_to(tmp_path / "out").as_posix() for line in said.out.splitlines()], said.err.splitlines()
    return call


def test_results_keep_names_and_the_same_words_make_what_is_missing(run, tmp_path):
    assert run() == (0, ["a.png", "deep/b.png"], [])
    request = read(tmp_path / "out/deep/b.png").full
    assert request.init.denoising_strength == 0.5 and request.init.image
    (tmp_path / "out/a.png").unlink()
    Image.new("RGB", (64, 64)).save(tmp_path / "in/new.png")
    assert run() == (0, ["a.png", "new.png"], [])
    assert read(tmp_path / "out/new.png").full.seed == request.seed      # drawn once for the whole folder
    assert run("--cfg-scale", "3")[2] == ["OUT: out - a batch with other settings was begun there. Choose another folder."]


def test_a_damaged_picture_and_a_missing_mask_leave_the_others(run, tmp_path):
    (tmp_path / "masks").mkdir()
    mask = Image.new("L", (64, 64))
    mask.paste(255, (0, 0, 32, 64))
    mask.save(tmp_path / "masks/a.png")
    mask.save(tmp_path / "masks/of another.png")         # a single one would count for all
    (tmp_path / "in/cut.png").write_bytes(b"\x89PNG")
    code, made, said = run("--masks", str(tmp_path / "masks"), "--mask-blur", "0")
    assert code == 1 and made == ["a.png"]
    assert ["Mask: cut.png" in said[0], "Mask: deep/b.jpg" in said[1]] == [True, True]
    right = np.asarray(Image.open(tmp_path / "out/a.png"))[:, 32:]
    assert (right == (0, 128, 128)).all()


@pytest.mark.parametrize(("words", "line"), [
    (["--masks", "/none such"], "no such folder"), (["--sampler", "Eulerr"], "Sampler: Eulerr - not found"),
    (["--denoising-strength", "0.01"], "of 4 steps none would run"),
], ids=["masks", "sampler", "strength"])
def test_what_no_picture_can_be_painted_with_is_said_first(run, tmp_path, words, line):
    code, made, said = run(*words)
    assert code == 2 and not made and line in said[0] and not (tmp_path / "out/batch.json").exists()
