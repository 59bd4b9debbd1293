"""The package's own way and the studio's give the same picture from the same random weights; without it the list is shorter."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from extensions.hooks import Hooks
from extensions.loader import load
from pipelines.settings import Settings
from pipelines.spec.errors import Cancelled, ModelFileError, OutOfMemory
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


@pytest.fixture
def package(monkeypatch):
    """What the extension asks of the two packages, in few words: so that its own way is run where they are not installed."""
    from pipelines.loading.compat import torch

    class RealESRGANer:
        def __init__(self, model_path, model, tile, device, **_: object) -> None:
            self.model, self.tile, self.path = model.eval(), tile, model_path
            model.load_state_dict(torch.load(model_path)["params"])

        def enhance(self, pixels):
            """Tile by tile, without a margin; a RuntimeError is printed, as in the package."""
            rows = []
            for top in range(0, pixels.shape[0], self.tile):
                part = torch.tensor(pixels[top:top + self.tile, :, ::-1].copy()).permute(2, 0, 1)[None] / 255
                try:
                    with torch.inference_mode():
                        rows.append(self.model(part).clamp(0, 1)[0].permute(1, 2, 0).numpy()[:, :, ::-1])
                except RuntimeError as error:
                    print("Error", error)
            return (np.concatenate(rows) * 255).round().astype(np.uint8), "RGB"

    def compact(into, out, num_feat, num_conv, upscale):
        from spandrel.architectures.Compact import Compact

        return Compact(num_in_ch=into, num_out_ch=out, num_feat=num_feat, num_conv=num_conv, upscale=upscale)

    names = {"realesrgan": {"RealESRGANer": RealESRGANer}, "realesrgan.archs": {}, "basicsr": {}, "basicsr.archs": {},
             "realesrgan.archs.srvgg_arch": {"SRVGGNetCompact": compact}, "basicsr.archs.rrdbnet_arch": {"RRDBNet": None}}
    for name, members in names.items():
        stand_in = ModuleType(name)
        vars(stand_in).update(members)
        monkeypatch.setitem(sys.modules, name, stand_in)
    return RealESRGANer


def made(settings: Settings, emit=lambda event: None, tile: int = 64) -> Image.Image:
    from extensions.realesrgan.package import enhance

    return enhance(settings.home_dir / "models" / "RealESRGAN" / "general-x4v3.pth", settings, Image.new("RGB", (32, 60), "teal"),
                   emit, tile)


def test_the_package_is_given_tensors_and_never_the_strangers_pickle(settings, package, monkeypatch):
    from pipelines.loading.compat import torch

    opened, load_file = [], torch.load
    monkeypatch.setattr(torch, "load", lambda path, **how: opened.append(Path(path)) or load_file(path, **how))
    assert made(settings).size == (128, 240)
    assert [path.name for path in opened] == ["weights.pth"] and not opened[0].exists()
    assert list((settings.data_dir / "converted").rglob("general-x4v3.safetensors"))


def test_a_run_of_the_package_is_stopped_between_two_tiles(settings, package):
    seen: list[str] = []

    def stop(event) -> None:
        seen.append(event.text)
        if event.text == "realesrgan 2/8":
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        made(settings, stop, tile=16)
    assert seen == ["general-x4v3 by realesrgan", "realesrgan 1/8", "realesrgan 2/8"]


@pytest.mark.parametrize(("said", "kind", "line"), [("CUDA out of memory", OutOfMemory, "a tile of 32x60 pixels did not fit"),
                                                    ("no such kernel", ModelFileError, "no such kernel")])
def test_an_error_that_the_package_would_only_print_is_raised(said, kind, line):
    from extensions.realesrgan.package import told
    from pipelines.loading.compat import torch

    def full(pixels):
        raise RuntimeError(said)

    with pytest.raises(kind, match=line):
        told(full, 1, lambda event: None)(torch.zeros(1, 3, 60, 32))


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
