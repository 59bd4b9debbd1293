"""B3, B10 and the first image: the studio's way against the bare diffusers pipeline on the same weights and scheduler."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.measure import ROOT, Figure, child_cpu, cpu, in_turns
from pipelines.settings import checked
from pipelines.spec.errors import Cancelled
from pipelines.spec.events import Event, Step
from pipelines.spec.request import GenerationRequest

REQUEST = {"prompt": "a red car, in the snow", "negative_prompt": "blurry", "seed": 42, "sampler": "DPM++ 2M",
           "schedule": "Karras", "cfg_scale": 7.0, "width": 256, "height": 256}
BARE_SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from pipelines.loading.compat import torch
from diffusers import StableDiffusionPipeline
pipe = StableDiffusionPipeline.from_pretrained(sys.argv[1] + "/models/mini", safety_checker=None, dtype=torch.float32)
pipe("a red car, in the snow", num_inference_steps=1, width=256, height=256).images[0].save(sys.argv[2])
"""


class Bench:
    """One studio with its weights loaded, and the bare pipeline over the very same modules."""

    def __init__(self, folder: Path) -> None:
        from extensions.loader import load
        from pipelines.studio import Studio

        settings = checked({"data_dir": folder})
        self.studio = Studio(settings, load(settings))
        self.studio.library.scan()
        self.file = folder / "bare.png"
        pipe = self.studio.engine.residency.pipeline("txt2img", "mini")
        parts = {**pipe.components, "safety_checker": None, "feature_extractor": None}
        self.bare = type(pipe)(**parts, requires_safety_checker=False)
        self.bare.set_progress_bar_config(disable=True)

    def ours(self, steps: int, emit: Callable[[Event], None] = lambda event: None) -> None:
        request = GenerationRequest.parse({**REQUEST, "steps": steps})
        for finished in self.studio.engine.run(request, emit):
            self.studio.keep(finished, emit)

    def theirs(self, steps: int) -> None:
        """As a script would: the scheduler set, the pipeline called, the picture saved."""
        from pipelines import samplers
        from pipelines.loading.compat import torch

        self.bare.scheduler, timing = samplers.build(REQUEST["sampler"], REQUEST["schedule"],
                                                     self.bare.scheduler.config, steps)
        made = self.bare(REQUEST["prompt"], negative_prompt=REQUEST["negative_prompt"], width=256, height=256,
                         guidance_scale=7.0, generator=torch.Generator().manual_seed(42), **timing)
        made.images[0].save(self.file)

    def with_fakes(self) -> None:
        """A UNet and a decoder that cost nothing: what is left is the Python around them."""
        from pipelines.loading.compat import torch

        def answer(tensor: Any, return_dict: bool) -> Any:
            return SimpleNamespace(sample=tensor) if return_dict else (tensor,)

        picture = torch.zeros(1, 3, 256, 256)
        self.bare.unet.forward = lambda sample, *_, return_dict=True, **__: answer(sample * 0.1, return_dict)
        self.bare.vae.decode = lambda *_, return_dict=True, **__: answer(picture, return_dict)


def painting(rounds: int = 10) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        bench.ours(2)
        bench.theirs(2)
        ours, theirs = in_turns(lambda: cpu(lambda: bench.ours(20)), lambda: cpu(lambda: bench.theirs(20)), rounds)
        late = steps_after_cancel(bench)
        bench.with_fakes()
        added = per_step(bench, 2 * rounds)
    return [
        Figure("B3", "whole picture, studio / bare diffusers (CPU, 256², 20 steps, saved)", min(ours) / min(theirs), "×",
               1.03, {"studio": ours, "bare": theirs}),
        Figure("B3", "added to each step (fake UNet, previews on)", added["studio"] - added["bare"], "ms", 1.0, added),
        Figure("B10", "steps run after a cancel", late, "steps", 1),
    ]


def per_step(bench: Bench, rounds: int) -> dict[str, Any]:
    """Milliseconds a step: the difference of a long and a short run, so that what is done once a picture falls out."""
    long, short = 150, 10
    result: dict[str, Any] = {}
    for name, run in (("studio", bench.ours), ("bare", bench.theirs)):
        far, near = in_turns(lambda run=run: cpu(lambda: run(long)), lambda run=run: cpu(lambda: run(short)), rounds)
        result[name] = (min(far) - min(near)) / (long - short) * 1000
    return result


def steps_after_cancel(bench: Bench) -> float:
    """UNet calls made after the step in which `emit` raised Cancelled."""
    calls = [0, 0]
    unet = bench.bare.unet
    handle = unet.register_forward_pre_hook(lambda *_: calls.__setitem__(0, calls[0] + 1))

    def emit(event: Event) -> None:
        if isinstance(event, Step) and event.step == 3:
            calls[1] = calls[0]
            raise Cancelled("bench")

    try:
        bench.ours(20, emit)
    except Cancelled:
        return float(calls[0] - calls[1])
    finally:
        handle.remove()
    raise RuntimeError("the run was not cancelled")


def first_image(rounds: int = 3) -> list[Figure]:
    """B2: from a cold start to a picture on the disk, through the command line."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["app.py", "generate", "--data-dir", folder, "--prompt", REQUEST["prompt"], "--steps", "1", "--width", "256",
                 "--height", "256", "--quiet"]
        bare = ["-c", BARE_SCRIPT, str(ROOT), f"{folder}/bare.png"]
        child_cpu(words)        # hashes of the weights are remembered from here on
        ours, theirs = in_turns(lambda: child_cpu(words), lambda: child_cpu(bare), rounds)
    return [Figure("B2", "start to first picture, studio / bare script (CPU)", min(ours) / min(theirs), "×", 1.10,
                   {"studio": ours, "bare": theirs})]
