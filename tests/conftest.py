"""Fixtures every room may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Before torch is imported anywhere: two cores, and results that do not depend on how busy they are.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")     # a busy neighbour costs its share, not everything
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def mini_dir() -> Path:
    """The embedded model that ships with the project."""
    return ROOT / "models" / "mini"
