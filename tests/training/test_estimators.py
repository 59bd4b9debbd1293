"""The estimators' maker: lessons are true, scores tell right from wrong, and a tiny run writes what the runtime reads."""

import math

import numpy as np
import pytest
import torch

from pipelines.loading.annotators import fill
from pipelines.tasks.picture_book import PictureBook, body, seer
from pipelines.training.mini import estimators
from pipelines.training.mini.run import Plan
from pipelines.training.mini.world.scene import Curriculum, sample

PERSON = sample(3, Curriculum(people=1.0, nothing=0.0, framings=(0, 0, 1)))


@pytest.fixture(scope="module")
def batch():
    return estimators.stacked([estimators.lesson(PERSON)], "cpu")


def test_a_lesson_has_unit_normals_and_depth_between_nothing_and_one(batch):
    assert torch.allclose(batch.normals.norm(dim=1), torch.ones(1, PERSON.height, PERSON.width), atol=1e-3)
    assert 0 <= batch.depth.min() < batch.depth.max() <= 1 and set(batch.outline.unique().tolist()) == {0.0, 1.0}


def test_likely_cells_lead_back_to_the_points(batch):
    chances = estimators.likely(batch.points, (PERSON.height, PERSON.width))
    assert torch.allclose(chances.sum(-1), torch.ones(1, 18), atol=1e-4)
    for made, true in zip(body(chances[0].clamp(min=1e-9).log(), PERSON.width // 4), batch.points[0].tolist(), strict=True):
        assert (made is None) == math.isnan(true[0])
        assert made is None or math.dist(made, true) < 3


def test_scores_are_best_for_the_truth_and_bad_for_a_blank(batch):
    flat = torch.zeros_like(batch.normals)
    flat[:, 2] = 1
    assert estimators.within(batch.depth, batch.depth) == 1
    assert estimators.within(torch.full_like(batch.depth, 0.9), batch.depth) < 0.6
    assert estimators.angle(batch.normals, batch.normals) < 0.1 < estimators.angle(flat, batch.normals)
    lines = batch.outline[0, 0] > 0
    assert estimators.f1(lines, lines, 2) == 1 and estimators.f1(~lines & False, lines, 2) == 0
    points = tuple(None if math.isnan(x) else (x, y) for x, y in batch.points[0].tolist())
    assert estimators.pck(points, batch.points[0]) == 1 and estimators.pck((None,) * 18, batch.points[0]) == 0


def test_a_tiny_run_writes_a_file_that_the_runtime_reads(tmp_path, monkeypatch):
    monkeypatch.setattr(estimators, "POOL", 4)
    monkeypatch.setattr(estimators, "score", lambda network: {})
    estimators.train(Plan(tmp_path, 0.01, batch=2))
    path = estimators.write(Plan(tmp_path, 1), tmp_path / "out")
    assert path.stat().st_size < 2_000_000
    see = seer(fill(PictureBook(), path), torch.device("cpu"))
    picture = np.full((96, 160, 3), 128, np.uint8)
    assert see(picture, {"part": "depth"}).shape == (96, 160) and see(picture, {"part": "normal"}).shape == (96, 160, 3)
    assert see(picture, {"part": "sketch"}).dtype == np.uint8 and see(picture, {"part": "pose"}).width == 160
