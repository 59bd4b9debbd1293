"""Thin random checkpoints in the original layout, written once a session, and a Residency over them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.loading.ldm_layout import write_checkpoint


@pytest.fixture(scope="session")
def thin(tmp_path_factory) -> Path:
    """A models folder with `Stable-diffusion/thin-<family>.safetensors` (fp16) for each family with single files."""
    root = tmp_path_factory.mktemp("thin") / "models"
    for family in ("sd15", "sd2", "sdxl"):
        write_checkpoint(root / "Stable-diffusion" / f"thin-{family}.safetensors", family)
    return root


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    """A data folder: hashes, verdicts and CLIP's vocabulary."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def copied(thin, tmp_path) -> Callable[..., Path]:
    """Put a copy of a thin checkpoint at `tmp_path / where`."""
    def copy(where: str, family: str = "sd15") -> Path:
        target = tmp_path / where
        target.parent.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(thin / "Stable-diffusion" / f"thin-{family}.safetensors", target))
    return copy
