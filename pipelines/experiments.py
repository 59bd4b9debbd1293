"""Grids in the studio: what was typed becomes a checked grid, a durable job, an estimate, and its finished cells.

The job's request is the base, its payload the axes; a picture's index in the job is the index of its cell.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines import samplers
from pipelines.grid import Axis, AxisKind, Grid, kinds
from pipelines.grid.estimate import Estimate, estimate, sampled
from pipelines.grid.ready import Ready
from pipelines.images import open_image
from pipelines.loading.controls import controls
from pipelines.loading.identity_files import identities
from pipelines.loading.library import AUTOMATIC
from pipelines.metadata import Read
from pipelines.ranking import scorer
from pipelines.spec.errors import Cancelled, FieldError, RequestError, StudioError, unknown
from pipelines.spec.events import Emit, Note
from pipelines.spec.parts import LAST_SEED
from pipelines.spec.request import GenerationRequest
from pipelines.tasks import enlarge
from pipelines.tasks.footprint import largest
from pipelines.tasks.loops import loops_of

if TYPE_CHECKING:
    from pipelines.queue import Job
    from pipelines.studio import Studio

KIND = "grid"
SECONDS = "Seconds"
Scores = dict[str, dict[int, float]]
"""By name of the score, by cell."""


def names(studio: Studio, source: str) -> list[str]:
    """The names a field may take, by the `source` of its declaration; also "presets"."""
    lists: dict[str, Any] = {
        "samplers": lambda: [s.name for s in samplers.SAMPLERS if not s.broken],
        "schedules": lambda: [s.name for s in samplers.SCHEDULES if not s.broken],
        "models": lambda: [m.name for m in studio.library.models()],
        "vaes": lambda: ["Automatic", *(v.name for v in studio.library.vaes())],
        "styles": studio.styles.names,
        "hires_upscalers": lambda: enlarge.listed("hires_upscalers", studio.upscalers),
        "upscalers": lambda: enlarge.listed("upscalers", studio.upscalers),
        "identity_adapters": lambda: [AUTOMATIC, *(found.name for found in identities(studio.library))],
        "loras": lambda: [Path(f.name).stem for f in studio.library.of_kind("lora") if not f.problem],
        "control_models": lambda: [found.name for found in controls(studio.library)],
        "preprocessors": lambda: studio.preprocessors.rows.names(),
        "presets": lambda: [p.name for p in studio.presets.list()]}
    return list(lists[source]()) if source in lists else []


def axis_kinds(studio: Studio) -> dict[str, AxisKind]:
    """Every kind of axis by its key."""
    def preset(name: str) -> Mapping[str, Any]:
        found = studio.presets.get(name)
        model = str(found.request.get("model", ""))
        return found.changes(studio.model(model).family.sizes if model else None)

    return kinds(lambda source: names(studio, source), preset, lambda: random.SystemRandom().randrange(LAST_SEED + 1))


def kind_of(studio: Studio, key: str) -> AxisKind:
    """By key or by label, whatever its capitals. Raises FieldError naming the nearest."""
    found = axis_kinds(studio)
    wanted = key.strip().lower()
    for kind in found.values():
        if wanted in (kind.key.lower(), kind.label.lower()):
            return kind
    raise unknown("Axis", key, found)


def grid_of(studio: Studio, base: GenerationRequest, axes: Sequence[tuple[str, str]], exact: bool = False) -> Grid:
    """The grid of `axes` (key, text; up to three) over `base`, its seeds drawn, every value checked by itself.

    exact: see `Grid`.

    Raises RequestError with one line for every value refused.
    """
    base = studio.check(studio.hooks.transform_request(base))
    made: list[Axis] = []
    refusals: list[FieldError] = []
    for key, text in axes:
        try:
            made.append(kind_of(studio, key).axis(text, base))
        except (FieldError, RequestError) as error:
            refusals += error.errors if isinstance(error, RequestError) else [error]
    if loops_of(base) > 1:
        refusals.append(FieldError("Loops", loops_of(base), "not in a grid", "1"))
    if not axes:
        refusals.append(FieldError("Axis", "", "none is chosen", fix="Choose what runs along X"))
    if refusals:
        raise RequestError(refusals)
    try:
        grid = Grid.of(base, made, exact=exact)
    except FieldError as error:
        raise RequestError([error]) from None
    _check_samples(studio, grid)
    return grid


def _check_samples(studio: Studio, grid: Grid) -> None:
    """Names and sizes of every value. A value that fails by itself is refused; one that fails only together with
    another becomes a cell with its error."""
    lines: dict[str, FieldError] = {}
    seen: set[str] = set()
    for _, request in grid.samples():
        tags = request.prompt if "<" in request.prompt else ""      # a LoRA is looked for by its name
        alike = request.merged({"seed": 0, "prompt": tags, "negative_prompt": "", "cfg_scale": 7}).digest()
        if alike in seen:
            continue
        seen.add(alike)
        try:
            studio.check(request)
        except RequestError as error:
            lines |= {str(e): e for e in error.errors}
    if lines:
        raise RequestError(lines.values())


def filled(studio: Studio, base: GenerationRequest, chosen: Ready) -> GenerationRequest:
    """`base` with what a ready-made experiment paints where it says nothing: prompt, and picture to start from."""
    changes = chosen.fixed | {key: value for key, value in chosen.request.items() if not getattr(base, key)}
    if chosen.start and not (base.init and base.init.image):
        changes["init"] = {"image": studio.inputs.keep_file(chosen.start)}
    return base.merged(changes)


def submit(studio: Studio, grid: Grid, owner: str = "", key: str | None = None) -> str:
    """Queue the whole grid as one job. Raises QueueFull, StorageError."""
    return studio.queue.submit(grid.base, KIND, key, owner, (grid.to_json(), grid.count))


def of_job(job: Job) -> Grid:
    """Raises RequestError when the job is no grid or cannot be read any more."""
    return Grid.of_json(job.request, job.payload)


def described(job: Job) -> str:
    """"4 × 3": how many values each axis has, for a list of jobs; "" when it cannot be read any more."""
    try:
        return " × ".join(str(len(axis.values)) for axis in of_job(job).axes)
    except RequestError:
        return ""


def run(studio: Studio, job: Job, emit: Emit) -> None:
    """Paint and save the missing cells, the dearest changes least often."""
    paint(studio, of_job(job), emit, job.id, job.finished)


def paint(studio: Studio, grid: Grid, emit: Emit, job: str, done: frozenset[int] = frozenset()) -> dict[int, str]:
    """Paint and save the cells not in `done`. Returns the error of each cell that could not be.

    Raises the last error when no cell could be painted at all.
    """
    errors: dict[int, str] = {}
    last: list[StudioError] = []
    missing = [index for index in grid.order() if index not in done]

    def failed(index: int, error: StudioError) -> None:
        errors[index] = str(error)
        last[:] = [error]
        emit(Note(f"{grid.name(index)}: {error}"))

    for finished in studio.engine.run_cells(missing, grid.cell, emit, failed, grid.exact):
        studio.keep(finished, emit, job)
    if missing and len(errors) == len(missing) and not isinstance(last[0], Cancelled):
        raise last[0]
    return errors


def scores(studio: Studio, grid: Grid, files: Mapping[int, str]) -> Scores:
    """Seconds of every cell on the disk; text alignment and aesthetic mark too where their models are there.

    Raises ModelFileError for a model of the ranking that is damaged.
    """
    seen = {index: found for index, file in sorted(files.items()) if (found := _read(studio, file)) is not None}
    prompts = [(index, found.full.prompt if found.full else grid.base.prompt) for index, found in seen.items()]
    return {SECONDS: _spent(seen)} | _ranked(studio, grid, files, prompts)


def seconds(studio: Studio, files: Mapping[int, str]) -> dict[int, float]:
    """How long each cell on the disk took."""
    return _spent({index: found for index, file in files.items() if (found := _read(studio, file)) is not None})


def _read(studio: Studio, file: str) -> Read | None:
    """What the picture says; None when it was thrown away or damaged since."""
    try:
        return studio.archive.read(file)
    except StudioError:
        return None


def _spent(seen: Mapping[int, Read]) -> dict[int, float]:
    return {index: float(spent) for index, found in seen.items() if isinstance(spent := found.made.get("seconds"), (int, float))}


def _ranked(studio: Studio, grid: Grid, files: Mapping[int, str], seen: Sequence[tuple[int, str]]) -> Scores:
    """In portions, so that a grid of any size needs the memory of a few pictures."""
    model = studio.model(grid.base.model).path
    places = [model if model.is_dir() else model.parent, *(root / scorer.FOLDER for root in studio.settings.model_roots)]
    result: Scores = {}
    if scorer.found(places)[0] is None:
        return result
    for start in range(0, len(seen), scorer.BATCH):
        some = seen[start:start + scorer.BATCH]
        pictures = [open_image(studio.archive.open(files[index])) for index, _ in some]
        for name, values in scorer.scores(pictures, [prompt for _, prompt in some], places).items():
            result.setdefault(name, {}).update(zip((index for index, _ in some), values, strict=True))
    return result


def expected(studio: Studio, grid: Grid) -> Estimate:
    """What the grid will cost: time and disk from the newest pictures of the same model, memory by its largest batch."""
    past = [(cost.request, cost.bytes) for cost in studio.past.of(grid.base.model)]
    return replace(estimate(grid, studio.past.seconds, past), memory=_memory(studio, grid))


def _memory(studio: Studio, grid: Grid) -> int | None:
    from pipelines.tasks import together

    def at_once(cell: GenerationRequest) -> int:
        if grid.exact or together.key(cell) is None:
            return 1
        return min(grid.count, together.most(cell, studio.in_main_memory))

    needed = largest(studio.memory(cell, together=at_once(cell)) for cell in sampled(grid))
    return needed.total if needed else None
