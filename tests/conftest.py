"""Fixtures every room may use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("studio", deadline=None)     # no test is of the clock: a busy neighbour fails none
hypothesis.settings.load_profile("studio")
# Before torch is imported anywhere: two cores, one for each of two workers, and results that do not depend on how busy they are.
os.environ.setdefault("OMP_NUM_THREADS", "1" if "PYTEST_XDIST_WORKER" in os.environ else "2")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")     # a busy neighbour costs its share, not everything
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

ROOT = Path(__file__).parent.parent
LIFE = """
import sys
from pipelines.loading.environment import prepare_environment
prepare_environment()
from extensions.hooks import Hooks
from pipelines import {room}, settings
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
with Studio.open(settings.checked({{"data_dir": sys.argv[1]}}), Hooks()) as studio:
    jobs = studio.queue.jobs()
    if jobs:
        print(jobs[0].status, len(jobs[0].files))
        studio.queue.retry(jobs[0].id)
        name = jobs[0].id
    else:
        base = GenerationRequest(prompt="a red car", seed=5, steps=12, width=64, height=64)
        name = {submit}
    print(studio.queue.wait(name, 240).status, sorted(studio.queue.get(name).files))
"""


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture
def outlived() -> Callable[..., tuple[list[int], list[str]]]:
    """Runs `python words` until it ends, killed with -9 whenever `made()` reaches the next of `moments`.

    Gives what `made()` said after each kill, and the lines of the last life, which must end well.
    """
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "COMMANDLINE_ARGS": ""}

    def run(words: Sequence[str], made: Callable[[], int], moments: Sequence[int]) -> tuple[list[int], list[str]]:
        there = []
        for moment in moments:
            child = subprocess.Popen([sys.executable, *words], cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
            while made() < moment and child.poll() is None:
                time.sleep(0.02)
            child.send_signal(signal.SIGKILL)
            assert child.wait() == -signal.SIGKILL, "it ended before it was killed"
            there.append(made())
        last = subprocess.run([sys.executable, *words], cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=True)
        return there, last.stdout.splitlines()

    return run


@pytest.fixture
def resumed(outlived: Callable[..., tuple[list[int], list[str]]], tmp_path: Path) -> Callable[..., list[int]]:
    """A durable job in the queue of a real studio, killed at `moments`; it must come back as interrupted each time and end done.

    submit: an expression for the job's id, with `studio`, `base` and the room `experiments` or `batch` in reach.   pictures: how
    many the whole job has.   Gives how many files were there after each kill.
    """

    def run(room: str, submit: str, pictures: int, moments: Sequence[int]) -> list[int]:
        life = LIFE.format(room=room, submit=submit)
        there, said = outlived(["-c", life, str(tmp_path)], lambda: len(saved(tmp_path)), moments)
        assert said == [f"interrupted {there[-1]}", f"done {list(range(pictures))}"]
        assert len(saved(tmp_path)) == pictures and all(moment <= n < pictures for moment, n in zip(moments, there, strict=True))
        return there

    return run


def saved(home: Path) -> list[Path]:
    """Every picture in the outputs of a studio."""
    return sorted(path for path in (home / "outputs").glob("2*/**/*.png"))


@pytest.fixture(scope="session")
def mini_dir() -> Path:
    """The embedded model that ships with the project."""
    return ROOT / "models" / "mini"
