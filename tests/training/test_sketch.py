"""The sketch predictor's maker: a tiny run on latents writes a file that the studio's loader takes."""

import torch
from safetensors.torch import load_file

from pipelines.patches.sketch_guidance import predictor
from pipelines.training.mini import sketch, text
from pipelines.training.mini.run import Plan, keep, recall
from pipelines.training.mini.vae import CHANNELS
from tests.training.chunks import chunk


def test_a_tiny_run_writes_what_the_studio_loads(tmp_path):
    text.teach_vocabulary(tmp_path / "tokenizer", pictures=200)
    groups = [chunk(torch.arange(2))]
    keep(tmp_path / "latents" / "0000.pt", {"groups": groups})
    sketch.train(Plan(tmp_path, 0.02, batch=2))
    assert recall(tmp_path / "sketch.pt")["step"] >= 1
    assert recall(tmp_path / "outlines.pt")["latents"].shape == (2, CHANNELS, 16, 16)
    made = predictor(load_file(sketch.write(Plan(tmp_path, 1), tmp_path / "out")), latent_channels=CHANNELS)
    assert made.activations == sketch.width()


def test_lessons_are_spread_over_the_noisier_part_of_the_schedule():
    at = sketch.levels(70, 1000)
    assert at.min() >= 300 and at.max() <= 999 and torch.bincount((at - 300) // 70, minlength=10).tolist() == [7] * 10
