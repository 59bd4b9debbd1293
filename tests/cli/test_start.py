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


def test_a_start_that_is_refused_leaves_the_collector_on() -> None:
    assert app.main(["explain", "a car", "--steps", "x"]) == 2
    assert (gc.isenabled(), gc.get_freeze_count()) == (True, 0)


def test_a_page_is_served_with_the_collector_on(tmp_path: Path, root: Path) -> None:
    child = subprocess.run([sys.executable, "-c", SERVE, str(tmp_path)], cwd=root, capture_output=True, text=True, timeout=120)
    assert child.stderr.splitlines()[-1] == "True True"
