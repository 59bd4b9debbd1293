"""Preprocessors without weights: OpenCV's canny to the pixel, conventions, refusals, and they import no torch."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from pipelines.preprocess import ROWS, of_type
from pipelines.spec.errors import FieldError
from pipelines.tasks.preprocess import Preprocessors

WEIGHTLESS = [row.name for row in ROWS if not row.weights]


@pytest.fixture(scope="module")
def run():
    return Preprocessors([]).run


def array(image):
    return np.asarray(image)


@pytest.mark.parametrize(("low", "high"), [(100, 200), (1, 2), (30, 90)])
def test_canny_is_opencvs_at_every_threshold(run, picture, low, high):
    found = run("canny", picture, {"low": low, "high": high}, 152)
    seen = cv2.resize(array(picture), (203, 152), interpolation=cv2.INTER_CUBIC)
    padded = np.pad(seen, ((0, 40), (0, 53), (0, 0)), mode="edge")
    assert np.array_equal(array(found)[:, :, 0], cv2.Canny(padded, low, high)[:152, :203])
    assert set(np.unique(array(found))) == {0, 255}


@pytest.mark.parametrize("name", WEIGHTLESS)
def test_every_one_without_weights_runs_and_gives_rgb_of_the_right_size(run, picture, name):
    found = run(name, picture, {}, 96)
    assert found.mode == "RGB" and found.size == ((128, 96) if ROWS.get(name).detects else picture.size)


@pytest.mark.parametrize("name", WEIGHTLESS)
def test_a_strip_is_no_mistake_of_the_program(run, name):
    noise = Image.effect_noise((1, 3000), 80).convert("RGB")
    assert run(name, noise, {}, 512).size == ((5, 16384) if ROWS.get(name).detects else noise.size)


@pytest.mark.parametrize(("name", "options", "expected"), [
    ("none", {}, lambda p: p), ("invert", {}, lambda p: 255 - p),
    ("tile_resample", {"factor": 2}, lambda p: cv2.resize(p, (100, 75), interpolation=cv2.INTER_AREA)),
    ("recolor_intensity", {}, lambda p: p.max(axis=2, keepdims=True).repeat(3, axis=2)),
], ids=["none", "invert", "tile", "intensity"])
def test_what_is_plain_arithmetic_is_exact(run, picture, name, options, expected):
    assert np.array_equal(array(run(name, picture, options)), expected(array(picture)))


def test_lines_are_white_on_black_and_threshold_keeps_the_bright(run, picture):
    assert array(run("scribble_xdog", picture, {}, 152)).mean() < 60
    black_and_white = array(run("threshold", picture, {"threshold": 100}, 152))
    assert black_and_white[5, 5].tolist() == [255] * 3 and black_and_white[75, 90].tolist() == [0] * 3


def test_shuffle_keeps_colours_repeats_by_seed_and_changes_with_it(run, picture):
    first, again, other = (array(run("shuffle", picture, {"seed": seed}, 128)) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert first.min() >= array(picture).min() and first.max() <= array(picture).max()


def test_transparency_counts_as_white(run):
    assert run("none", Image.new("RGBA", (64, 64), (0, 0, 0, 0))).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("name", ["canny", "scribble_xdog", "lineart_standard", "threshold"])
def test_an_empty_condition_is_named_not_returned(run, name):
    with pytest.raises(FieldError, match=f"{name} - found no .* the condition would be empty"):
        run(name, Image.new("RGB", (100, 80), "grey"))


@pytest.mark.parametrize(("name", "options", "resolution", "why"), [
    ("cany", {}, 512, "Allowed: canny"), ("canny", {"low": 0}, 512, "too small"), ("canny", {"gamma": 1}, 512, "Allowed: low"),
    ("canny", {}, 32, "too small"), ("canny", {"high": "x"}, 512, "not a number"),
    ("tile_resample", {"factor": 9}, 512, "too large"),
], ids=str)
def test_wrong_names_and_values_are_refused_in_one_line(run, picture, name, options, resolution, why):
    with pytest.raises(FieldError, match=why) as refusal:
        run(name, picture, options, resolution)
    assert "\n" not in str(refusal.value)


def test_a_control_type_lists_its_own_and_none():
    assert {row.name for row in of_type("Canny")} == {"none", "canny"} and len(of_type("All")) == len(ROWS)


def test_an_estimator_of_ones_own_appears_when_it_is_brought(picture):
    from dataclasses import replace

    row = replace(ROWS.get("invert"), name="mine", how="mine", aliases=())
    mine = Preprocessors([], more=[(row, lambda image, values: image // 2)])
    assert "mine" in mine.rows and np.array_equal(array(mine.run("mine", picture)), array(picture) // 2)
    assert "mine" not in Preprocessors([]).rows


def test_canny_does_not_wait_for_torch(root):
    code = ("import sys; from PIL import Image; from pipelines.tasks.preprocess import Preprocessors;"
            "Preprocessors([]).run('canny', Image.radial_gradient('L').convert('RGB'), {'low': 1, 'high': 2});"
            "sys.exit('torch' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


@pytest.mark.parametrize(("older", "name"), [
    ("hed", "softedge_hed"), ("hed_safe", "softedge_hedsafe"), ("pidinet", "softedge_pidinet"),
    ("pidinet_safe", "softedge_pidisafe"),
    ("pidinet_scribble", "scribble_pidinet"), ("lineart", "lineart_realistic"), ("depth", "depth_midas"),
    ("normal_map", "normal_midas"), ("invert (from white bg & black line)", "invert"),
    ("lineart_standard (from white bg & black line)", "lineart_standard")])
def test_the_names_the_webui_keeps_or_shows_mean_the_same_rows(older: str, name: str) -> None:
    assert ROWS.get(older).name == name
