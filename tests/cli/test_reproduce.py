"""`app.py reproduce`: the verdict on our pictures, JPEGs, other programs' files, and on files changed or without settings."""

from __future__ import annotations

import json

import pytest
from PIL import Image, PngImagePlugin

import app
from pipelines.metadata import read, write
from pipelines.spec.request import GenerationRequest

SMALL = ["--prompt", "a red car", "--seed", "42", "--steps", "2", "--width", "64", "--height", "64", "--quiet"]
A1111 = ("a red car\nNegative prompt: blurry\nSteps: 2, Sampler: Euler a, CFG scale: 4, Seed: 42, Size: 64x64, "
         "Model hash: 0123456789, Model: mini, Version: v1.10.1")


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("ATELIER_DATA_DIR", str(tmp_path / "home"))
    monkeypatch.delenv("COMMANDLINE_ARGS", raising=False)

    def call(*words):
        code = app.main(list(words))
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err.splitlines()
    return call


@pytest.fixture
def painted(run):
    return run("generate", *SMALL)[1][0]


def told(run, file, *words):
    code, [verdict], _ = run("reproduce", str(file), "--quiet", *words)
    return code, verdict


def test_our_own_picture_is_identical_and_can_be_kept(run, painted, tmp_path):
    again = tmp_path / "again.png"
    assert told(run, painted, "-o", str(again)) == (0, "Identical: every pixel is the same.")
    assert read(again).full == read(painted).full


def test_what_it_was_made_from_comes_along_from_another_folder_of_results(run, tmp_path):
    Image.effect_noise((64, 64), 60).convert("RGB").save(tmp_path / "in.png")
    mask = Image.new("L", (64, 64))
    mask.paste(255, (0, 0, 32, 64))
    mask.save(tmp_path / "mask.png")
    start = ["--init-image", str(tmp_path / "in.png"), "--mask-image", str(tmp_path / "mask.png"), "--out", str(tmp_path / "there")]
    [made] = run("generate", *SMALL, *start)[1]
    assert told(run, made) == (0, "Identical: every pixel is the same.")
    code, [again], _ = run("generate", "--like", made, "--quiet", "--out", str(tmp_path / "elsewhere"))
    assert code == 0 and Image.open(again).tobytes() == Image.open(made).tobytes()
    request = read(again).full
    kept = {path.stem for path in (tmp_path / "elsewhere/.inputs").glob("*.png")}
    assert {request.init.image, request.inpaint.mask} == kept == set(request.pictures())


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_a_jpeg_goes_through_the_same_compression(run, format):
    [file] = run("generate", *SMALL, "--output-format", format)[1]
    assert told(run, file) == (0, "Identical: every pixel is the same.")


def test_a_retouched_picture_is_told_in_decibels_with_what_differs(run, painted, tmp_path):
    found, picture = read(painted), Image.open(painted).convert("RGB")
    picture.putpixel((3, 3), (255, 0, 255))
    other = {**found.made, "torch": "1.0", "threads": 99}
    write(picture, tmp_path / "x.png", found.full.merged({"model_hash": "ffffffffff"}), other)
    code, verdict = told(run, tmp_path / "x.png")
    assert code == 1 and verdict.startswith("Different: PSNR ") and " dB, because: torch 1.0 → " in verdict
    assert "threads 99 → " in verdict and f"model hash ffffffffff (mini) → {found.full.model_hash} (mini)" in verdict


def test_another_programs_picture_is_made_as_far_as_it_is_known(run, tmp_path):
    chunk = PngImagePlugin.PngInfo()
    chunk.add_text("parameters", A1111)
    Image.new("RGB", (64, 64), "red").save(tmp_path / "a.png", pnginfo=chunk)
    code, verdict = told(run, tmp_path / "a.png", "-o", str(tmp_path / "b.png"))
    made = read(tmp_path / "b.png").full
    assert (made.sampler, made.cfg_scale, made.seed, made.steps) == ("Euler a", 4, 42, 2)
    assert code == 1 and "painted by AUTOMATIC1111" in verdict and "model hash 0123456789 (mini) → " in verdict


def test_a_picture_of_another_size_cannot_be_the_same(run, painted, tmp_path):
    found = read(painted)
    write(Image.open(painted).convert("RGB").resize((32, 32)), tmp_path / "x.png", found.full, found.made)
    assert "it was 32×32 pixels, now 64×64" in told(run, tmp_path / "x.png")[1]


def test_the_environment_is_in_every_picture(painted):
    made = read(painted).made
    assert {"torch", "diffusers", "transformers", "device", "precision", "processor", "threads"} <= made.keys()
    assert json.loads(json.dumps(made)) == made and made["precision"] == "fp32"


@pytest.mark.parametrize(("name", "line"), [("gone.png", "no such file"), ("plain.png", "no generation data")])
def test_a_picture_that_says_nothing_is_refused(run, tmp_path, name, line):
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    code, printed, said = run("reproduce", str(tmp_path / name))
    assert (code, printed) == (2, []) and len(said) == 1 and line in said[0]


def test_the_sheet_of_a_grid_is_no_picture(run, tmp_path):
    write(Image.new("RGB", (8, 8)), tmp_path / "sheet.png", GenerationRequest(seed=1), {"Script": "X/Y/Z plot"})
    code, printed, said = run("reproduce", str(tmp_path / "sheet.png"))
    assert (code, printed) == (2, []) and "sheet.png - the sheet of a grid" in said[0]


def test_a_model_that_is_not_here_is_named_and_another_can_take_its_place(run, painted, tmp_path):
    found = read(painted)
    dream = found.full.merged({"model": "dream", "model_hash": ""})
    write(Image.open(painted).convert("RGB"), tmp_path / "x.png", dream, found.made)
    code, _, said = run("reproduce", str(tmp_path / "x.png"), "--quiet")
    assert code == 2 and said[0].startswith("Model: dream - not found")
    assert told(run, tmp_path / "x.png", "--model", "mini")[0] == 0
