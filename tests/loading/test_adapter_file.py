"""Adapters come out of .safetensors and of pickles alike, and a pickle never runs code."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pipelines.loading.adapter_file import read_adapter
from pipelines.spec.errors import ModelFileError

NESTED = {"id_encoder": {"a.weight": torch.arange(3.0)}, "lora_weights": {"b": torch.ones(2)}, "epoch": 3}
FLAT = {"id_encoder.a.weight": torch.arange(3.0), "lora_weights.b": torch.ones(2)}


def test_both_forms_give_the_same_tensors(tmp_path: Path) -> None:
    torch.save(NESTED, tmp_path / "v1.bin")
    save_file(FLAT, tmp_path / "v1.safetensors", {"vision_heads": "2"})
    pickled, _ = read_adapter(tmp_path / "v1.bin")
    stored, metadata = read_adapter(tmp_path / "v1.safetensors")
    assert pickled.keys() == stored.keys() == FLAT.keys()
    assert all(torch.equal(pickled[k], FLAT[k]) and torch.equal(stored[k], FLAT[k]) for k in FLAT)
    assert metadata == {"vision_heads": "2"}


class Hostile:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


def test_code_in_a_pickle_is_refused_and_does_not_run(tmp_path: Path) -> None:
    torch.save({"id_encoder": Hostile(tmp_path / "ran")}, tmp_path / "v1.bin")
    with pytest.raises(ModelFileError, match="could run code"):
        read_adapter(tmp_path / "v1.bin")
    assert not (tmp_path / "ran").exists()


def test_a_dictionary_that_holds_itself_ends(tmp_path: Path) -> None:
    circle: dict = {"a": torch.ones(1)}
    circle["self"] = circle
    torch.save(circle, tmp_path / "v1.bin")
    assert "a" in read_adapter(tmp_path / "v1.bin")[0]
