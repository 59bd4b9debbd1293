"""`rank`: finished pictures in the order of their worth, one a line, the best first. Imports torch only when it judges."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.cli.flags import Order
from pipelines.cli.outcome import DONE, outcome
from pipelines.settings import Settings
from pipelines.spec.errors import FieldError, ImageFileError
from pipelines.spec.paths import expanded

if TYPE_CHECKING:
    from pipelines.studio import Hooks, Studio


def rank(order: Order, settings: Settings, hooks: Hooks) -> int:
    """The exit code: 0 ranked, 1 failed, 2 bad input. On standard output: place, score, what each judge said, path."""
    return outcome(lambda: _rank(order, settings, hooks))


def _rank(order: Order, settings: Settings, hooks: Hooks) -> int:
    from pipelines.studio import Studio

    for line in ranking(order, Studio(settings, hooks)):
        print(line, flush=True)
    return DONE


def ranking(order: Order, studio: Studio) -> list[str]:
    """The lines, best first. Raises FieldError, ImageFileError."""
    from pipelines.images import open_image
    from pipelines.ranked import ranked

    files = [existing(name) for name in order.given["files"]]
    photos = [open_image(existing(name)) for name in order.given["photo"]]
    keep = order.given["keep"] or len(files)
    if keep < 1:
        raise FieldError("--keep", keep, "too small", "1 or more")
    rows = ranked(studio, files, order.given["prompt"], order.given["model"], photos)
    return [f"{place}\t{row.score:+.3f}\t" + ", ".join(f"{name} {value:.3f}" for name, value in row.parts.items())
            + f"\t{files[row.index]}" for place, row in enumerate(rows[:keep], 1)]


def existing(name: str) -> Path:
    """The file of that name. Raises ImageFileError."""
    path = expanded("Picture", name)
    if not path.is_file():
        raise ImageFileError(name, "no such file")
    return path
