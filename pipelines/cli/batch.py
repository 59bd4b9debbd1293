"""`batch IN OUT`: every picture of a folder through img2img or inpaint, under its own name; again makes what is missing.

It paints in this process and asks no queue. A result that is there is not made again: delete it to have it anew.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines import batch as batches
from pipelines.batch import Batch
from pipelines.cli.flags import Order, complain
from pipelines.cli.generate import Ticker, wanted
from pipelines.cli.outcome import outcome, with_room
from pipelines.metadata import SUFFIXES
from pipelines.settings import Settings
from pipelines.spec.errors import FieldError
from pipelines.spec.paths import expanded
from pipelines.spec.request import GenerationRequest

if TYPE_CHECKING:
    from pipelines.studio import Hooks, Studio

PLAN = "batch.json"


def batch(order: Order, settings: Settings, hooks: Hooks) -> int:
    """The exit code: 0 complete, 1 failed or with failed pictures, 2 bad input, 130 stopped with Ctrl+C; results stay."""
    return outcome(lambda: _batch(order, settings, hooks), "Stopped. Finished pictures are kept; the same words again go on.")


def _batch(order: Order, settings: Settings, hooks: Hooks) -> int:
    from pipelines.studio import Studio

    studio = Studio(settings, hooks)
    if not order.dry_run:
        with_room(studio.archive)
    studio.library.scan()
    plan = planned(order, studio)
    done = there(plan, settings)
    if order.dry_run:
        print(f"{len(plan.entries)} pictures, {plan.count} results, {len(done)} are there.")
        return 0
    return _paint(studio, plan, done, Ticker(quiet=order.quiet))


def planned(order: Order, studio: Studio) -> Batch:
    """What the flags ask for, with the seeds of the run that was begun in the folder. Raises FieldError, RequestError."""
    out, source = studio.settings.outputs_dir, expanded("IN", order.given["in"])
    if source.is_dir() and source.resolve() == out.resolve():
        raise FieldError("OUT", out.name, "it is the folder with the pictures", fix="Choose another folder")
    masks, own_size = order.given.get("masks", ""), bool(order.given.get("own-size"))
    base = wanted(order, studio)
    if base.inpaint and base.inpaint.mask and not masks:
        masks = str(studio.inputs.path(base.inpaint.mask))
    asked = hashlib.sha256(json.dumps([base.to_json(), str(masks), own_size]).encode()).hexdigest()[:16]
    entries = batches.in_folder(source, masks, beside=out)
    file = out / PLAN
    if file.exists():
        return Batch(_begun(file, asked), entries, bool(masks), own_size)
    made = batches.batch_of(studio, base, entries, bool(masks), own_size)
    if not order.dry_run:
        out.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".part")
        draft.write_text(json.dumps({"asked": asked, "request": made.base.to_json()}), encoding="utf-8")
        draft.replace(file)
    return made


def _begun(file: Path, asked: str) -> GenerationRequest:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        known, request = kept["asked"], kept["request"]
    except (OSError, ValueError, KeyError, TypeError):
        raise FieldError("OUT", file.parent.name, f"its {PLAN} cannot be read", fix="Choose another folder") from None
    if known != asked:
        raise FieldError("OUT", file.parent.name, "a batch with other settings was begun there", fix="Choose another folder")
    return GenerationRequest.from_json(request)


def there(plan: Batch, settings: Settings) -> frozenset[int]:
    """The results whose file exists; a file is there whole or not at all."""
    root, suffix = settings.outputs_dir, SUFFIXES[settings.output_format]
    return frozenset(i for i in range(plan.count) if (root / f"{plan.file(i)}{suffix}").exists())


def _paint(studio: Studio, plan: Batch, done: frozenset[int], ticker: Ticker) -> int:
    if not ticker.quiet:
        complain(f"{len(plan.entries)} pictures, {plan.count} results" + (f", {len(done)} are there." if done else "."))
    errors = batches.paint(studio, plan, ticker, done=done)
    ticker.clear()
    suffix = SUFFIXES[studio.settings.output_format]
    for index in range(plan.count):
        if index not in errors and index not in done:
            print(studio.settings.outputs_dir / f"{plan.file(index)}{suffix}", flush=True)
    return 1 if errors else 0
