"""LPIPS by files of the published layouts (random weights): a picture is nothing from itself, farther the more noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pipelines.ranking import lpips
from pipelines.ranking.scorer import distance, words
from pipelines.spec.errors import ModelFileError

ALEX = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
VGG = {n: (b, a, 3) for n, a, b in zip((0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
                                       (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512),
                                       (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512), strict=True)}
TAPS = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}


def tensors(kind: str, convolutions: dict[int, tuple[int, int, int]]) -> tuple[dict, dict]:
    source = torch.Generator().manual_seed(0)
    trunk = {}
    for n, (out, into, side) in convolutions.items():
        trunk[f"features.{n}.weight"] = torch.randn(out, into, side, side, generator=source) * (2 / (into * side * side)) ** 0.5
        trunk[f"features.{n}.bias"] = torch.zeros(out)
    return trunk, {f"lin{k}.model.1.weight": torch.rand(1, c, 1, 1, generator=source) for k, c in enumerate(TAPS[kind])}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "lpips").mkdir()
    trunk, linear = tensors("alex", ALEX)
    save_file(trunk, tmp_path / "lpips" / "alexnet-owt.safetensors")
    torch.save(linear, tmp_path / "lpips" / "alex.pth")
    return tmp_path


def test_a_picture_is_nothing_from_itself_and_farther_the_more_noise(home: Path) -> None:
    flat = np.full((60, 90, 3), 128, np.float32)
    noise = np.random.default_rng(1).normal(size=flat.shape)
    plain, little, much = (Image.fromarray((flat + level * noise).clip(0, 255).astype(np.uint8)) for level in (0, 8, 60))
    same, near, far = distance([plain, little, much], [plain], [Path("nowhere"), home])
    assert same == 0 < near < far
    assert distance([plain], [much], [home]) == pytest.approx([far])
    assert distance([plain], [plain, much], [home]) == pytest.approx([far / 2]) and distance([plain], [plain], []) == []


def test_vgg_is_read_as_published(tmp_path: Path) -> None:
    trunk, linear = tensors("vgg", VGG)
    seen = lpips.Lpips("vgg", trunk, linear)._looks(Image.new("RGB", (300, 200), (200, 10, 10)))
    assert [tuple(one.shape[1:]) for one in seen] == [(c, 224 >> k, 224 >> k) for k, c in enumerate(TAPS["vgg"])]


def test_another_file_is_refused_by_name(home: Path) -> None:
    save_file({"weight": torch.ones(1)}, home / "lpips" / "alexnet-owt.safetensors")
    with pytest.raises(ModelFileError, match=r"alexnet-owt.*features\.0\.weight"):
        distance([Image.new("RGB", (8, 8))], [Image.new("RGB", (8, 8))], [home])


def test_the_trigger_is_no_word_to_be_judged_by() -> None:
    assert words("a man img, in a (park:1.2) <lora:x:1>, imgur") == "a man, in a park , imgur"
