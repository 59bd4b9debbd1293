"""`upscale FILE… --scale 4 --upscaler NAME -o OUT`: pictures made larger, one path a line on standard output.

Files and folders (their pictures, not deeper). One that cannot be read is named, the others are made; the exit code is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.cli.flags import Order, complain
from pipelines.cli.generate import Ticker
from pipelines.images import open_image
from pipelines.settings import Settings
from pipelines.spec.errors import FieldError, ImageFileError, RequestError, StorageError, StudioError
from pipelines.spec.events import Stage
from pipelines.upscalers import RESAMPLERS, Target, Tiling, Upscaler, Upscalers

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipelines.loading.residency import Residency

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"}
DEFAULT = "mini-x4"


@dataclass(frozen=True)
class Upscale:
    """What was asked for. `visibility` is that of the second upscaler."""

    files: tuple[str, ...] = ()
    out: str = ""
    upscaler: str = ""
    second: str = ""
    visibility: float = 0.5
    target: Target = Target()
    tiling: Tiling = Tiling()
    quiet: bool = False


def asked(given: Mapping[str, Any], quiet: bool) -> Upscale:
    """What the flags say."""
    sizes = Target(given["scale"], given["width"], given["height"], given["crop"])
    tiles = Tiling(given["tile"], given["overlap"])
    return Upscale(tuple(given["files"]), given["out"], given["upscaler"], given["second"], given["visibility"],
                   sizes, tiles, quiet)


def upscale(typed: Order, settings: Settings, more: Callable[[], Sequence[Upscaler]] = tuple) -> int:
    """The exit code: 0 made, 1 some failed, 2 bad input, 130 stopped with Ctrl+C. What was made before stays."""
    from pipelines.loading.library import Library

    order = asked(typed.given, typed.quiet)
    try:
        listed = Upscalers(Library(settings.model_roots, settings.data_dir), more)
        first = listed.find(order.upscaler or (DEFAULT if DEFAULT in listed.names() else next(iter(RESAMPLERS))))
        second = listed.find(order.second) if order.second else None
        order.tiling.check()
        files = pictures(order.files)
        places = destinations(files, order.out)
    except (FieldError, RequestError, ImageFileError) as error:
        complain(error)
        return 2
    except StudioError as error:
        complain(error)
        return 1
    except KeyboardInterrupt:
        return 130
    return _all(order, (first, second), list(zip(files, places)), holder_of(listed, settings))


def _all(order: Upscale, upscalers: tuple[Upscaler, Upscaler | None], work: list[tuple[Path, Path]],
         holder: Residency) -> int:
    ticker, failed, refused = Ticker(quiet=order.quiet), 0, False
    for number, (file, place) in enumerate(work, 1):
        try:
            ticker(Stage(f"{number}/{len(work)} {file.name}"))
            larger = _one(order, upscalers, file, holder, ticker)
            save(larger, place)
            ticker.clear()
            print(place, flush=True)
        except StudioError as error:
            ticker.clear()
            complain(f"{file.name}: {error}")
            failed, refused = failed + 1, refused or isinstance(error, FieldError)
        except KeyboardInterrupt:
            ticker.clear()
            complain("Stopped. Finished pictures are kept.")
            return 130
    return (2 if refused else 1) if failed else 0


def _one(order: Upscale, upscalers: tuple[Upscaler, Upscaler | None], file: Path, holder: Residency,
         ticker: Ticker) -> Image:
    from pipelines.upscalers import upscaling

    first, second = upscalers
    request = upscaling.Request(open_image(file), first, order.target, order.tiling)
    if second is None:
        return upscaling.upscale(request, holder, ticker)
    return upscaling.blend(request, second, order.visibility, holder, ticker)


def pictures(names: Sequence[str]) -> list[Path]:
    """The files, folders replaced by the pictures in them. Raises ImageFileError for a name that is neither."""
    found: list[Path] = []
    for name in names:
        path = Path(name).expanduser()
        if path.is_dir():
            found += sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES and p.is_file())
        elif path.is_file():
            found.append(path)
        else:
            raise ImageFileError(name, "no such file")
    if not found:
        raise ImageFileError(", ".join(names), "no pictures in it")
    return found


def destinations(files: Sequence[Path], out: str) -> list[Path]:
    """Where each result goes; never onto its own source, never two onto one. Raises FieldError."""
    target = Path(out).expanduser() if out else None
    if target is not None and target.suffix and not target.is_dir():
        if len(files) > 1:
            raise FieldError("--output", out, f"one file for {len(files)} pictures", "a folder")
        if target.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
            raise FieldError("--output", out, "no format for pictures", ".png, .jpg, .webp")
        places = [target]
    else:
        taken: set[Path] = set()
        places = []
        for file in files:
            folder, stem = (target, file.stem) if target is not None else (file.parent, f"{file.stem}-upscaled")
            place = folder / f"{stem}.png"
            if place in taken:      # a.jpg and a.png of one folder
                place = folder / f"{stem}-{file.suffix[1:].lower()}.png"
            taken.add(place)
            places.append(place)
    own = next((p for f, p in zip(files, places) if p.resolve() == f.resolve()), None)
    if own is not None:
        raise FieldError("--output", str(own), "that is the source itself", "another folder or name")
    return places


def save(picture: Image, place: Path) -> None:
    """Whole or not at all. Raises StorageError."""
    temporary = place.with_name(f".{place.name}.part")
    kind = {".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}.get(place.suffix.lower(), "PNG")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        (picture.convert("RGB") if kind == "JPEG" else picture).save(temporary, kind, quality=95)
        temporary.replace(place)
    except (OSError, ValueError) as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(f"{place.name}: cannot be written ({getattr(error, 'strerror', None) or error}).") from None


def holder_of(listed: Upscalers, settings: Settings) -> Residency:
    from pipelines.loading.device import Budget, Device
    from pipelines.loading.residency import Residency

    precision = {"auto": "auto", "float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}[settings.precision]
    device = Device.pick(settings.device, precision, settings.memory_policy)
    return Residency(listed.library, device, Budget.of_this_machine(device, str(settings.vram_budget or "")))
