"""How things are measured: CPU seconds, in turns (A-B-A-B), minima, ratios. Wall clocks of a shared machine are no figures."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Figure:
    """One row: what was measured, against which target, and the single values behind it."""

    name: str
    what: str
    value: float
    unit: str
    target: float
    runs: dict[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        return self.value <= self.target

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"met": self.met}

    def __str__(self) -> str:
        mark = "ok" if self.met else "MISSED"
        return f"| {self.name} | {self.what} | {self.value:.4g} {self.unit} | ≤ {self.target:g} | {mark} |"


def in_turns(first: Callable[[], float], second: Callable[[], float], rounds: int) -> tuple[list[float], list[float]]:
    """Both measured `rounds` times, one after the other, so that a busy neighbour hits both."""
    pairs = [(first(), second()) for _ in range(rounds)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of this process for `work`."""
    before = time.process_time()
    work()
    return time.process_time() - before


def child_cpu(words: Sequence[str], env: dict[str, str] | None = None) -> float:
    """CPU seconds of `python words` from its start to its end. Raises RuntimeError with its last line when it fails."""
    before = os.times()
    done = subprocess.run([sys.executable, *words], cwd=ROOT, env=environment(env), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{words}: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def spent(process: int) -> float:
    """CPU seconds that a running process has used so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def environment(more: dict[str, str] | None = None) -> dict[str, str]:
    """One thread, nothing asked of the net."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "COMMANDLINE_ARGS": "",
            "GRADIO_ANALYTICS_ENABLED": "False", "PYTHONPATH": str(ROOT), **(more or {})}
