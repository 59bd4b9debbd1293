"""A predictor is taught from a folder of pictures: its lessons are two-valued edges, its loss falls, its file opens again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from pipelines.loading.adapter_file import read_adapter
from pipelines.patches import sketch_guidance
from pipelines.patches.sketch_guidance import Hooks, predictor
from pipelines.spec.errors import FieldError
from pipelines.spec.events import Event, Step
from pipelines.training.sketch.lessons import lessons, outline, pictures
from pipelines.training.sketch.teaching import Teaching, teach, write
from tests.prompt.conftest import sd, tokenizer

__all__ = ["sd", "tokenizer"]
TINY = Hooks(("down_blocks.0.attentions.0", "mid_block.resnets.0", "up_blocks.1"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(3):
        picture = Image.new("RGB", (40, 32), "white")
        ImageDraw.Draw(picture).rectangle((8 + number, 8, 24, 24), fill="red")
        picture.save(tmp_path / f"{number}.png")
    (tmp_path / "0.txt").write_text("a red square\n")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    return tmp_path


def test_edges_are_lines_or_none() -> None:
    ramp = Image.fromarray(np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1)))
    values = np.asarray(outline(ramp, 32))
    assert set(np.unique(values)) == {0, 255} and values.shape == (32, 32, 3)


def test_a_folder_becomes_lessons_and_the_loss_falls(folder: Path, sd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketch_guidance, "HOOKS", {**sketch_guidance.HOOKS})
    monkeypatch.setitem(sketch_guidance.HOOKS, "tiny", TINY)
    monkeypatch.setattr("pipelines.training.sketch.teaching.HOOKS", sketch_guidance.HOOKS)
    told: list[Event] = []
    taught = lessons(pictures(folder), sd.vae, 16, lambda p: p.convert("L"), told.append)
    assert [lesson.words for lesson in taught] == ["a red square", "", ""] and len(told) == 4
    made, losses = teach(sd, taught, Teaching("tiny", 40, 3, 1e-2), told.append)
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    assert told[-1] == Step(2, 2, 40, 40) and not made.training
    write(made, folder / "sketch" / "own.safetensors", "tiny")
    tensors, metadata = read_adapter(folder / "sketch" / "own.safetensors")
    again = predictor(tensors)
    assert metadata["hooks"] == "tiny" and torch.equal(again.layers[0].weight, made.layers[0].weight)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="no picture"):
        pictures(tmp_path)
