"""The cache of latents: what a chunk holds, and where a training is asked to look."""

from dataclasses import replace
from random import Random

import torch

from pipelines.training.mini.latents import HEED, Cache, heeded
from pipelines.training.mini.run import keep
from pipelines.training.mini.world.scene import Curriculum, sample

PERSON = sample(3, Curriculum(people=1.0, nothing=0.0))


def test_a_subject_counts_more_than_its_surroundings_and_the_mean_is_one():
    heed = heeded(PERSON)
    assert heed.shape == (PERSON.height // 16, PERSON.width // 16) and abs(float(heed.mean()) - 1) < 1e-4
    assert float(heed.max() / heed.min()) == HEED
    assert heed[:, heed.shape[1] // 2].mean() > heed[:, 0].mean()  # persons stand near the middle


def test_an_empty_scene_is_looked_at_evenly():
    assert torch.equal(heeded(replace(PERSON, people=())), torch.ones(16, 16))


def test_batches_bring_the_weights_of_their_pictures(tmp_path):
    def group(first, height, width):
        seeds = torch.arange(first, first + 5)
        heed = seeds[:, None, None].expand(5, height, width).half()
        return {"seeds": seeds, "latents": seeds[:, None, None, None].expand(5, 8, height, width).half(), "heed": heed}

    keep(tmp_path / "0000.pt", {"groups": [group(0, 16, 16), group(5, 20, 13)]})
    keep(tmp_path / "0001.pt", {"groups": [group(1000, 16, 16)]})
    cache = Cache(tmp_path, lambda seed: seed % 5 != 0)
    assert cache.refresh() == 12
    rng, sizes = Random(0), set()
    for _ in range(20):
        seeds, clean, heed = cache.batch(rng, 3)
        sizes.add(tuple(clean.shape[2:]))
        assert heed.shape == (3, 1, *clean.shape[2:]) and (seeds % 5 != 0).all()
        assert torch.equal(heed[:, 0, 0, 0].long(), seeds) and torch.equal(clean[:, 0, 0, 0].long(), seeds)
    assert sizes == {(16, 16), (20, 13)}
