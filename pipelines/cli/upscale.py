"""`upscale FILE… --scale 4 --upscaler NAME -o OUT`: pictures made larger, one path a line on standard output.

Files and folders (their pictures, not deeper). One that cannot be read is named, the others are made; the exit code is 1.
What a source's file says of how it was made goes into the result, and what was done to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines import metadata
from pipelines.archive import NotSaved
from pipelines.archive.moving import why
from pipelines.cli.flags import Order, complain
from pipelines.cli.generate import Ticker
from pipelines.cli.outcome import DONE, STOPPED, code_of, outcome, told
from pipelines.images import open_image
from pipelines.metadata import SUFFIXES
from pipelines.settings import Settings
from pipelines.spec.errors import FieldError, StudioError
from pipelines.spec.events import Note, Stage
from pipelines.spec.geometry import Size
from pipelines.spec.paths import expanded
from pipelines.spec.request import GenerationRequest
from pipelines.upscalers import Target, Tiling, Upscaler, Upscalers
from pipelines.upscalers.files import about_depth, bits, pictures
from pipelines.upscalers.recipe import Faces, Recipe

if TYPE_CHECKING:
    from pipelines.cli.tiled import Painter
    from pipelines.deep import Picture
    from pipelines.loading.residency import Residency
    from pipelines.studio import Hooks
    from pipelines.upscalers.making import Bench

FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}


@dataclass(frozen=True)
class Output:
    """Where results go, and as which files. place: a file, a folder, or "" for beside each source."""

    place: str
    format: str
    quality: int


def upscale(typed: Order, settings: Settings, hooks: Hooks) -> int:
    """The exit code: 0 made, 1 some failed, 2 bad input, 130 stopped with Ctrl+C. What was made before stays."""
    return outcome(lambda: _upscale(typed, settings, hooks.upscalers))


def _upscale(typed: Order, settings: Settings, more: Callable[[], Sequence[Upscaler]]) -> int:
    from pipelines.loading.library import Library

    listed = Upscalers(Library(settings.model_roots, settings.data_dir), more)
    output = output_of(typed.given, settings)
    recipe = recipe_of(typed.given, output.format).checked(listed)
    files = pictures(typed.given["files"])
    work = list(zip(files, destinations(files, output.place, SUFFIXES[output.format])))
    ticker = Ticker(quiet=typed.quiet)

    if typed.given["tiled"]:
        from pipelines.cli.tiled import Painter, repaint_of

        painter = Painter.of(recipe, repaint_of(typed.given), settings, holder_of(listed, settings), listed)
        return _all(work, ticker, lambda file, place: _painted(painter, output, (file, place), ticker))

    from pipelines.upscalers.making import Bench

    bench = Bench(listed, holder_of(listed, settings))
    return _all(work, ticker, lambda file, place: _one(recipe, output, (file, place), bench, ticker))


def recipe_of(given: Mapping[str, Any], format: str) -> Recipe:
    """What the flags say."""
    target = Target(given["scale"], given["width"], given["height"], given["crop"])
    return Recipe(given["upscaler"], given["second"], given["visibility"], target, Tiling(given["tile"], given["overlap"]),
                  format == "png16", Faces(given["restorer"], given["face_visibility"], given["weight"]))


def output_of(given: Mapping[str, Any], settings: Settings) -> Output:
    """The format is that of `--format`, else of the output's name, else of the settings. Raises FieldError."""
    of_name = FORMATS.get(Path(given["out"]).suffix.lower(), "")
    format = given["format"] or of_name or settings.output_format
    if format not in SUFFIXES:
        raise FieldError("--format", format, "not a format pictures are saved in", ", ".join(SUFFIXES))
    if of_name and SUFFIXES[format] != SUFFIXES[of_name]:
        raise FieldError("--format", format, f"does not go with {Path(given['out']).name}", of_name)
    quality = given["quality"] or settings.output_quality
    if not 1 <= quality <= 100:
        raise FieldError("--quality", quality, "outside the range", "1-100")
    return Output(given["out"], format, quality)


def _all(work: list[tuple[Path, Path]], ticker: Ticker, make: Callable[[Path, Path], None]) -> int:
    codes = {DONE}
    for number, (file, place) in enumerate(work, 1):
        try:
            ticker(Stage(f"{number}/{len(work)} {file.name}"))
            make(file, place)
            ticker.clear()
            print(place, flush=True)
        except StudioError as error:
            ticker.clear()
            told(error, f"{file.name}: ")
            codes.add(code_of(error))
        except KeyboardInterrupt:
            ticker.clear()
            complain("Stopped. Finished pictures are kept.")
            return STOPPED
    return max(codes)


def _one(recipe: Recipe, output: Output, files: tuple[Path, Path], bench: Bench, ticker: Ticker) -> None:
    from pipelines.studio import VERSION
    from pipelines.upscalers.making import made

    source, place = files
    picture, said = open_image(source), metadata.read(source)
    _, size = recipe.target.sizes(Size(*picture.size))
    metadata.check_size(size, output.format)
    if recipe.deep:
        ticker(Note(about_depth(bits(source))))
    done = made(picture, recipe, bench, ticker)
    extra = {key: value for key, value in said.made.items() if key not in ("job", "index", "seconds")}
    extra |= done.recipe.done() | {"Version": f"Atelier {VERSION}"}
    for note in save(done.picture, place, said.full or said.infotext, extra, output):
        ticker(Note(note))


def _painted(painter: Painter, output: Output, files: tuple[Path, Path], ticker: Ticker) -> None:
    """One picture painted again in tiles."""
    from pipelines.studio import VERSION

    finished = painter(files[0], ticker)
    extra = finished.extra | {"seconds": round(finished.seconds, 2), "Version": f"Atelier {VERSION}"}
    for note in save(finished.image, files[1], finished.request, extra, output):
        ticker(Note(note))


def destinations(files: Sequence[Path], out: str, suffix: str) -> list[Path]:
    """Where each result goes; never onto its own source, never two onto one. Raises FieldError."""
    target = expanded("--output", out) if out else None
    if target is not None and target.suffix and not target.is_dir():
        if len(files) > 1:
            raise FieldError("--output", out, f"one file for {len(files)} pictures", "a folder")
        if target.suffix.lower() not in FORMATS:
            raise FieldError("--output", out, "no format for pictures", ".png, .jpg, .webp")
        places = [target]
    else:
        taken: set[Path] = set()
        places = []
        for file in files:
            folder, stem = (target, file.stem) if target is not None else (file.parent, f"{file.stem}-upscaled")
            place = folder / f"{stem}{suffix}"
            if place in taken:      # a.jpg and a.png of one folder
                place = folder / f"{stem}-{file.suffix[1:].lower()}{suffix}"
            taken.add(place)
            places.append(place)
    own = next((p for f, p in zip(files, places) if p.resolve() == f.resolve()), None)
    if own is not None:
        raise FieldError("--output", str(own), "that is the source itself", "another folder or name")
    return places


def save(picture: Picture, place: Path, request: GenerationRequest | str, extra: Mapping[str, Any],
         output: Output) -> tuple[str, ...]:
    """Whole or not at all. Returns what did not fit into the file. Raises NotSaved, FieldError."""
    temporary = place.with_name(f".{place.name}.part")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        notes = metadata.write(picture, temporary, request, extra, output.format, output.quality)
        temporary.replace(place)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise NotSaved(picture, request, extra, f"{place.name}: {why(error)}") from None
    return notes


def holder_of(listed: Upscalers, settings: Settings) -> Residency:
    from pipelines.loading.device import Budget, Device
    from pipelines.loading.residency import Residency

    precision = {"auto": "auto", "float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}[settings.precision]
    device = Device.pick(settings.device, precision, settings.memory_policy)
    return Residency(listed.library, device, Budget.of_this_machine(device, str(settings.vram_budget or "")))
