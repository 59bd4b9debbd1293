"""An archive in a temporary folder, and requests for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from pipelines.archive import Archive, Item
from pipelines.spec.request import GenerationRequest


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    made = Archive(tmp_path / "outputs")
    yield made
    made.close()


@pytest.fixture
def save(archive: Archive) -> Callable[..., Item]:
    """Saves a small picture of a request given by its fields."""

    def make(**fields: object) -> Item:
        request = GenerationRequest.parse({"seed": 7, **fields})
        return archive.save(Image.new("RGB", (32, 16), "teal"), request, {"Version": "Atelier 0.1.0"})

    return make
