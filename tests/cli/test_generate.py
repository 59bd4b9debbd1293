"""`app.py generate` on the embedded model: paths out, the same picture again, one line and code 2 for bad input."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import app
from pipelines.cli.generate import Ticker
from pipelines.spec.events import Note, Preview, Saved, Stage, Step

SMALL = ["--steps", "2", "--width", "64", "--height", "64", "--quiet"]


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Run the command in a data folder of its own; returns exit code, printed paths, lines of standard error."""
    monkeypatch.setenv("ATELIER_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("COMMANDLINE_ARGS", raising=False)

    def call(*words):
        code = app.main(["generate", *words])
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err.splitlines()
    return call


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


def test_one_path_a_line_and_nothing_else(run, tmp_path):
    code, paths, said = run("--prompt", "a red car", "--seed", "42", "--batch-size", "2", "--out", str(tmp_path / "x"), *SMALL)
    assert code == 0 and len(paths) == 2 and not said
    assert all(path.startswith(str(tmp_path / "x")) and Image.open(path).size == (64, 64) for path in paths)


def test_like_repeats_a_picture_and_flags_override_it(run):
    _, [first], _ = run("--prompt", "a {red|blue|green} car", "--seed", "5", *SMALL)
    _, [again], _ = run("--like", first, "--quiet")
    _, [other], _ = run("--like", first, "--seed", "6", "--quiet")
    assert first != again and np.array_equal(pixels(first), pixels(again))
    assert not np.array_equal(pixels(first), pixels(other))


def test_a_request_of_json_paints_what_its_flags_would(run, tmp_path):
    wish = {"prompt": "a cat", "seed": 3, "steps": 2, "width": 64, "height": 64}
    (tmp_path / "wish.json").write_text(json.dumps(wish))
    _, [file], _ = run("--request", str(tmp_path / "wish.json"), "--sampler", "Euler", "--schedule", "Automatic", "--quiet")
    _, [flags], _ = run("--prompt", "a cat", "--seed", "3", "--sampler", "Euler", "--schedule", "Automatic",
                        "--cfg-scale", "7", *SMALL)
    assert np.array_equal(pixels(file), pixels(flags))


def test_what_is_not_given_comes_from_the_models_family(run):
    from pipelines.families import FAMILIES
    from pipelines.metadata import read

    _, [path], _ = run("--prompt", "a cat", *SMALL)
    assert read(path).full.cfg_scale == FAMILIES.get("mini").default_request["cfg_scale"]


@pytest.mark.parametrize(("words", "size"), [((), (320, 224)), (("--width", "64", "--height", "64"), (64, 64))])
def test_the_size_follows_the_picture_that_is_started_from_unless_it_is_typed(run, tmp_path, words, size):
    given = tmp_path / "in.png"
    Image.effect_noise((320, 224), 60).save(given)
    code, [path], _ = run("--init-image", str(given), "--denoising-strength", "0.5", "--steps", "2", "--quiet", *words)
    assert code == 0 and Image.open(path).size == size


@pytest.mark.parametrize(("words", "line"), [
    (["--steps", "0"], "Steps: 0 - too small. Allowed: 1-150."),
    (["--sampler", "Eulr"], "Sampler: Eulr - not found. Allowed: Euler"),
    (["--model", "nothing"], "Model: nothing - not found"), (["--width", "72"], "Width: 72"),
    (["--style", "no such style"], "no such style"), (["--prompt", "__no_such_list__"], "Wildcard: no_such_list - not found"),
    (["--like", "missing.png"], "Image: missing.png - no such file"), (["--request", "missing.json"], "--request: missing.json"),
    (["--init-image", "http://169.254.169.254/a.png"], "Image: http://169.254.169.254/a.png - no such file"),     # faults.md C40
    (["--init-image", "file:///etc/passwd"], "no such file"),
    (["--init-image", "~nosuchuser/a.png"], "there is no user of that name on this machine"),
    (["--request", "~nosuchuser/a.json"], "--request: ~nosuchuser/a.json - there is no user"),
    (["--mask-image", "data:image/png;base64," + "A\n=" * 99], "no such file"),
    (["--init-image", "a\0b"], "Image: a"), (["--init-image", __file__], "not an image"),
    (["--stpes", "4"], "Did you mean --steps?"), (["--schedule", "none"], "Schedule"), (["--port", "x"], "port: x")],
    ids=lambda v: v if isinstance(v, str) else " ".join(v))
def test_bad_input_is_one_line_and_exit_code_2(run, words, line):
    code, paths, said = run(*words)
    assert (code, paths, len(said)) == (2, [], 1) and line in said[0]


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"colour": 1}', '{"steps": "x"}', "[" * 100_000, "\udcff"],
                         ids=["empty", "cut", "list", "unknown", "type", "deep", "not-text"])
def test_a_request_that_is_none_is_one_line(run, tmp_path, content):
    (tmp_path / "wish.json").write_text(content, errors="surrogateescape")
    code, paths, said = run("--request", str(tmp_path / "wish.json"))
    assert (code, paths, len(said)) == (2, [], 1)


def test_a_picture_without_data_is_one_line(run, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "bare.png")
    code, _, said = run("--like", str(tmp_path / "bare.png"))
    assert code == 2 and said == ["Image: bare.png - no generation data in this file. "
                                  "Allowed: PNG, JPEG, WebP, BMP, GIF (first frame)."]


def test_a_failure_is_one_line_and_exit_code_1(run, monkeypatch):
    from pipelines.engine import Engine
    from pipelines.spec.errors import OutOfMemory

    def full(*_):
        raise OutOfMemory("the picture")
    monkeypatch.setattr(Engine, "run", full)
    code, paths, said = run("--prompt", "a cat", *SMALL)
    assert (code, paths, len(said)) == (1, [], 1) and said[0].startswith("Memory: ")


def hearing():
    """In the child: a suite that runs in a shell's background ignores Ctrl+C, and so would everything it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_keeps_what_is_finished_and_says_130(tmp_path, root):
    words = ["generate", "--prompt", "a cat", "--batch-count", "200", "--data-dir", str(tmp_path), *SMALL]
    child = subprocess.Popen([sys.executable, "app.py", *words], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True, env={**os.environ, "OMP_NUM_THREADS": "1", "COMMANDLINE_ARGS": ""},
                             preexec_fn=hearing)
    first = child.stdout.readline().strip()
    time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=180)
    assert child.returncode == 130 and err.strip().endswith("Stopped. Finished pictures are kept.")
    assert all(Image.open(path).size == (64, 64) for path in [first, *out.split()])


def test_a_log_gets_stages_and_a_terminal_gets_steps():
    events = [Stage("loading mini"), Step(1, 2, 1, 4), Preview(b""), Note("a note"), Saved(0, "a.png")]
    log, screen = io.StringIO(), io.StringIO()
    screen.isatty = lambda: True
    for out in (log, screen):
        ticker = Ticker(out=out)
        for event in events:
            ticker(event)
        ticker.clear()
    assert log.getvalue() == "loading mini\na note\n"
    assert "picture 1/2  step 1/4" in screen.getvalue() and "s left" in screen.getvalue()
