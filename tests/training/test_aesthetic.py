"""The aesthetic head's maker: spoiling changes pictures, and the fitted head puts one cloud of vectors above another."""

from random import Random

import pytest
import torch
from PIL import ImageChops

from pipelines.training.mini.aesthetic import SPOILING, above, fit
from pipelines.training.mini.world.draw import draw
from pipelines.training.mini.world.scene import sample


@pytest.mark.parametrize("way", SPOILING, ids=lambda way: way.__name__)
def test_spoiling_keeps_the_size_and_changes_the_picture(way):
    picture = draw(sample(3))
    made = way(picture, Random(0))
    assert made.size == picture.size and ImageChops.difference(made, picture).getbbox()


def test_the_head_tells_two_clouds_apart_on_vectors_it_has_not_seen():
    torch.manual_seed(0)
    shift = torch.randn(16)
    clean, bad = torch.randn(400, 16) + shift, torch.randn(400, 16) - shift
    head = fit(clean[:300], bad[:300])
    assert above(head, clean[300:], bad[300:]) > 0.95 > above(head, bad[300:], clean[300:])
    assert 6 < sum(head.marks(clean)) / 400 < 9 and 1 < sum(head.marks(bad)) / 400 < 4
