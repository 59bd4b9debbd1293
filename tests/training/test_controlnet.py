"""Makers of the ControlNets: control pictures in their conventions, and a tiny run whose result the real pipeline class accepts."""

import numpy as np
import pytest
import torch

from pipelines.training.mini import controlnet
from pipelines.training.mini.conditions import CONDITIONS, condition
from pipelines.training.mini.run import Plan, keep, recall
from pipelines.training.mini.vae import CHANNELS
from pipelines.training.mini.world.scene import FIRST, Curriculum, sample
from tests.training.chunks import chunk

PERSON = sample(3, Curriculum(people=1.0, nothing=0.0))
LANDSCAPE = sample(5, Curriculum(people=0.0, nothing=1.0))


@pytest.mark.parametrize("kind", list(CONDITIONS))
def test_a_condition_is_a_picture_of_the_scenes_size_that_shows_something(kind):
    made = condition(kind, PERSON)
    assert made.shape == (PERSON.height, PERSON.width, 3) and made.dtype == np.uint8 and made.std() > 5


def test_lines_are_white_on_black_and_nobody_leaves_no_pose():
    for kind in ("canny", "scribble"):
        made = condition(kind, PERSON)
        assert set(np.unique(made)) == {0, 255} and (made > 0).mean() < 0.5
    assert condition("pose", LANDSCAPE).max() == 0


def test_a_wall_that_faces_the_viewer_is_blue():
    middle = np.median(condition("normal", LANDSCAPE).reshape(-1, 3), 0)
    assert middle[2] > 200 and abs(middle[0] - 128) < 30


def test_a_tiny_run_moves_the_controlnet_and_writes_a_folder(tmp_path):
    seeds = torch.arange(4)
    groups = [chunk(seeds)]
    keep(tmp_path / "latents" / "0000.pt", {"groups": groups})
    controlnet.train(Plan(tmp_path, 0.02, batch=2), "depth", FIRST)
    assert recall(tmp_path / "controlnet-depth.pt")["step"] >= 1
    folder = controlnet.write(Plan(tmp_path, 1), "depth", tmp_path / "out")
    model = controlnet.ControlNetModel.from_pretrained(folder)
    noisy, cond = torch.randn(1, CHANNELS, 16, 16), torch.rand(1, 3, 256, 256)
    down, middle = model(noisy, 5, torch.randn(1, 77, 192), controlnet_cond=cond, return_dict=False)
    assert max(float(d.detach().abs().max()) for d in (*down, middle)) > 0


def test_a_limb_counts_more_than_what_is_around_it():
    pictures = torch.zeros(2, 3, 32, 48)
    pictures[0, 1, 20, 20] = 1.0
    weights = controlnet.traced(pictures, torch.ones(2, 1, 2, 3))
    assert weights[0, 0, 1, 1] == pytest.approx((1 + controlnet.LIMB) * weights[0, 0, 0, 0])
    assert torch.allclose(weights.mean((1, 2, 3)), torch.ones(2)) and torch.allclose(weights[1], torch.ones(1, 2, 3))
