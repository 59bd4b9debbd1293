"""The committed ControlNets: each fits the committed UNet, and lines are followed better than without them."""

from random import Random

import numpy as np
import pytest
import torch
from PIL import Image

from pipelines.training.mini import control_score, sheet
from pipelines.training.mini.conditions import CONDITIONS, condition
from pipelines.training.mini.pictures import HELD_OUT
from pipelines.training.mini.score import prompt
from pipelines.training.mini.world.scene import sample

KINDS = ("canny", "scribble", "depth")


@pytest.fixture(scope="module")
def folder(root):
    return root / "models" / "mini"


@pytest.mark.parametrize("kind", KINDS)
def test_each_fits_the_unet_and_answers_its_condition(folder, kind):
    pipeline = control_score.guided(folder, kind)
    seen = torch.from_numpy(condition(kind, sample(HELD_OUT)).copy()).permute(2, 0, 1)[None].float() / 255
    noisy, words = torch.zeros(1, pipeline.unet.config.in_channels, 16, 16), torch.zeros(1, 77, 192)
    with torch.no_grad():
        shown, blank = (pipeline.controlnet(noisy, 500, words, x, return_dict=False)[1] for x in (seen, torch.zeros_like(seen)))
    assert shown.shape[1] == pipeline.unet.config.block_out_channels[-1] and (shown - blank).abs().max() > 1e-3
    assert kind in CONDITIONS and (folder / "controlnet" / kind / "config.json").exists()


def test_a_picture_painted_by_lines_has_them_where_they_were_drawn(folder):
    scenes, rng = [sample(HELD_OUT + k, control_score.WORLD) for k in range(6)], Random(3)
    said, drawn = [prompt(s, rng) for s in scenes], [Image.fromarray(condition("canny", s)) for s in scenes]
    held = (control_score.paint(control_score.guided(folder, "canny"), said, drawn), sheet.paint(sheet.load(folder), said))
    led, free = (np.mean([control_score.follows("canny", s, p, None) for s, p in zip(scenes, made, strict=True)]) for made in held)
    assert led > 0.45 and led > free + 0.05
