"""Previews by a tiny decoder: used where one lies on disk and fits, and never in a job's way."""

import pytest
from diffusers import AutoencoderTiny

from pipelines.loading.compat import torch
from pipelines.loading.device import Budget, Device
from pipelines.loading.latent_rgb import LatentRgb
from pipelines.loading.library import Library
from pipelines.loading.residency import Residency
from pipelines.loading.tiny_decoder import TinyDecoder
from pipelines.previews import sketch

LEVELS = (8, 8, 8)


def written(folder, channels: int):
    tiny = AutoencoderTiny(latent_channels=channels, encoder_block_out_channels=LEVELS, num_encoder_blocks=(1, 1, 1),
                           decoder_block_out_channels=LEVELS, num_decoder_blocks=(1, 1, 1))
    tiny.save_pretrained(folder)
    return folder


def glimpse(thin, cache, *roots):
    residency = Residency(Library([thin, *roots], cache), Device("cpu"), Budget(2**30, 2**30))
    return residency.glimpse(residency.pipeline("txt2img", "thin-sd15"))


@pytest.mark.parametrize("place", ["VAE-approx", "vae_approx"])
def test_one_on_disk_makes_the_previews(thin, cache, tmp_path, place):
    written(tmp_path / place / "taesd", 4)
    found = glimpse(thin, cache, tmp_path)
    assert isinstance(found, TinyDecoder)
    assert found.picture(torch.zeros(4, 6, 8)).shape == (24, 32, 3)
    assert sketch(torch.zeros(2, 4, 6, 8), found)[:2] == b"\xff\xd8"


def test_another_familys_is_not_taken(thin, cache, tmp_path):
    written(tmp_path / "VAE-approx" / "taesdxl", 4)
    assert isinstance(glimpse(thin, cache, tmp_path), LatentRgb)


def test_one_with_other_latents_is_not_taken(thin, cache, tmp_path):
    written(tmp_path / "VAE-approx" / "taesd", 8)
    assert isinstance(glimpse(thin, cache, tmp_path), LatentRgb)


@pytest.mark.parametrize("harm", [b"", b"{}" * 40], ids=["empty", "no weights"])
def test_a_damaged_one_stops_nothing(thin, cache, tmp_path, harm):
    folder = written(tmp_path / "VAE-approx" / "taesd", 4)
    (folder / "diffusion_pytorch_model.safetensors").write_bytes(harm)
    assert isinstance(glimpse(thin, cache, tmp_path), LatentRgb)


@pytest.mark.parametrize(("given", "decoded"), [((512, 256), (64, 32)), ((64, 40), (64, 40)), ((3, 1024), (1, 64))])
def test_of_a_huge_picture_a_small_copy_is_decoded(given: tuple[int, int], decoded: tuple[int, int]) -> None:
    seen: list[tuple[int, ...]] = []

    class Noted:
        def picture(self, latents: torch.Tensor) -> torch.Tensor:
            seen.append(tuple(latents.shape))
            return torch.zeros(8, 8, 3, dtype=torch.uint8)

    assert sketch(torch.randn(1, 4, *given), Noted()).startswith(b"\xff\xd8")
    assert seen == [(4, *decoded)]
