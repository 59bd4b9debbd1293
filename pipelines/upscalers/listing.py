"""What can upscale: resamplers, files in the models folders, and what extensions bring. No torch: a list must be quick.

It reads headers and first bytes only; whether spandrel knows the network is seen when `weights` loads it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pipelines.loading.header import read_header
from pipelines.loading.library import Library
from pipelines.loading.pickled import check_start
from pipelines.spec.errors import ModelFileError
from pipelines.spec.events import Emit
from pipelines.upscalers.restorers import Restorers, named

RESAMPLERS = {
    "Lanczos": Image.Resampling.LANCZOS, "Bicubic": Image.Resampling.BICUBIC, "Bilinear": Image.Resampling.BILINEAR,
    "Nearest": Image.Resampling.NEAREST,
}
SCALE_IN_NAME = re.compile(r"(?:^|[-_. x])([1248])x(?![0-9])|x([1248])(?![0-9])", re.IGNORECASE)
Whole = Callable[[Image.Image, Emit], Image.Image]


@dataclass(frozen=True)
class Upscaler:
    """One name of the list. Exactly one of `resample`, `path`, `whole` says how; `problem` says why it cannot run.

    scale: the network's own factor as its file name tells it, 0 when it does not.
    whole: an extension's own way: a picture in, a larger one out; the exact size is made afterwards.
    """

    name: str
    resample: Image.Resampling | None = None
    path: Path | None = None
    whole: Whole | None = None
    scale: int = 0
    problem: str = ""
    fix: str = ""


class Upscalers:
    """`more` gives what extensions bring; it is asked anew at every listing, as the library is."""

    def __init__(self, library: Library, more: Callable[[], Sequence[Upscaler]] = tuple) -> None:
        self.library, self._more = library, more

    def all(self) -> list[Upscaler]:
        """Those that can be used: resamplers, mini's own, files by name, extensions'."""
        return [u for u in self._everything() if not u.problem]

    def names(self) -> list[str]:
        return [u.name for u in self.all()]

    def problems(self) -> list[Upscaler]:
        """Files in the upscalers' folders that cannot be used, each with its line."""
        return [u for u in self._everything() if u.problem]

    @property
    def restorers(self) -> Restorers:
        """What can restore faces."""
        return Restorers(self.library)

    def find(self, name: str) -> Upscaler:
        """As `named`."""
        return named("Upscaler", name, self._everything())

    def short_hash(self, name: str) -> str:
        """First 10 hex digits of the sha256 of an upscaler's file, "" for one that is no file. Raises as `find`."""
        path = self.find(name).path
        return self.library.short_hash(path) if path else ""

    def _everything(self) -> list[Upscaler]:
        plain = [Upscaler(name, resample=how) for name, how in RESAMPLERS.items()]
        own = [_looked_at(path.stem, path) for root in self.library.roots
               for path in sorted((root / "mini" / "upscaler").glob("*.safetensors"))]
        theirs = [Upscaler(f.name, path=f.path, problem=f.problem, fix=f.fix) if f.problem else _looked_at(f.name, f.path)
                  for f in self.library.files() if f.kind == "upscaler" and f.path.parent.parent.name != "mini"]
        return [*plain, *own, *sorted(theirs, key=lambda u: u.name.lower()), *self._more()]


def _looked_at(name: str, path: Path) -> Upscaler:
    match = SCALE_IN_NAME.search(path.stem)
    scale = int(match[1] or match[2]) if match else 0
    try:
        if path.suffix.lower() == ".pth":
            check_start(path, name)
        else:
            read_header(path, name)
    except ModelFileError as error:
        return Upscaler(name, path=path, problem=error.why, fix=error.fix)
    return Upscaler(name, path=path, scale=scale)
