"""`app.py grid`: cells and their sheet in a folder, the same words go on after a kill, one line for each bad value."""

from __future__ import annotations

from pathlib import Path

import pytest

import app
from pipelines.metadata import read

SMALL = ["--prompt", "a red car", "--seed", "5", "--width", "64", "--height", "64", "--quiet"]


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("ATELIER_DATA_DIR", str(tmp_path / "home"))
    monkeypatch.delenv("COMMANDLINE_ARGS", raising=False)

    def call(*words):
        code = app.main(["grid", *SMALL, "--out", str(tmp_path / "out"), *words])
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err.splitlines()
    return call


def cells(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("2*/*.png"))


def test_a_grid_is_painted_once(run, tmp_path):
    words = ["--x", "cfg_scale: 2, 4", "--y", "steps=1-2"]
    code, paths, said = run(*words)
    assert code == 0 and not said and [Path(p).name for p in paths] == ["grid.png", "grid.html", "grid.csv"]
    made = cells(tmp_path / "out")
    assert {(r.cfg_scale, r.steps) for r in (read(p).full for p in made)} == {(2, 1), (4, 1), (2, 2), (4, 2)}
    assert run(*words)[0] == 0 and cells(tmp_path / "out") == made
    assert run("--x", "steps=1-3")[2] == ["--out: out - another grid was begun there. Choose another folder."]


def test_a_cell_that_cannot_be_leaves_the_others(run, tmp_path):
    code, _, said = run("--x", "sampler=Euler a, DPM++ 2M", "--y", "schedule=Automatic, no such", "--dry-run")
    assert code == 2 and "no such" in said[0]
    code, _, said = run("--x", "steps=1", "--y", "clip_skip=1, 12")
    assert code == 1 and "Clip skip" in said[0] and len(cells(tmp_path / "out")) == 1


def test_a_dry_run_paints_and_writes_nothing(run, tmp_path):
    code, lines, _ = run("--x", "seed=1-100", "--y", "steps=1-50", "--dry-run")
    assert code == 0 and lines[0].startswith("5000 cells, 1 model load,") and "GiB of memory" in lines[0]
    assert not cells(tmp_path / "out")
    assert not (tmp_path / "out" / "grid.json").exists()


@pytest.mark.parametrize(("axis", "line"), [
    ("steps", "Axis: steps - names no values"), ("stpes=1", "Axis: stpes - not found"), ("steps=0,1,999", "Steps: 0 - too small"),
    ("sampler=Eulr", "Sampler: Eulr - not found. Allowed: Euler"), ("width=72", "Width: 72 - mini needs")], ids=str)
def test_bad_axes_are_lines_and_exit_code_2(run, axis, line):
    code, paths, said = run("--x", axis)
    assert (code, paths) == (2, []) and any(s.startswith(line) for s in said)


def test_killed_twice_a_grid_ends_complete_and_no_cell_is_made_twice(outlived, tmp_path):
    words = ["grid", *SMALL, "--steps", "2", "--x", "cfg_scale=1-8", "--y", "seed=1-4", "--data-dir",
             str(tmp_path / "home"), "--out", str(tmp_path / "out")]
    there, _ = outlived(app.main, [words], lambda: len(cells(tmp_path / "out")), (5, 14))
    assert max(there) < 32
    made = [read(p) for p in cells(tmp_path / "out")]
    assert sorted(r.made["index"] for r in made) == list(range(32))
