"""Families as the advice sees them, and the advice itself."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from pipelines.advice import Advice


@dataclass(frozen=True)
class Family:
    name: str
    native_px: int
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)


def family(name: str, native: int, long: int) -> Family:
    return Family(name, native, {"square": (native, native), "portrait": (native, long), "landscape": (long, native)})


@pytest.fixture(scope="session")
def families() -> dict[str, Family]:
    """By name; "flux" stands for a family the study never met."""
    return {"sd15": family("sd15", 512, 768), "sd2": family("sd2", 768, 1152), "mini": family("mini", 256, 384),
            "flux": family("flux", 1024, 1536),
            "sdxl": Family("sdxl", 1024, {"square": (1024, 1024), "portrait": (832, 1216), "landscape": (1216, 832)})}


@pytest.fixture(scope="session")
def sd15(families: dict[str, Family]) -> Family:
    return families["sd15"]


@pytest.fixture(scope="session")
def advice() -> Advice:
    return Advice("en")
