"""The package's own way and the studio's give the same picture from the same random weights; without it the list is shorter."""

import importlib.util

import numpy as np
import pytest
from PIL import Image

from extensions.hooks import Hooks
from extensions.loader import load
from pipelines.settings import Settings
from pipelines.upscalers import Upscaler, Upscalers

INSTALLED = all(importlib.util.find_spec(name) for name in ("realesrgan", "basicsr"))


@pytest.fixture
def settings(tmp_path) -> Settings:
    from pipelines.loading.compat import torch  # before spandrel: it makes torchvision's import safe

    torch.manual_seed(5)
    from spandrel.architectures.Compact import Compact

    folder = tmp_path / "models" / "RealESRGAN"
    folder.mkdir(parents=True)
    state = Compact(num_in_ch=3, num_out_ch=3, num_feat=16, num_conv=4, upscale=4).state_dict()
    torch.save({"params": state}, folder / "general-x4v3.pth")
    rrdb_file(folder / "x4plus.pth")
    return Settings(data_dir=tmp_path)


def rrdb_file(path) -> None:
    """Random weights with the key names of the published files."""
    from pipelines.loading.compat import torch

    def conv(name: str, into: int, out: int) -> dict:
        return {f"{name}.weight": torch.randn(out, into, 3, 3) * (0.5 / into**0.5), f"{name}.bias": torch.randn(out) * 0.1}

    state = conv("conv_first", 3, 16)
    for dense in range(1, 4):
        for i in range(5):
            state |= conv(f"body.0.rdb{dense}.conv{i + 1}", 16 + 32 * i, 32 if i < 4 else 16)
    for name, out in (("conv_body", 16), ("conv_up1", 16), ("conv_up2", 16), ("conv_hr", 16), ("conv_last", 3)):
        state |= conv(name, 16, out)
    torch.save({"params_ema": state}, path)


def test_without_the_package_nothing_is_added_and_the_studio_starts(settings):
    hooks = load(settings)
    assert not hooks.faults and "realesrgan" in hooks.names()
    assert len(hooks.upscalers()) == (2 if INSTALLED else 0)


@pytest.mark.skipif(not INSTALLED, reason="realesrgan and basicsr are not installed (extensions/realesrgan/requirements.txt)")
@pytest.mark.parametrize("name", ["general-x4v3", "x4plus"])
def test_the_package_and_spandrel_differ_by_at_most_one_grey_level(settings, name):
    from pipelines.loading.device import Budget, Device
    from pipelines.loading.library import Library
    from pipelines.loading.residency import Residency
    from pipelines.upscalers import Target, Tiling
    from pipelines.upscalers.upscaling import Request, upscale

    library = Library([settings.home_dir / "models"])
    holder, listed = Residency(library, Device.pick("cpu"), Budget(2**30, 2**30)), Upscalers(library, load(settings).upscalers)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)).resize((112, 80))
    ours, theirs = (np.asarray(upscale(Request(picture, listed.find(n), Target(4), Tiling(512, 32)), holder, lambda e: None),
                               int) for n in (name, f"{name} (realesrgan)"))
    print(name, "largest difference", np.abs(ours - theirs).max(), "spread", ours.std())
    assert ours.std() > 5 and np.abs(ours - theirs).max() <= 1


def test_what_is_no_upscaler_switches_its_extension_off():
    class Wrong:
        from extensions.hooks import hookimpl

        @hookimpl
        def atelier_upscalers(self):
            return ["mine"]

    hooks = Hooks()
    hooks.add("wrong", Wrong())
    assert hooks.upscalers() == [] and "atelier_upscalers returned a list" in hooks.faults[0].why


def test_an_upscaler_of_an_extension_is_listed():
    class Right:
        from extensions.hooks import hookimpl

        @hookimpl
        def atelier_upscalers(self):
            return [Upscaler("mine", whole=lambda picture, emit: picture)]

    hooks = Hooks()
    hooks.add("right", Right())
    assert [u.name for u in hooks.upscalers()] == ["mine"]
