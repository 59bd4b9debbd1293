"""`preprocess`: a picture becomes a ControlNet's condition, in one file. Imports torch only for names that need a network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.cli.flags import Order
from pipelines.cli.outcome import DONE, outcome
from pipelines.settings import Settings
from pipelines.spec.errors import FieldError, ImageFileError
from pipelines.spec.geometry import Size
from pipelines.spec.paths import expanded

if TYPE_CHECKING:
    from PIL import Image

    from pipelines.studio import Hooks
    from pipelines.tasks.preprocess import Preprocessors

SIZE = re.compile(r"(\d{1,5})[x×](\d{1,5})")
LARGEST = 16384     # pixels a side
FORMATS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def preprocess(order: Order, settings: Settings, hooks: Hooks) -> int:
    """The exit code: 0 written, 1 failed, 2 bad input, 130 stopped with Ctrl+C. The path goes to standard output."""
    return outcome(lambda: _preprocess(order, settings))


def _preprocess(order: Order, settings: Settings) -> int:
    from pipelines.loading.facts import Facts
    from pipelines.tasks.preprocess import Preprocessors

    preprocessors = Preprocessors(settings.model_roots, settings.device, facts=Facts(settings.data_dir))
    print("\n".join(listing(preprocessors)) if order.given.get("list") else written(preprocessors, order.given), flush=True)
    return DONE


def listing(preprocessors: Preprocessors) -> list[str]:
    """A line for each: name, title, parameters, and what is missing."""
    lines = []
    for row in preprocessors.rows:
        options = "".join(f"  --{o.key} {o.param.allowed} ({o.default})" for o in row.options)
        missing = preprocessors.missing(row.name)
        lines.append(f"{row.name:<20} {row.title}{options}" + "".join(f"\n{'':<20} missing: {w.wanted()}" for w in missing))
    return lines


def written(preprocessors: Preprocessors, given: Mapping[str, Any]) -> Path:
    """Makes the condition and writes it. Raises FieldError, ImageFileError, ModelFileError."""
    if not (given.get("name") and given.get("file") and given.get("output")):
        raise FieldError("preprocess", given.get("name") or "", "needs a name, a file and -o OUT",
                         fix="See --list for the names, or: preprocess canny photo.png -o edges.png")
    row, out = preprocessors.rows.get(given["name"]), expanded("--output", given["output"])
    if out.suffix.lower() not in (*FORMATS, *([".json"] if row.finds_people else [])):
        raise FieldError("--output", out.name, "not the name of a picture", ", ".join(FORMATS))
    target, source = size_of(given), expanded("File", given["file"])
    try:
        if out.suffix.lower() == ".json":
            out.write_text(pose_text(preprocessors, row.name, source, given), encoding="utf-8")
        else:
            condition(preprocessors, row.name, source, given, target).save(out)
    except OSError as error:
        raise FieldError("--output", out.name, f"cannot be written ({(error.strerror or str(error)).lower()})") from None
    return out


def condition(preprocessors: Preprocessors, name: str, source: Path, given: Mapping[str, Any],
              target: Size | None) -> Image.Image:
    """The condition of the picture `source`, or the drawing where it is a pose's JSON."""
    from pipelines.preprocess import RESIZE_MODES, resized

    mode = given.get("resize-mode", RESIZE_MODES[1])
    if source.suffix.lower() == ".json" and preprocessors.rows.get(name).how in ("openpose", "none"):
        from pipelines.pose import draw, from_json

        pose = from_json(_bytes(source))
        return draw(pose.fitted(*target) if target else pose)
    picture = _picture(source)
    options = {key.removeprefix("option."): value for key, value in given.items() if key.startswith("option.")}
    found = preprocessors.run(name, picture, options, resolution_of(given, picture, target, mode))
    return resized(found, target, mode) if target else found


def pose_text(preprocessors: Preprocessors, name: str, source: Path, given: Mapping[str, Any]) -> str:
    from pipelines.pose import to_json

    picture = _picture(source)
    return to_json(preprocessors.pose(picture, name, resolution_of(given, picture, None, "")))


def resolution_of(given: Mapping[str, Any], picture: Image.Image, target: Size | None, mode: str) -> Any:
    """What was typed, else pixel perfect for a target, else the default; checked by whoever looks at the picture."""
    from pipelines.preprocess import perfect_resolution
    from pipelines.preprocess.rows import DEFAULT_RESOLUTION

    default = perfect_resolution(Size(*picture.size), target, mode) if target else DEFAULT_RESOLUTION
    return given.get("resolution", default)


def size_of(given: Mapping[str, Any]) -> Size | None:
    """`--size 512x768`. Raises FieldError."""
    text = given.get("size")
    if text is None:
        return None
    match = SIZE.fullmatch(text.strip().lower())
    if match is None or not all(1 <= int(v) <= LARGEST for v in match.groups()):
        raise FieldError("--size", text, "not a size", f"WIDTHxHEIGHT, 1-{LARGEST} each")
    return Size(*map(int, match.groups()))


def _picture(source: Path) -> Image.Image:
    from pipelines.images import open_image

    if not source.is_file():
        raise ImageFileError(source.name, "no such file")
    return open_image(source)


def _bytes(source: Path) -> bytes:
    try:
        return source.read_bytes()
    except OSError:
        raise ImageFileError(source.name, "no such file", "a picture, or the JSON of a pose") from None
