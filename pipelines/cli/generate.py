"""`generate`: one request, its pictures in a folder, one path a line on standard output.

It paints in this process and asks no queue, so it runs beside an open studio. Progress goes to standard error.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from pipelines import loopback
from pipelines.cli.control_flags import units
from pipelines.cli.flags import Order, complain
from pipelines.cli.outcome import outcome, told, with_room
from pipelines.settings import Settings
from pipelines.spec.errors import FieldError, ImageFileError, StudioError
from pipelines.spec.events import Event, Note, Preview, Saved, Stage, Step
from pipelines.spec.geometry import Size
from pipelines.spec.param import SHA256
from pipelines.spec.paths import expanded
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.start import suited

if TYPE_CHECKING:
    from pipelines.studio import Hooks, Studio


def generate(order: Order, settings: Settings, hooks: Hooks) -> int:
    """The exit code: 0 painted, 1 failed, 2 bad input, 130 stopped with Ctrl+C. What was painted before stays."""
    return outcome(lambda: _generate(order, settings, hooks))


def _generate(order: Order, settings: Settings, hooks: Hooks) -> int:
    from pipelines.studio import Studio

    studio = Studio(settings, hooks)
    with_room(studio.archive)
    studio.library.scan()
    request = studio.check(studio.hooks.transform_request(wanted(order, studio)))
    return paint(studio, request, Ticker(quiet=order.quiet))


def paint(studio: Studio, request: GenerationRequest, ticker: Ticker) -> int:
    try:
        made = (studio.keep(finished, ticker) for finished in studio.engine.run(request, ticker))
        for file in loopback.paint(studio, request, ticker) if loopback.wanted(request) else made:
            ticker.clear()
            print(studio.settings.outputs_dir / file, flush=True)
    except StudioError as error:
        ticker.clear()
        told(error)
        return 1
    except KeyboardInterrupt:
        ticker.clear()
        complain("Stopped. Finished pictures are kept.")
        return 130
    return 0


def wanted(order: Order, studio: Studio) -> GenerationRequest:
    """The request of `--like` or `--request`, or the defaults of the chosen model's family, under the flags."""
    if order.like and order.request_file:
        raise FieldError("--like", order.like, "stands beside --request", "one of the two")
    if order.like:
        base = like(order.like, studio)
    elif order.request_file:
        base = from_file(order.request_file)
    else:
        chosen = GenerationRequest.parse({k: v for k, v in order.changes.items() if k == "model"})
        base = GenerationRequest.parse({**studio.model(chosen.model).family.default_request, "model": chosen.model})
    request = base.merged(with_pictures(order.changes, studio))
    if not (order.like or order.request_file or {"width", "height"} & order.changes.keys()):
        request = request.merged(size_of_start(request, studio))
    typed = order.given.get("control")
    return request.merged({"control": units(typed, studio, request.model)}) if typed else request


def size_of_start(request: GenerationRequest, studio: Studio) -> dict[str, int]:
    """A width and height that suit the picture it starts from and the model, as the page takes them; {} without a picture."""
    if request.init is None or not request.init.image:
        return {}
    family = studio.model(request.model).family
    return suited(Size(*studio.inputs.open(request.init.image).size), family.native_px, family.size_step)._asdict()


def with_pictures(changes: Mapping[str, Any], studio: Studio) -> dict[str, Any]:
    """`changes` whose picture files are kept and named by their sha256. Raises ImageFileError."""
    result = dict(changes)
    for part, field_ in (("init", "image"), ("init", "strokes"), ("inpaint", "mask")):
        given = result.get(part, {}).get(field_)
        if given and not SHA256.fullmatch(given):
            path = expanded("Image", given)
            if not path.is_file():
                raise ImageFileError(given, "no such file")
            result[part] = result[part] | {field_: studio.inputs.keep_file(path)}
    return result | drawn(result.get("sketch", {}), studio) | pictured(result.get("identity", {}), studio)


def pictured(identity: Mapping[str, Any], studio: Studio) -> dict[str, Any]:
    """`--identity FILE …` cropped to the face and kept, what is amiss said; `--identity-vector FILE` read."""
    from pipelines.portraits.photos import portraits, read_vector
    from pipelines.tasks.identity import face_finder, packed

    result = dict(identity)
    files = [expanded("Photo", name) for name in identity.get("photos", ()) if not SHA256.fullmatch(name)]
    for path in (path for path in files if not path.is_file()):
        raise ImageFileError(str(path), "no such file")
    if files:
        found = portraits(files, face_finder(studio.library.roots, studio.preprocessors))
        for portrait in filter(lambda portrait: portrait.note, found):
            complain(portrait.note)
        kept = [name for name in identity["photos"] if SHA256.fullmatch(name)]
        result["photos"] = [*kept, *(studio.inputs.keep(portrait.picture.convert("RGB")) for portrait in found)]
    vectors = [expanded("--vectors", name) for name in identity.get("vectors", ())]
    if vectors:
        result["vectors"] = [packed(read_vector(path)) if path.is_file() else name
                             for path, name in zip(vectors, identity["vectors"], strict=True)]
    return {"identity": result} if result else {}


def drawn(sketch: Mapping[str, Any], studio: Studio) -> dict[str, Any]:
    """`--sketch FILE` and `--strokes FILE` kept; a sketch alone is taken apart into its lines and its colours."""
    from pipelines.drawing.split import split
    from pipelines.images import open_image

    files = {name: expanded("Sketch", sketch[name]) for name in ("lines", "strokes")
             if sketch.get(name) and not SHA256.fullmatch(sketch[name])}
    if not files:
        return {"sketch": dict(sketch)} if sketch else {}
    for path in files.values():
        if not path.is_file():
            raise ImageFileError(str(path), "no such file")
    kept: dict[str, str] = {}
    if "lines" in files and "strokes" not in sketch:
        parts = split(open_image(files["lines"]))
        kept = {name: studio.inputs.keep(part) if part else "" for name, part in zip(("lines", "strokes"), parts, strict=True)}
    else:
        kept = {name: studio.inputs.keep_file(path) for name, path in files.items()}
    return {"sketch": {**sketch, **kept}}


def like(name: str, studio: Studio) -> GenerationRequest:
    """What the picture's file says of itself, the pictures it was made from kept here too. Raises ImageFileError when it
    says nothing."""
    from pipelines.metadata import read

    path = expanded("Settings", name)
    if not path.is_file():
        raise ImageFileError(name, "no such file")
    found = read(path)
    if not found.found:
        raise ImageFileError(path.name, "no generation data in this file")
    for note in found.notes:
        complain(note)
    request = found.full or GenerationRequest.parse(found.request)
    studio.inputs.fetch(request.pictures(), path)
    return request


def from_file(name: str) -> GenerationRequest:
    """A request of JSON; absent fields have their defaults. Raises RequestError, FieldError."""
    try:
        text = sys.stdin.read() if name == "-" else expanded("--request", name).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "not a text file"
        raise FieldError("--request", name, why.lower()) from None
    return GenerationRequest.from_json(text)


@dataclass
class Ticker:
    """Progress on one line of a terminal; in a log file a line for each stage and each finished picture."""

    quiet: bool = False
    out: TextIO = field(default_factory=lambda: sys.stderr)
    began: float = field(default_factory=time.monotonic)
    _width: int = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, Note):
            self.clear()
            print(event.text, file=self.out, flush=True)
        elif self.quiet or isinstance(event, Preview | Saved):
            return
        elif isinstance(event, Step) and self._live:
            self._show(f"picture {event.image}/{event.images}  step {event.step}/{event.steps}{self._left(event)}")
        elif isinstance(event, Stage):
            self._show(event.text)

    @property
    def _live(self) -> bool:
        return self.out.isatty()

    def _left(self, step: Step) -> str:
        done = step.fraction
        return f"  {(time.monotonic() - self.began) * (1 - done) / done:.0f} s left" if done > 0 else ""

    def _show(self, text: str) -> None:
        if self._live:
            print("\r" + text.ljust(self._width), end="", file=self.out, flush=True)
            self._width = len(text)
        else:
            print(text, file=self.out, flush=True)

    def clear(self) -> None:
        """Take the progress line away before something else is printed."""
        if self._width:
            print("\r" + " " * self._width + "\r", end="", file=self.out, flush=True)
            self._width = 0


