"""A grid in the queue of a real studio, killed with -9 while it paints: it comes back and goes on with what is missing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

LIFE = """
import sys
from pipelines.loading.environment import prepare_environment
prepare_environment()
from extensions.hooks import Hooks
from pipelines import experiments, settings
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
with Studio.open(settings.checked({"data_dir": sys.argv[1]}), Hooks()) as studio:
    jobs = studio.queue.jobs()
    if jobs:
        print(jobs[0].status, len(jobs[0].files))
        studio.queue.retry(jobs[0].id)
        name = jobs[0].id
    else:
        base = GenerationRequest(prompt="a red car", seed=5, steps=2, width=64, height=64)
        name = experiments.submit(studio, experiments.grid_of(studio, base, [("cfg_scale", "1-6"), ("seed", "1-3")], exact=True))
    print(studio.queue.wait(name, 120).status, sorted(studio.queue.get(name).files))
"""


def test_a_killed_grid_goes_on_and_no_cell_is_made_twice(tmp_path: Path, root: Path) -> None:
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    words = [sys.executable, "-c", LIFE, str(tmp_path)]
    child = subprocess.Popen(words, cwd=root, env=env, stdout=subprocess.DEVNULL)
    outputs = tmp_path / "outputs"
    while len(list(outputs.glob("2*/*.png"))) < 4 and child.poll() is None:
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    there = len(list(outputs.glob("2*/*.png")))
    said = subprocess.run(words, cwd=root, env=env, capture_output=True, text=True, timeout=150, check=True).stdout.splitlines()
    assert said[0] == f"interrupted {there}" and 4 <= there < 18
    assert said[1] == f"done {list(range(18))}" and len(list(outputs.glob("2*/*.png"))) == 18
