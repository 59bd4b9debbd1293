"""The cache of latents: what a chunk holds, and where a training is asked to look."""

from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

from pipelines.training.mini import adopt, latents, text
from pipelines.training.mini.conditions import condition
from pipelines.training.mini.latents import HEED, LIMBS, TOLD, Cache, heeded
from pipelines.training.mini.run import Plan, keep
from pipelines.training.mini.world.scene import FIRST, GROWN, Curriculum, sample

PERSON = sample(3, Curriculum(people=1.0, nothing=0.0))


def test_a_subject_counts_more_than_its_surroundings_and_the_mean_is_one():
    heed = heeded(PERSON)
    assert heed.shape == (PERSON.height // 16, PERSON.width // 16) and abs(float(heed.mean()) - 1) < 1e-4
    assert float(heed.max() / heed.min()) == pytest.approx(HEED + LIMBS)  # where a limb passes through the person
    assert heed[:, heed.shape[1] // 2].mean() > heed[:, 0].mean()  # persons stand near the middle


def test_an_empty_scene_is_looked_at_evenly():
    assert torch.equal(heeded(replace(PERSON, people=())), torch.ones(16, 16))


def test_batches_bring_the_weights_of_their_pictures(tmp_path):
    def group(first, height, width):
        seeds = torch.arange(first, first + 5)
        heed = seeds[:, None, None].expand(5, height, width).half()
        found = seeds[:, None, None, None].expand(5, 8, height, width).half()
        return {"seeds": seeds, "latents": found, "heed": heed, "ids": seeds[:, None, None].expand(5, TOLD, 77).to(torch.int16)}

    keep(tmp_path / "latents" / "0000.pt", {"groups": [group(0, 16, 16), group(5, 20, 13)]})
    keep(tmp_path / "latents" / "0001.pt", {"groups": [group(1000, 16, 16)]})
    cache = Cache(tmp_path, lambda seed: seed % 5 != 0)
    assert cache.refresh() == 12
    rng, sizes = Random(0), set()
    for _ in range(20):
        seeds, clean, heed, ids, seen = cache.batch(rng, 3)
        sizes.add(tuple(clean.shape[2:]))
        assert heed.shape == (3, *clean.shape[2:]) and (seeds % 5 != 0).all() and seen is None
        assert torch.equal(heed[:, 0, 0].long(), seeds) and torch.equal(clean[:, 0, 0, 0].long(), seeds)
        assert torch.equal(ids[:, 0, 0].long(), seeds)
    assert sizes == {(16, 16), (20, 13)}
    assert sorted(cache.square().seeds.tolist()) == [1, 2, 3, 4, 1001, 1002, 1003, 1004]
    with pytest.raises(FileNotFoundError):
        Cache(tmp_path / "elsewhere").square()


def test_a_chunk_keeps_captions_and_control_pictures_by_however_many_hands(tmp_path, monkeypatch):
    monkeypatch.setattr(latents, "CHUNK", 3)
    plan = Plan(tmp_path, 1)
    adopt.adopt(plan, Path("models/mini"))
    latents.fill_by(1, plan, range(2), GROWN, ("pose", "canny"))
    cache = Cache(tmp_path, kind="pose")
    assert cache.refresh() == 6
    words = text.tokenizer(plan)
    for part in cache.parts:
        for row, seed in enumerate(part.seeds.tolist()):
            scene = sample(seed, GROWN)
            assert np.array_equal(part.seen[row].numpy(), condition("pose", scene))
            told = words.decode(part.ids[row, 0].tolist(), skip_special_tokens=True)
            assert told.split() and torch.equal(part.ids[row], latents.tellings(words, scene))
    canny = Cache(tmp_path, kind="canny")
    canny.refresh()
    assert all(part.seen.ndim == 3 for part in canny.parts)
    assert {int(value) for part in canny.parts for value in part.seen.unique()} == {0, 255}


def test_two_hands_make_the_chunks_that_one_would(tmp_path, monkeypatch):
    chunks, plan = [], Plan(tmp_path, 1)
    monkeypatch.setattr(latents, "statistics", lambda *_: chunks.append("statistics"))
    monkeypatch.setattr(latents.vae, "finished", lambda _: torch.nn.Identity())

    class Pool:
        def __init__(self, hands):
            assert hands == 2

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def starmap(self, work, todo):
            assert work is latents.fill
            chunks.extend(tuple(given[1]) for given in todo)

    monkeypatch.setattr(latents.multiprocessing, "get_context", lambda _: type("Spawn", (), {"Pool": Pool}))
    latents.fill_by(2, plan, range(5), FIRST)
    assert chunks == ["statistics", (0, 2, 4), (1, 3)]


def test_silence_takes_its_share_of_the_tellings():
    count = 400
    part = latents.Part(torch.arange(count), torch.zeros(count), torch.zeros(count), torch.ones(count, TOLD, 77, dtype=torch.int16))
    told = part.told(Random(1), 0.25, torch.zeros(1, 77, dtype=torch.int64))
    assert told.shape == (count, 77) and 0.18 < float((told[:, 0] == 0).float().mean()) < 0.32
