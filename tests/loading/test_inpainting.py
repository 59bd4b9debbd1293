"""Thin checkpoints of the true architectures start from a picture; a 9-channel UNet sees mask and picture as it was trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from safetensors.torch import load_file, save_file

from extensions.hooks import Hooks
from pipelines import settings
from pipelines.archive.inputs import Inputs
from pipelines.engine import Engine
from pipelines.loading.compat import torch
from pipelines.loading.device import Device
from pipelines.loading.library import Library
from pipelines.loading.residency import Residency
from pipelines.patches.inpainting import inpainting_channels
from pipelines.spec.errors import RequestError
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio


@pytest.fixture(scope="module")
def models(thin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The thin checkpoints, and `fill`: SD 1.5 with nine input channels."""
    root = tmp_path_factory.mktemp("models")
    (root / "Stable-diffusion").symlink_to(thin / "Stable-diffusion", target_is_directory=True)
    tensors = load_file(thin / "Stable-diffusion/thin-sd15.safetensors")
    key = "model.diffusion_model.input_blocks.0.0.weight"
    more = torch.randn(tensors[key].shape[0], 5, 3, 3, generator=torch.Generator().manual_seed(1)) * 0.1
    tensors[key] = torch.cat([tensors[key], more.to(tensors[key].dtype)], dim=1)
    (root / "checkpoints").mkdir()
    save_file(tensors, root / "checkpoints" / "fill.safetensors")
    return root


@pytest.mark.parametrize("model", ["thin-sd15", "thin-sd2", "thin-sdxl", "fill"])
def test_masks_and_sizes_hold_on_every_architecture(models: Path, cache: Path, tmp_path: Path, model: str) -> None:
    inputs = Inputs(tmp_path)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8))
    mask = Image.new("L", (128, 96))
    ImageDraw.Draw(mask).rectangle((40, 30, 80, 60), fill=255)
    library = Library([models], cache)
    library.scan()
    request = GenerationRequest.parse({
        "model": model, "prompt": "a cat", "steps": 3, "seed": 1, "width": 128, "height": 96,
        "init": {"image": inputs.keep(picture)}, "inpaint": {"mask": inputs.keep(mask), "mask_blur": 0}})
    made = np.asarray(next(Engine(Residency(library, Device.pick("cpu")), None, inputs).run(request, lambda e: None)).image)
    black = np.asarray(mask) == 0
    assert made.shape == (96, 128, 3) and np.array_equal(made[black], np.asarray(picture)[black])
    assert not np.array_equal(made[~black], np.asarray(picture)[~black])


def test_mask_and_masked_picture_are_those_of_diffusers_own_pipeline(models: Path, cache: Path, tmp_path: Path,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers import StableDiffusionInpaintPipeline
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

    monkeypatch.setattr(DiagonalGaussianDistribution, "sample", lambda self, generator=None: self.mean)   # theirs draws, ours not
    inputs, library = Inputs(tmp_path), Library([models], cache)
    library.scan()
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8))
    mask = Image.new("L", (128, 96))
    ImageDraw.Draw(mask).rectangle((40, 32, 79, 63), fill=255)      # whole latent pixels: elsewhere ours frees more
    residency = Residency(library, Device.pick("cpu"))
    pipe = residency.pipeline("inpaint", "fill")
    seen: list[torch.Tensor] = []
    handle = pipe.unet.conv_in.register_forward_pre_hook(lambda module, args: seen.append(args[0].detach().clone()))
    request = GenerationRequest.parse({
        "model": "fill", "prompt": "a cat", "steps": 1, "width": 128, "height": 96, "init": {
            "image": inputs.keep(picture), "denoising_strength": 1}, "inpaint": {"mask": inputs.keep(mask), "mask_blur": 0}})
    list(Engine(residency, None, inputs).run(request, lambda e: None))
    parts = {**pipe.components, "safety_checker": None, "feature_extractor": None}
    theirs = StableDiffusionInpaintPipeline(**parts, requires_safety_checker=False)
    theirs("a cat", image=picture, mask_image=mask, width=128, height=96, num_inference_steps=1, output_type="latent")
    handle.remove()
    ours, bare = seen[0], seen[-1]
    assert ours.shape == bare.shape == (2, 9, 12, 16)
    assert torch.equal(ours[:, 4], bare[:, 4]) and torch.allclose(ours[:, 5:], bare[:, 5:], atol=1e-5)


def test_a_nine_channel_unet_is_given_latents_mask_and_masked_latents_in_that_order() -> None:
    seen: list[torch.Tensor] = []
    unet = torch.nn.Module()
    unet.forward = lambda sample, timestep: seen.append(sample) or sample       # type: ignore[method-assign]
    sample, mask, masked = torch.zeros(2, 4, 8, 8), torch.ones(1, 1, 8, 8), torch.full((1, 4, 8, 8), 3.0)
    with inpainting_channels(unet, mask, masked):
        unet(sample, 1)
    unet(sample, 1)
    assert seen[0].shape == (2, 9, 8, 8) and seen[1].shape == (2, 4, 8, 8)
    assert seen[0][:, :, 0, 0].tolist() == [[0, 0, 0, 0, 1, 3, 3, 3, 3]] * 2


def test_an_inpainting_checkpoint_without_a_mask_is_refused_before_it_is_queued(models: Path, tmp_path: Path) -> None:
    studio = Studio(settings.checked({"data_dir": tmp_path, "models_dir": [str(models)]}), Hooks())
    studio.library.scan()
    picture = studio.inputs.keep(Image.effect_noise((64, 64), 60))
    wanted = GenerationRequest.parse({"model": "fill", "width": 64, "height": 64})
    for parts, task in (({}, "text to image"), ({"init": {"image": picture}}, "image to image")):
        with pytest.raises(RequestError, match=f"Model: fill - this is an inpainting model and cannot do {task}.*or a mask"):
            studio.check(wanted.merged(parts))
    with pytest.raises(RequestError, match="Model: fill - .* text to image"):
        studio.check(wanted.merged({"model": "thin-sd15", "hires": {"model": "fill"}}))
    masked = wanted.merged({"init": {"image": picture}, "inpaint": {"mask": picture}})
    assert studio.check(masked).model == "fill"
    studio.archive.close()
