"""A studio for a measurement: this house's models, folders of its own that are gone afterwards, one way to paint."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.settings import checked
from pipelines.spec.request import GenerationRequest

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipelines.studio import Studio

MODEL = "ATELIER_BENCH_MODEL"       # another model than mini is measured where this names one, e.g. "models 2/mini"
MODELS = "ATELIER_BENCH_MODELS"     # a further folder of models


@contextmanager
def own_studio() -> Iterator[Studio]:
    """Its library is scanned already."""
    from extensions.loader import load
    from pipelines.studio import Studio

    with tempfile.TemporaryDirectory() as folder:
        more = {"models_dir": (Path(os.environ[MODELS]),)} if os.environ.get(MODELS) else {}
        settings = checked({"data_dir": Path(folder), **more})
        studio = Studio(settings, load(settings))
        studio.library.scan()
        yield studio


def model_name() -> str:
    """The model that is measured."""
    return os.environ.get(MODEL, "mini")


def painted(studio: Studio, request: dict[str, Any]) -> Image:
    """The first picture of a request in plain data, by the studio's own engine, checked as a user's is."""
    wanted = studio.check(GenerationRequest.parse({"model": model_name(), "width": 256, "height": 256, **request}))
    return next(iter(studio.engine.run(wanted, lambda event: None))).image


def told(what: str, values: Mapping[str, float]) -> None:
    """One line to read while the bench goes on."""
    print(f"{what}: " + ", ".join(f"{name} {value:.3f}" for name, value in values.items()), file=sys.stderr, flush=True)
