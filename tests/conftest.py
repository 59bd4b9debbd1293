"""Fixtures every room may use."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import hypothesis
import pytest

from tests import lives

hypothesis.settings.register_profile("studio", deadline=None)     # no test is of the clock: a busy neighbour fails none
hypothesis.settings.load_profile("studio")
# Before torch is imported anywhere: two cores, one for each of two workers, and results that do not depend on how busy they are.
os.environ.setdefault("OMP_NUM_THREADS", "1" if "PYTEST_XDIST_WORKER" in os.environ else "2")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")     # a busy neighbour costs its share, not everything
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture
def outlived(tmp_path: Path) -> Callable[..., tuple[list[int], list[str]]]:
    """Runs `life(*words)` in a process until it ends, killed with -9 whenever `made()` reaches the next of `moments`.

    Gives what `made()` said after each kill, and the lines of the last life, which must end well.
    """

    def run(life: Callable[..., object], words: Sequence[object], made: Callable[[], int],
            moments: Sequence[int]) -> tuple[list[int], list[str]]:
        there, told = [], tmp_path / "told.txt"
        for moment in moments:
            child = lives.begun(told, life, *words)
            while made() < moment and child.is_alive():
                time.sleep(0.02)
            child.kill()
            child.join()
            assert child.exitcode == -signal.SIGKILL, "it ended before it was killed"
            there.append(made())
        last = lives.begun(told, life, *words)
        last.join(300)
        assert last.exitcode == 0, told.read_text()
        return there, told.read_text().splitlines()

    return run


@pytest.fixture
def resumed(outlived: Callable[..., tuple[list[int], list[str]]], tmp_path: Path) -> Callable[..., list[int]]:
    """A durable job in the queue of a real studio, killed at `moments`; it must come back as interrupted each time and end done.

    submit: an expression for the job's id, as `lives.durable` takes it.   pictures: how many the whole job has.   Gives how many
    files were there after each kill.
    """

    def run(room: str, submit: str, pictures: int, moments: Sequence[int]) -> list[int]:
        there, said = outlived(lives.durable, [str(tmp_path), room, submit], lambda: len(saved(tmp_path)), moments)
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
