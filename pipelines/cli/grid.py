"""`grid`: an X/Y/Z experiment in a folder; the same words again make only what is missing.

It paints in this process and asks no queue. The folder holds the cells, `grid.json`, and the sheet, page and table of them.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines import contact_sheet, experiments
from pipelines.cli.flags import Order, complain
from pipelines.cli.generate import Ticker, wanted
from pipelines.cli.outcome import outcome, with_room
from pipelines.grid import Grid
from pipelines.settings import Settings
from pipelines.spec.errors import FieldError
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.footprint import gib

if TYPE_CHECKING:
    from pipelines.studio import Hooks, Studio

PLAN = "grid.json"


def grid(order: Order, settings: Settings, hooks: Hooks) -> int:
    """The exit code: 0 complete, 1 failed or with failed cells, 2 bad input, 130 stopped with Ctrl+C; cells made stay."""
    return outcome(lambda: _grid(order, settings, hooks), "Stopped. Finished cells are kept; the same words again go on.")


def _grid(order: Order, settings: Settings, hooks: Hooks) -> int:
    from pipelines.studio import Studio

    studio = Studio(settings, hooks)
    if not order.dry_run:
        with_room(studio.archive)
    studio.library.scan()
    plan, job = planned(order, studio)
    if order.dry_run:
        print(told(studio, plan))
        return 0
    return _paint(studio, plan, job, Ticker(quiet=order.quiet))


def planned(order: Order, studio: Studio) -> tuple[Grid, str]:
    """The grid and the name under which its cells are found again: the one begun in the folder, or a new one.

    Raises RequestError when another grid was begun there.
    """
    axes = [split(text) for text in order.axes]
    base = wanted(order, studio)
    asked = hashlib.sha256(json.dumps([base.to_json(), axes, order.exact]).encode()).hexdigest()[:16]
    file = studio.settings.outputs_dir / PLAN
    if file.exists():
        return _begun(file, asked)
    made = experiments.grid_of(studio, base, axes, order.exact)
    if not order.dry_run:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".part")
        draft.write_text(json.dumps({"asked": asked, "request": made.base.to_json(), "grid": made.to_json()}))
        draft.replace(file)
    return made, asked


def _begun(file: Path, asked: str) -> tuple[Grid, str]:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        known, request, axes = kept["asked"], kept["request"], kept["grid"]
    except (OSError, ValueError, KeyError, TypeError):
        raise FieldError("--out", str(file.parent.name), f"its {PLAN} cannot be read", fix="Choose another folder") from None
    if known != asked:
        raise FieldError("--out", str(file.parent.name), "another grid was begun there", fix="Choose another folder")
    return Grid.of_json(GenerationRequest.from_json(request), axes), asked


def split(text: str) -> tuple[str, str]:
    """"cfg_scale=1-5" or "cfg_scale: 1-5" to key and values. Raises FieldError."""
    signs = sorted((at, sign) for sign in "=:" if (at := text.find(sign)) > 0)
    if not signs:
        raise FieldError("Axis", text, "names no values", "name=values, such as cfg_scale=3-9 (+2)")
    key, _, values = text.partition(signs[0][1])
    return key.strip(), values.strip()


def told(studio: Studio, plan: Grid) -> str:
    """Count, time, memory, room on the disk, in one line."""
    guess = experiments.expected(studio, plan)
    parts = [f"{guess.cells} cells", f"{guess.models} model load" + "s" * (guess.models > 1)]
    parts.append("time unknown: no picture of this model yet" if guess.seconds is None else f"about {guess.seconds:.0f} s")
    if guess.memory is not None:
        parts.append(f"about {gib(guess.memory)} of memory")
    if guess.bytes is not None:
        parts.append(f"{guess.bytes / 2**20:.1f} MiB of pictures")
    return ", ".join(parts) + "."


def _paint(studio: Studio, plan: Grid, job: str, ticker: Ticker) -> int:
    there = studio.archive.of_job(job)
    if not ticker.quiet:
        complain(f"{told(studio, plan)} {len(there)} are there." if there else told(studio, plan))
    errors = experiments.paint(studio, plan, ticker, job, frozenset(there))
    ticker.clear()
    folder = studio.settings.outputs_dir / "sheet"
    folder.mkdir(exist_ok=True)
    files = studio.archive.of_job(job)
    for path in written(studio, plan, files, errors, folder):
        print(path, flush=True)
    return 1 if errors else 0


def written(studio: Studio, plan: Grid, files: dict[int, str], errors: dict[int, str], folder: Path) -> list[Path]:
    """Sheet, page and table in `folder`."""
    def find(index: int) -> Path | None:
        return studio.settings.outputs_dir / files[index] if index in files else None

    sheet, page, table = folder / "grid.png", folder / "grid.html", folder / "grid.csv"
    with sheet.open("wb") as out:
        note = contact_sheet.draw(plan, find, out)
    if note:
        complain(note)
    scores = experiments.scores(studio, plan, files)
    with page.open("wb") as out:
        contact_sheet.page(plan, find, out, scores)
    with table.open("wb") as out:
        contact_sheet.table(plan, find, out, errors, scores)
    return [sheet, page, table]
