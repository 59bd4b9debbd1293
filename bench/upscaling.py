"""Memory of a tiled upscale: how far the peak lies above the pictures' own buffers, at 2048, 4096 and 8192 pixels.

Each size runs in a process of its own; the peak is the kernel's (VmHWM), reset after the weights are loaded.
"""

from __future__ import annotations

import json
import subprocess
import sys

from bench.measure import ROOT, Figure, environment

SIDES = (2048, 4096, 8192)
ONE = """
import json, sys
from pathlib import Path
from PIL import Image
from pipelines.loading.compat import torch
from pipelines.loading.device import Budget, Device
from pipelines.loading.library import Library
from pipelines.loading.residency import Residency
from pipelines.upscalers import Target, Tiling, Upscalers
from pipelines.upscalers.upscaling import Request, upscale

def memory(key):
    return int(next(l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith(key)).split()[1]) * 1024

side, name, factor = int(sys.argv[1]), sys.argv[2], 4
holder = Residency(Library([Path("models")]), Device.pick("cpu"), Budget(2**30, 2**30))
chosen, quiet = Upscalers(holder.library).find(name), lambda event: None
upscale(Request(Image.radial_gradient("L").convert("RGB"), chosen, Target(factor), Tiling(128, 32)), holder, quiet)
source = Image.radial_gradient("L").resize((side // factor, side // factor)).convert("RGB")
Path("/proc/self/clear_refs").write_text("5")
before = memory("VmRSS:")
result = upscale(Request(source, chosen, Target(factor), Tiling(128, 32)), holder, quiet)
assert result.size == (side, side)
own = 4 * (result.width * result.height + source.width * source.height)      # Pillow keeps RGB in 4 bytes; the source is copied
print(json.dumps({"peak": memory("VmHWM:"), "before": before, "own": own}))
"""


def upscaling(name: str = "mini-x4") -> list[Figure]:
    """x4 in tiles of 128: the work above the pictures' own buffers, and how much the rest of the process grows with the size."""
    rows = {}
    for side in SIDES:
        done = subprocess.run([sys.executable, "-c", ONE, str(side), name], cwd=ROOT, env=environment(),
                              capture_output=True, text=True, check=True)
        rows[side] = {key: value / 2**20 for key, value in json.loads(done.stdout).items()}
    rest = {side: row["peak"] - row["own"] for side, row in rows.items()}
    work = [Figure("B7", f"{name} to {side}: peak growth above source and result ({row['own']:.0f} MB)",
                   rest[side] - row["before"], "MB", 48, row) for side, row in rows.items()]
    return [*work, Figure("B7", "peak RSS less source and result, 8192 / 2048", rest[SIDES[-1]] / rest[SIDES[0]], "x", 1.10, rest)]
