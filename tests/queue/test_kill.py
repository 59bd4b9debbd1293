"""Goal R6, fault F67: kill -9 at random moments of a batch and at every step of a save. Nothing finished is lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROUNDS = 20


def test_nothing_finished_is_lost_by_kill_9(record_property: Callable[[str, object], None]) -> None:
    memory = Path("/dev/shm")  # what a killed process has written stays there, too, and waits for no platter
    folder = Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None))
    try:
        script = Path(__file__).with_name("killed_studio.py")
        done = subprocess.run(
            [sys.executable, script, folder, str(ROUNDS), str(os.getpid())],
            timeout=120,
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(script.parents[2])},
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    rounds = json.loads(done.stdout)
    record_property("deaths", rounds)
    assert len(rounds) == ROUNDS + 7
    assert [r for r in rounds if not r["killed"] or r["wrong"]] == [], done.stderr[-3000:]
    assert len({r["told"] for r in rounds}) > 5, "the moments are spread over the batch"
