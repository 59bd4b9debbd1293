"""Thin checkpoints with random control models of every kind and layout, and mini with random ControlNets; loaded once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipelines.archive.inputs import Inputs
from pipelines.engine import Engine
from pipelines.loading.device import Device
from pipelines.loading.library import Library
from pipelines.loading.residency import Residency
from pipelines.spec.events import Event
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.condition import Conditions
from pipelines.tasks.preprocess import Preprocessors
from tests.control import layouts
from tests.loading.ldm_layout import write_checkpoint


@dataclass
class Bench:
    """An engine over folders of the test's own."""

    root: Path
    library: Library
    residency: Residency
    inputs: Inputs
    engine: Engine
    conditions: Conditions

    def paint(self, emit: Callable[[Event], None] = lambda event: None, **fields: Any) -> np.ndarray:
        request = GenerationRequest.parse({"prompt": "a red car", "steps": 4, "seed": 7, "sampler": "Euler"} | fields)
        return np.asarray(next(self.engine.run(request, emit)).image)


def bench(roots: list[Path], own: Path) -> Bench:
    library = Library([*roots, own], own / "cache")
    residency, inputs = Residency(library, Device.pick("cpu")), Inputs(own)
    conditions = Conditions(Preprocessors([own], "cpu"), inputs.open)
    return Bench(own, library, residency, inputs, Engine(residency, None, inputs, None, conditions), conditions)


@pytest.fixture(scope="session")
def mini(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Mini, and two random ControlNets of its layout: `edges` and `lines`."""
    made = bench([root / "models"], tmp_path_factory.mktemp("control"))
    unet = made.residency.pipeline("txt2img", "mini").unet
    for seed, name in enumerate(("edges", "lines")):
        layouts.controlnet(unet, seed, layouts.MINI_STEM).half().save_pretrained(made.root / "ControlNet" / name)
    made.library.scan()
    return made


@pytest.fixture(scope="session")
def thin(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Checkpoints `thin-sd15`, `thin-sd2`, `thin-sdxl` with a ControlNet each, as a folder and in the original layout; a union
    and T2I-Adapters for those that have them. Everything is float32, so that equal means equal."""
    import torch

    own = tmp_path_factory.mktemp("thin-control")
    nets = own / "ControlNet"
    for seed, family in enumerate(("sd15", "sd2", "sdxl")):
        parts = write_checkpoint(own / "Stable-diffusion" / f"thin-{family}.safetensors", family, dtype=torch.float32)
        net = layouts.controlnet(parts["unet"], seed)
        net.save_pretrained(nets / f"{family}-folder")
        layouts.save(layouts.original_controlnet(net), nets / f"{family}-original.safetensors")
        layouts.save(layouts.original_controlnet(net, ""), nets / f"{family}-bare.safetensors")
        layouts.save(dict(net.state_dict()), nets / f"{family}-named.safetensors")
    xl = parts["unet"]
    layouts.save(dict(layouts.union(xl).state_dict()), nets / "union.safetensors")
    for kind, unet in (("full_adapter", "sd15"), ("light_adapter", "sd15"), ("full_adapter_xl", "sdxl")):
        from tests.loading.ldm_layout import build, thin_configs

        unet = build({"unet": thin_configs(unet)["unet"]}, 0, torch.float32)["unet"]
        net = layouts.adapter(unet, kind)
        net.save_pretrained(nets / f"{kind}-folder")
        layouts.save(layouts.original_adapter(net), nets / f"{kind}-original.safetensors")
    made = bench([], own)
    made.library.scan()
    return made


def scene(size: tuple[int, int] = (256, 256), shift: int = 0) -> Image.Image:
    """A dark box on a light ground."""
    picture = Image.new("RGB", size, "white")
    width, height = size
    ImageDraw.Draw(picture).rectangle((width // 4 + shift, height // 4, width * 2 // 3 + shift, height * 3 // 4), fill="black")
    return picture


@pytest.fixture(scope="session")
def box(mini: Bench) -> str:
    """The scene, kept."""
    return mini.inputs.keep(scene())
