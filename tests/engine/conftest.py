"""The embedded model behind a real engine, loaded once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipelines.engine import Engine, Finished
from pipelines.loading.device import Device
from pipelines.loading.library import Library
from pipelines.loading.residency import Residency
from pipelines.spec.events import Event
from pipelines.spec.request import GenerationRequest


@pytest.fixture(scope="session")
def engine(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    library = Library([root / "models"], tmp_path_factory.mktemp("cache"))
    return Engine(Residency(library, Device.pick("cpu")))


@pytest.fixture(scope="session")
def paint(engine: Engine) -> Callable[..., list[Finished]]:
    """Every picture of a request given by its fields; few steps, for the tests look at sameness and not at beauty."""

    def run(emit: Callable[[Event], None] = lambda event: None, **fields: object) -> list[Finished]:
        request = GenerationRequest.parse({"prompt": "a red car, in the snow", "steps": 4, "seed": 7} | fields)
        return list(engine.run(request, emit))

    return run


def pixels(finished: Finished) -> np.ndarray:
    return np.asarray(finished.image)
