"""The probe: what it is asked is what a picture shows; a tiny run teaches it something and can be read."""

from dataclasses import replace

import torch

from pipelines.training.mini import probe
from pipelines.training.mini.pictures import Pool
from pipelines.training.mini.probe import READ, Probe, rights, shown, targets
from pipelines.training.mini.run import Plan
from pipelines.training.mini.world.scene import Curriculum, sample

PERSON = sample(3, Curriculum(people=1.0, nothing=0.0, framings=(0, 0, 1)))


def test_a_portrait_is_not_asked_for_trousers_nor_a_bald_head_for_its_colour():
    portrait = replace(PERSON, framing="close-up")
    assert "pose" in shown(PERSON) and "pose" not in shown(portrait) and "bottom colour" not in shown(portrait)
    bald = replace(PERSON, people=(replace(PERSON.people[0], hair="bald"),))
    assert "hair colour" not in shown(bald)


def test_rights_count_only_what_a_scene_has():
    goal = targets([PERSON])
    pairs = zip(goal.T, Probe().sizes, strict=True)
    logits = [torch.nn.functional.one_hot(column.clamp(min=0), size).float() for column, size in pairs]
    found = rights(logits, goal)
    assert found["subject"] == found["time"] == 1 and found["colour"] != found["colour"]


def test_a_pool_draws_fresh_ones_and_keeps_its_size():
    import random

    pool = Pool(lambda seed: seed, random.Random(0), 5, 2)
    first = pool.batch(3)
    assert len(set(first)) == 3 and len(pool.held) == 3
    for _ in range(4):
        pool.batch(3)
    assert len(pool.held) == 5 and not set(first) <= set(pool.held)


def test_a_tiny_run_leaves_a_probe_that_reads_every_attribute(tmp_path, monkeypatch):
    monkeypatch.setattr(probe, "POOL", 4)
    monkeypatch.setattr(probe, "own", lambda *_: {})
    probe.train(Plan(tmp_path, 0.01, batch=2))
    written = probe.write(Plan(tmp_path, 1), tmp_path / "out")
    logits = probe.opened(written.parent)(torch.zeros(1, 3, 256, 256))
    assert [part.shape[1] for part in logits] == Probe().sizes and len(logits) == len(READ)
    assert torch.allclose(logits[0], probe.finished(Plan(tmp_path, 1))(torch.zeros(1, 3, 256, 256))[0], atol=0.02)
