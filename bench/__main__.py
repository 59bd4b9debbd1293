"""`python -m bench [NAME …] [--json FILE] [--full]`: prints a table, writes JSON; exit code 1 when a target is missed."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

for threads in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):      # before torch is imported
    os.environ[threads] = "1"
from pipelines.loading.environment import prepare_environment  # noqa: E402

prepare_environment()
from bench.control import control  # noqa: E402
from bench.emphasis import emphasis  # noqa: E402
from bench.fidelity import fidelity  # noqa: E402
from bench.grid import grid  # noqa: E402
from bench.guidance import guidance  # noqa: E402
from bench.images import images  # noqa: E402
from bench.interval import interval  # noqa: E402
from bench.likeness import likeness  # noqa: E402
from bench.live import live  # noqa: E402
from bench.measure import Figure  # noqa: E402
from bench.outpaint import outpaint  # noqa: E402
from bench.page import page  # noqa: E402
from bench.painting import first_image, painting  # noqa: E402
from bench.pictures import pictures  # noqa: E402
from bench.regions import regions  # noqa: E402
from bench.seams import seams  # noqa: E402
from bench.sketch import sketch  # noqa: E402
from bench.stall import stall  # noqa: E402
from bench.tiled import tiled  # noqa: E402
from bench.upscaling import upscaling  # noqa: E402
from bench.weights import checkpoint_switch, task_switch  # noqa: E402

BENCHES: dict[str, Callable[[], list[Figure]]] = {
    "page": page, "first": first_image, "painting": painting, "images": images, "task": task_switch, "samplers": fidelity,
    "checkpoint": checkpoint_switch, "grid": grid, "emphasis": emphasis, "control": control,
    "pictures": pictures, "upscaling": upscaling, "tiled": tiled, "likeness": likeness, "sketch": sketch, "live": live,
    "seams": seams, "stall": stall, "outpaint": outpaint, "guidance": guidance, "regions": regions,
    "interval": interval}
LARGE = ("checkpoint", "upscaling", "grid", "emphasis", "control", "pictures", "tiled", "likeness", "sketch",
         "live", "seams", "stall", "outpaint", "guidance", "regions", "interval")    # 4.3 GB on the disk; minutes of CPU; a browser


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones: {', '.join(BENCHES)}")
    parser.add_argument("--full", action="store_true", help=f"also {', '.join(LARGE)} (4.3 GB on the disk, minutes of CPU)")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where the figures go")
    asked = parser.parse_args()
    unknown = set(asked.names) - set(BENCHES)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(BENCHES)}")
    names = asked.names or [name for name in BENCHES if asked.full or name not in LARGE]
    print("| | measured | figure | target | |\n|---|---|---|---|---|")
    figures: list[Figure] = []
    for name in names:
        for figure in BENCHES[name]():
            print(figure, flush=True)
            figures.append(figure)
    asked.json.write_text(json.dumps({
        "when": time.strftime("%Y-%m-%dT%H:%M:%S"), "machine": platform.platform(), "cores": os.cpu_count(),
        "python": platform.python_version(), "figures": [figure.as_json() for figure in figures]}, indent=1))
    return int(not all(figure.met for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
