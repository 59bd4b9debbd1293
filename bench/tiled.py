"""Memory of a tiled upscale: how far the peak lies above the pictures' own buffers, at 2048, 4096 and 8192 pixels.

Each size runs in a process of its own, with one step of mini for every window; the peak is the kernel's (VmHWM), reset after
the weights are loaded and a first small run has warmed the libraries' buffers. On a GPU what torch allocated there is measured
too; the pictures themselves never lie there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

from bench.measure import ROOT, Figure, environment

WAYS = {"Blended": (2048, 4096, 8192), "Separate": (2048, 4096)}       # the default to the end; minutes, and many of them
ONE = """
import json, sys, tempfile
from pathlib import Path
from PIL import Image
from pipelines.loading.environment import prepare_environment
prepare_environment()
from pipelines.loading.compat import torch
from pipelines.archive.inputs import Inputs
from pipelines.engine import Engine
from pipelines.loading.device import Budget, Device
from pipelines.loading.library import Library
from pipelines.loading.residency import Residency
from pipelines.spec.request import GenerationRequest

def memory(key):
    return int(next(l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith(key)).split()[1]) * 1024

side, method, gpu = int(sys.argv[1]), sys.argv[2], torch.cuda.is_available()
inputs = Inputs(Path(tempfile.mkdtemp()))
engine = Engine(Residency(Library([Path("models")]), Device.pick("cuda" if gpu else "cpu"), Budget(2**30, 2**30)), None, inputs)

def run(side):
    name = inputs.keep(Image.radial_gradient("L").resize((side // 4, side // 4)).convert("RGB"))
    request = GenerationRequest.parse({"steps": 2, "seed": 1, "cfg_scale": 1, "sampler": "Euler",
        "init": {"image": name, "denoising_strength": 0.5}, "tiled": {"scale": 4, "method": method, "upscaler": "Lanczos"}})
    return next(engine.run(request, lambda event: None)).image

run(768)
Path("/proc/self/clear_refs").write_text("5")
before = memory("VmRSS:")
if gpu:
    torch.cuda.reset_peak_memory_stats()
picture = run(side)
assert picture.size == (side, side)
own = 2 * 4 * side * side + 4 * (side // 4) ** 2    # the enlarged picture, the canvas, what came in; Pillow keeps RGB in 4 bytes
vram = {"vram": torch.cuda.max_memory_allocated()} if gpu else {}
print(json.dumps({"peak": memory("VmHWM:"), "before": before, "own": own, **vram}))
"""


def tiled() -> list[Figure]:
    """For each way of tiling: what the process takes besides the pictures, at the larger sizes over the smallest."""
    return [figure for way, sides in WAYS.items() for figure in growth(way, sides)]


def growth(way: str, sides: Sequence[int]) -> list[Figure]:
    rows, first = {side: taken(way, side) for side in sides}, sides[0]
    beside = {"RSS less the pictures": {side: row["peak"] - row["own"] for side, row in rows.items()}}
    if "vram" in rows[first]:
        beside["VRAM"] = {side: row["vram"] for side, row in rows.items()}
    return [Figure("B8", f"tiled upscale, {way}: peak {what}, {side} / {first}", rest[side] / rest[first], "x", 1.10,
                   {str(s): rows[s] for s in (first, side)}) for what, rest in beside.items() for side in sides[1:]]


def taken(way: str, side: int) -> dict[str, float]:
    """MiB of one run in a process of its own: its peak, what was there before, and the pictures' own."""
    done = subprocess.run([sys.executable, "-c", ONE, str(side), way], cwd=ROOT, env=environment(), capture_output=True,
                          text=True, check=True)
    row = {key: value / 2**20 for key, value in json.loads(done.stdout).items()}
    print(f"{way} {side}: " + ", ".join(f"{key} {value:.0f} MiB" for key, value in row.items()), file=sys.stderr, flush=True)
    return row


if __name__ == "__main__":      # `python -m bench.tiled Blended 8192`: one run
    taken(sys.argv[1], int(sys.argv[2]))
