"""A studio with a home of its own, open for one test; tests that need another one make it under the same name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from extensions.hooks import Hooks
from pipelines import settings
from pipelines.studio import Studio


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    with Studio.open(settings.checked({"data_dir": tmp_path}), Hooks()) as made:
        yield made
