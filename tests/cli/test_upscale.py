"""`upscale` makes files and folders larger, writes none halfway and none over its source, and says in one line what is wrong."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import app
from pipelines.metadata import read, write
from pipelines.spec.request import GenerationRequest
from pipelines.upscalers.files import bits

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
    (["a.png", "-o", "~nosuchuser/b.png"], 2, "--output: ~nosuchuser/b.png - there is no user of that name"),
    (["a.png", "--tile", "32", "--tile-overlap", "32"], 2, "Tile overlap: 32"),
    (["a.png", "--format", "tiff"], 2, "--format: tiff"), (["a.png", "--quality", "101"], 2, "--quality: 101"),
    (["a.png", "--format", "webp", "-o", "large.jpg"], 2, "--format: webp - does not go with large.jpg"),
    (["a.png", "--upscaler", "Nearest", "--format", "webp", "--width", "16384", "--height", "8", "--no-crop"], 2,
     "more than WebP can hold"),
    (["a.png", "b.jpg", "-o", "one.png"], 2, "one file for 2 pictures"), (["a.png", "-o", "a.png"], 2, "the source itself"),
    (["notes.txt", "a.png", "--upscaler", "Nearest"], 2, "not an image"), (["a.png", "--sale", "2"], 2, "Did you mean --scale?")])
def test_what_is_wrong_is_one_line(folder, capsys, monkeypatch, words, code, line):
    monkeypatch.chdir(folder / "in")
    got, _, err = said(capsys, folder, *words)
    assert got == code and line in err and "Traceback" not in err


THEIRS = "a fox\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 3, Size: 30x20, Model: other"


@pytest.mark.parametrize(("format", "suffix"), [("png", ".png"), ("png16", ".png"), ("jpeg", ".jpg"), ("webp", ".webp")])
def test_every_format_keeps_what_made_the_source_and_says_what_was_done(folder, capsys, format, suffix):
    ours = GenerationRequest(prompt="a cat", seed=9, width=64, height=64)
    write(Image.new("RGB", (30, 20), "teal"), folder / "ours.png", ours)
    write(Image.new("RGB", (30, 20), "teal"), folder / "theirs.png", THEIRS)
    code, made, _ = said(capsys, folder, str(folder / "ours.png"), str(folder / "theirs.png"), "--upscaler", "Lanczos",
                         "--format", format, "-o", str(folder / "out"))
    first, second = map(read, made)
    assert code == 0 and [m.rpartition("/")[2] for m in made] == [f"ours{suffix}", f"theirs{suffix}"]
    assert first.full == ours and ", Postprocess upscale by: 2, Postprocess upscaler: Lanczos, Version" in first.infotext
    assert second.infotext == THEIRS + ", Postprocess upscale by: 2, Postprocess upscaler: Lanczos"


def test_sixteen_bits_say_what_the_source_had(folder, capsys):
    code, [made], err = said(capsys, folder, str(folder / "in" / "b.jpg"), "--upscaler", "mini-x2", "--format", "png16")
    assert code == 0 and bits(Path(made)) == 16 and "the source had 8 bits a channel" in err


def test_a_resampler_without_new_values_writes_eight_bits_and_says_so(folder, capsys):
    _, [made], err = said(capsys, folder, str(folder / "in" / "a.png"), "--upscaler", "Nearest", "--format", "png16")
    assert bits(Path(made)) == 8 and "Nearest makes 8 bits a channel" in err


def test_a_picture_is_painted_again_in_tiles_and_its_file_says_so(folder, capsys):
    source = folder / "in" / "made.png"
    own = GenerationRequest(prompt="a red car", seed=5, steps=4, sampler="Euler").merged({"hires": {}, "model_hash": "0" * 10})
    write(Image.effect_noise((128, 96), 40).convert("RGB"), source, own, {})
    words = [str(source), "--tiled-diffusion", "--scale", "2", "--tile", "128", "--padding", "16", "--upscaler", "Lanczos",
             "--denoising-strength", "0.5", "--held", "-o", str(folder / "large.png")]
    code, made, _ = said(capsys, folder, *words)
    found = read(made[0])
    assert code == 0 and Image.open(made[0]).size == (256, 192)
    assert (found.full.prompt, found.full.seed, found.full.hires, found.full.tiled.tile) == ("a red car", 5, None, 128)
    assert [unit.preprocessor for unit in found.full.control] == ["canny"]
    assert found.full.init.denoising_strength == 0.5 and found.made["Seam score"] > 0
    first = np.asarray(Image.open(made[0]))
    assert said(capsys, folder, *words)[0] == 0 and np.array_equal(first, np.asarray(Image.open(made[0])))


@pytest.mark.parametrize(("words", "line"), [
    (["--method", "Sewn"], "Tiling: Sewn - no such choice"), (["--order", "Zigzag"], "Tile order: Zigzag - no such choice"),
    (["--mask-blur", "99"], "Tile mask blur: 99 - too large"), (["--seam-width", "4"], "Seam band width: 4 - too small"),
    (["--seam-denoising-strength", "2"], "Seam denoising strength: 2"), (["--padding", "999"], "Tile padding: 999 - too large"),
    (["--scale", "8", "--width", "16384", "--height", "16384"], "megapixels"),
    (["--steps", "4", "--denoising-strength", "0.1"], "of 4 steps none would run"),
], ids=["method", "order", "blur", "width", "seam", "padding", "size", "no steps"])
def test_what_cannot_be_painted_in_tiles_is_said(folder, capsys, words, line):
    code, made, err = said(capsys, folder, str(folder / "in" / "a.png"), "--tiled-diffusion", *words)
    assert code == 2 and not made and line in err
