"""Random small networks of the architectures that lie about, and a Residency that holds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from pipelines.loading.compat import torch
from pipelines.loading.device import Budget, Device
from pipelines.loading.library import Library
from pipelines.loading.residency import Residency
from pipelines.upscalers import Upscalers


def compact(scale: int, channels: int = 3) -> dict[str, torch.Tensor]:
    from spandrel.architectures.Compact import Compact

    torch.manual_seed(scale)
    return Compact(num_in_ch=channels, num_out_ch=channels, num_feat=8, num_conv=2, upscale=scale).state_dict()


def rrdb(scale: int = 4) -> dict[str, torch.Tensor]:
    from spandrel.architectures.ESRGAN import ESRGAN

    torch.manual_seed(scale)
    return ESRGAN(in_nc=3, out_nc=3, num_filters=8, num_blocks=1, scale=scale).state_dict()


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> Path:
    """models/ with random networks under the peers' folder names, one of them a .pth."""
    root = tmp_path_factory.mktemp("upscalers") / "models"
    for folder in ("RealESRGAN", "ESRGAN", "mini/upscaler"):
        (root / folder).mkdir(parents=True)
    save_file(compact(2), root / "mini" / "upscaler" / "mini-x2.safetensors")
    save_file(compact(4), root / "RealESRGAN" / "general-x4.safetensors")
    save_file(compact(4, channels=1), root / "RealESRGAN" / "grey-x4.safetensors")
    save_file(compact(1), root / "RealESRGAN" / "1x-clean.safetensors")
    torch.save({"params_ema": rrdb()}, root / "ESRGAN" / "4x-Ultra.pth")
    return root


@pytest.fixture
def holder(models) -> Residency:
    return Residency(Library([models]), Device.pick("cpu"), Budget(2**30, 2**30))


@pytest.fixture
def upscalers(holder) -> Upscalers:
    return Upscalers(holder.library)


@pytest.fixture
def picture() -> Image.Image:
    """61×47 RGB, smooth with a little noise."""
    y, x = np.mgrid[0:47, 0:61]
    noise = np.random.default_rng(0).integers(0, 20, (47, 61, 3))
    return Image.fromarray((np.stack([x * 3, y * 4, x + y], -1) + noise).astype(np.uint8))
