"""`app.py preprocess`: a path out and the condition in it, sizes, poses both ways, one line and a code for bad input."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from PIL import Image

import app


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Run the command beside a photo.png; returns exit code, lines of standard output, lines of standard error."""
    monkeypatch.setenv("ATELIER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("COMMANDLINE_ARGS", raising=False)
    monkeypatch.chdir(tmp_path)
    pixels = np.full((128, 192, 3), 230, np.uint8)
    pixels[40:90, 50:120] = 20
    Image.fromarray(pixels).save("photo.png")

    def call(*words):
        code = app.main(["preprocess", *words])
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err.splitlines()
    return call


def test_canny_writes_opencvs_edges_and_prints_the_path(run):
    assert run("canny", "photo.png", "-o", "edges.png", "--low", "50", "--high", "90", "--resolution", "128") == \
        (0, ["edges.png"], [])
    expected = cv2.Canny(np.asarray(Image.open("photo.png")), 50, 90)
    assert np.array_equal(np.asarray(Image.open("edges.png").convert("L")), expected)


def test_a_size_makes_it_pixel_perfect_and_the_mode_places_it(run):
    assert run("canny", "photo.png", "-o", "c.png", "--size", "256x256", "--resize-mode", "Resize and Fill")[0] == 0
    found = np.asarray(Image.open("c.png").convert("L"))
    assert found.shape == (256, 256) and not found[:43].any() and found[43:213].any()


def test_a_pose_of_json_is_drawn(run, root):
    assert run("openpose", str(root / "presets" / "poses" / "t-pose.json"), "-o", "pose.png", "--size", "256x512")[0] == 0
    picture = Image.open("pose.png")
    assert picture.size == (256, 512) and (255, 85, 0) in {c for _, c in picture.getcolors(1000)}


def test_the_list_names_every_row_and_what_is_missing(run):
    code, lines, _ = run("--list")
    assert code == 0 and any(line.startswith("canny ") and "--low 1-255 (100)" in line for line in lines)
    assert any("missing: Put body_pose_model.pth" in line and "non-commercial" in line for line in lines)


@pytest.mark.parametrize(("words", "code", "says"), [
    (["canny"], 2, "needs a name, a file and -o OUT"), (["cany", "photo.png", "-o", "x.png"], 2, "Allowed: canny"),
    (["canny", "gone.png", "-o", "x.png"], 2, "no such file"), (["canny", "photo.png", "-o", "x.txt"], 2, "not the name"),
    (["canny", "photo.png", "-o", "no/x.png"], 2, "cannot be written"), (["canny", "photo.png", "-o", "x.json"], 2, ".png"),
    (["canny", "photo.png", "-o", "x.png", "--sigma", "2"], 2, "Allowed: low"),
    (["canny", "photo.png", "-o", "x.png", "--low", "900"], 2, "too large"),
    (["canny", "photo.png", "-o", "x.png", "--size", "9"], 2, "not a size"),
    (["canny", "photo.png", "-o", "x.png", "--resize-mode", "fit", "--size", "64x64"], 2, "Resize mode"),
    (["softedge_hed", "photo.png", "-o", "x.png"], 1, "ControlNetHED.pth"),
    (["openpose", "bad.json", "-o", "x.png"], 2, "not JSON"),
], ids=lambda v: " ".join(v) if isinstance(v, list) else None)
def test_what_cannot_be_done_is_one_line(run, tmp_path, words, code, says):
    (tmp_path / "bad.json").write_text(json.dumps({})[:-1])
    got, out, err = run(*words)
    assert (got, out, len(err)) == (code, [], 1) and says in err[0]
    assert not (tmp_path / "x.png").exists()
