"""The committed family: it loads as a diffusers folder, paints, and its card says how it was made."""

import json

import numpy as np
import pytest
import torch

from pipelines.training.mini.sheet import load, paint


@pytest.fixture(scope="module")
def folder(root):
    return root / "models" / "mini"


@pytest.fixture(scope="module")
def pipeline(folder):
    return load(folder)


def test_the_parts_fit_together(pipeline):
    assert pipeline.unet.config.in_channels == pipeline.vae.config.latent_channels > 4
    assert pipeline.unet.config.cross_attention_dim == pipeline.text_encoder.config.hidden_size
    assert pipeline.scheduler.config.prediction_type == "v_prediction"
    assert pipeline.unet.config.sample_size * pipeline.vae_scale_factor == 256


def test_it_paints_the_same_picture_twice(pipeline):
    first, second = (paint(pipeline, ["a red car, in the snow"], steps=2)[0] for _ in range(2))
    assert first.size == (256, 256) and np.array_equal(np.asarray(first), np.asarray(second))


def test_snow_is_brighter_than_night(pipeline):
    snow, night = (np.asarray(p, float) for p in paint(pipeline, ["a snowy field by day", "a green meadow at night"], steps=8))
    assert snow.mean() > night.mean() + 40


def test_latents_have_unit_variance(pipeline):
    from pipelines.training.mini.pictures import HELD_OUT, renders
    from pipelines.training.mini.world.scene import FIRST

    with torch.no_grad():
        found = pipeline.vae.encode(renders(range(HELD_OUT, HELD_OUT + 12), FIRST)).latent_dist.mean
    assert found.std((0, 2, 3)).sub(1).abs().max() < 0.25 and found.mean((0, 2, 3)).abs().max() < 0.25


def test_renders_survive_the_autoencoder(pipeline):
    from pipelines.training.mini.pictures import HELD_OUT, renders
    from pipelines.training.mini.world.scene import FIRST

    true = renders(range(HELD_OUT, HELD_OUT + 6), FIRST)
    with torch.no_grad():
        made = pipeline.vae.decode(pipeline.vae.encode(true).latent_dist.mean).sample.clamp(-1, 1)
    assert -10 * np.log10(float((made - true).square().mean()) / 4) > 22


def test_weights_are_half_precision_and_small(folder):
    files = [f for part in ("vae", "text_encoder", "unet") for f in (folder / part).glob("*.safetensors")]
    assert len(files) == 3 and sum(f.stat().st_size for f in files) < 42_000_000
    assert json.loads((folder / "model_index.json").read_text())["_class_name"] == "StableDiffusionPipeline"


def test_the_card_names_its_command_and_limits(folder):
    card = (folder / "README.md").read_text()
    for word in ("python -m pipelines.training.mini", "Seed", "PSNR", "Hardware", "Limits", "Apache-2.0"):
        assert word in card
