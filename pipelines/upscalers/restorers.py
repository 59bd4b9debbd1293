"""Which networks can restore faces: GFPGAN, RestoreFormer and CodeFormer files of the models folders. No torch."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from pipelines.loading.header import read_header
from pipelines.loading.library import Library
from pipelines.loading.pickled import check_start
from pipelines.spec.errors import ModelFileError, unknown

KIND = "face restorer"
HELPERS = ("detection_", "parsing_", "alignment_")      # what other programs keep beside them
EXTRA = "spandrel_extra_arches"                         # the package that knows CodeFormer
EXTRA_FIX = f"Its network is in the package {EXTRA}, whose licence forbids commercial use: python -m pip install {EXTRA}"


@dataclass(frozen=True)
class Restorer:
    """One file. problem: why it cannot run, "" when it can."""

    name: str
    path: Path
    problem: str = ""
    fix: str = ""

    @property
    def is_codeformer(self) -> bool:
        """By its name; what it is in truth is seen when it is loaded."""
        return "codeformer" in self.name.lower().replace("-", "").replace("_", "")


class Restorers:
    """Those of one library; asked anew at every listing, as the library is."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def all(self) -> list[Restorer]:
        return [r for r in self._everything() if not r.problem]

    def names(self) -> list[str]:
        return [r.name for r in self.all()]

    def problems(self) -> list[Restorer]:
        return [r for r in self._everything() if r.problem]

    def find(self, name: str) -> Restorer:
        """By name in any case. Raises FieldError with the nearest, ModelFileError for one that cannot run."""
        everything = self._everything()
        wanted = name.strip().lower().removesuffix(".pth").removesuffix(".safetensors")
        hits = [r for r in everything if wanted in (r.name.lower(), r.name.rpartition("/")[2].lower())]
        if not hits:
            raise unknown("Restore faces", name, [r.name for r in everything if not r.problem],
                          "Put GFPGANv1.4.pth into models/GFPGAN" if not everything else "")
        if hits[0].problem:
            raise ModelFileError(hits[0].name, hits[0].problem, hits[0].fix)
        return hits[0]

    def _everything(self) -> list[Restorer]:
        files = [f for f in self._library.files() if f.kind == KIND and not f.path.name.lower().startswith(HELPERS)]
        return [Restorer(f.name, f.path, f.problem, f.fix) if f.problem else _looked_at(f.name, f.path)
                for f in sorted(files, key=lambda f: f.name.lower())]


def _looked_at(name: str, path: Path) -> Restorer:
    found = Restorer(name, path)
    try:
        if path.suffix.lower() == ".pth":
            check_start(path, name)
        else:
            read_header(path, name)
    except ModelFileError as error:
        return Restorer(name, path, error.why, error.fix)
    if found.is_codeformer and not importlib.util.find_spec(EXTRA):
        return Restorer(name, path, "CodeFormer's network is not installed", EXTRA_FIX)
    return found
