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
print(json.dumps([memory("VmHWM:") - before, side * side * 4]))     # Pillow keeps RGB in 4 bytes
"""


def upscaling(name: str = "mini-x4") -> list[Figure]:
    """Peak growth of this process while it upscales ×4 in tiles of 128, less the result itself, relative to the result."""
    rows = {}
    for side in SIDES:
        done = subprocess.run([sys.executable, "-c", ONE, str(side), name], cwd=ROOT, env=environment(),
                              capture_output=True, text=True, check=True)
        rows[side] = json.loads(done.stdout)
    over = {side: (grown - own) / 2**20 for side, (grown, own) in rows.items()}
    return [Figure("B7", f"{name} to {side}: peak above the result's own {own / 2**20:.0f} MB",
                   over[side] / (own / 2**20) * 100, "%", 10, {"over_mb": over[side], "grown_mb": grown / 2**20})
            for side, (grown, own) in rows.items()]
