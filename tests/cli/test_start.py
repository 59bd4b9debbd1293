"""While the program starts nobody looks for garbage; from then on somebody does, however the start ended."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

import app

SERVE = """
import gc, sys, app
from tabs import launch
launch.Served.announce = lambda served: sys.exit(f"{gc.isenabled()} {gc.get_freeze_count() > 10_000}")
app.main(["--data-dir", sys.argv[1], "--port", "0"])
"""


def test_a_command_runs_with_the_collector_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("pipelines.cli.explain.explain", lambda *_: seen.append((gc.isenabled(), gc.get_freeze_count() > 0)) or 0)
    assert app.main(["explain", "a car", "--data-dir", str(tmp_path)]) == 0
    assert seen == [(True, True)]
    assert (gc.isenabled(), gc.get_freeze_count()) == (True, 0)


@pytest.mark.parametrize("flag", ["--data-dir", "--state-dir"])
def test_a_data_folder_that_is_none_is_one_line(flag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    for place in ("file", "file/below"):
        assert app.main(["--outputs-dir", str(tmp_path), flag, str(tmp_path / place)]) == 1
        [line] = [line for line in capsys.readouterr().err.splitlines() if "nothing can be kept there" in line]
        assert str(tmp_path / place) in line and "Choose another with --data-dir" in line and "Traceback" not in line


def test_what_no_command_looks_after_is_one_line_too(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*_: object) -> int:
        raise PermissionError(13, "Permission denied", "there")

    monkeypatch.setattr("pipelines.cli.explain.explain", broken)
    assert app.main(["explain", "a car", "--data-dir", str(tmp_path)]) == 1
    assert capsys.readouterr().err.splitlines() == ["Disk: there - Permission denied. Look at that place or choose another folder."]


def test_a_start_that_is_refused_leaves_the_collector_on() -> None:
    assert app.main(["explain", "a car", "--steps", "x"]) == 2
    assert (gc.isenabled(), gc.get_freeze_count()) == (True, 0)


def test_a_page_is_served_with_the_collector_on(tmp_path: Path, root: Path) -> None:
    child = subprocess.run([sys.executable, "-c", SERVE, str(tmp_path)], cwd=root, capture_output=True, text=True, timeout=120)
    assert child.stderr.splitlines()[-1] == "True True"
