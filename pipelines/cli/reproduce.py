"""`reproduce IMAGE`: makes a picture again, prints the verdict; exit code 0 identical, 1 different or failed, 2 bad input."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.archive import NotSaved
from pipelines.archive.moving import why
from pipelines.cli.flags import Order
from pipelines.cli.generate import Ticker
from pipelines.cli.outcome import outcome
from pipelines.settings import Settings
from pipelines.spec.errors import ImageFileError
from pipelines.spec.paths import expanded

if TYPE_CHECKING:
    from pipelines.engine import Finished
    from pipelines.reproduce import Recipe
    from pipelines.studio import Hooks, Studio


def reproduce(order: Order, settings: Settings, hooks: Hooks) -> int:
    """The exit code; 130 stopped with Ctrl+C. The verdict is one line on standard output."""
    return outcome(lambda: _reproduce(order, settings, hooks), "Stopped.")


def _reproduce(order: Order, settings: Settings, hooks: Hooks) -> int:
    from pipelines.reproduce import recipe
    from pipelines.studio import Studio

    file = expanded("File", order.given["file"])
    if not file.is_file():
        raise ImageFileError(order.given["file"], "no such file")
    studio = Studio(settings, hooks)
    studio.library.scan()
    return _run(studio, recipe(studio, file, order.given["model"]), order, Ticker(quiet=order.quiet))


def _run(studio: Studio, told: Recipe, order: Order, ticker: Ticker) -> int:
    from pipelines.reproduce import compared

    [finished] = studio.engine.run(told.request, ticker)
    ticker.clear()
    verdict = compared(studio, told, finished)
    print(verdict.text, flush=True)
    if order.given["output"]:
        _keep(studio, finished, expanded("--output", order.given["output"]))
    return 0 if verdict.same else 1


def _keep(studio: Studio, finished: Finished, path: Path) -> None:
    from pipelines.metadata import write

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(finished.image, path, finished.request, studio.made(finished))
    except OSError as error:
        raise NotSaved(finished.image, finished.request, studio.made(finished), f"{path.name}: {why(error)}") from None
