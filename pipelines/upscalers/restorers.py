"""Which networks can restore faces: GFPGAN, RestoreFormer and CodeFormer files of the models folders. No torch."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from pipelines.loading.header import read_header
from pipelines.loading.library import Library
from pipelines.loading.pickled import check_start
from pipelines.spec.errors import FieldError, ModelFileError, unknown

KIND = "face restorer"
HELPERS = ("detection_", "parsing_", "alignment_")      # what other programs keep beside them
EXTRA = "spandrel_extra_arches"                         # the package that knows CodeFormer
EXTRA_FIX = f"Its network is in the package {EXTRA}, whose licence forbids commercial use: python -m pip install {EXTRA}"


class Listed(Protocol):
    """One name of a list; `problem` says why it cannot be used, "" when it can."""

    @property
    def name(self) -> str: ...
    @property
    def problem(self) -> str: ...
    @property
    def fix(self) -> str: ...


T = TypeVar("T", bound=Listed)


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
        """As `named`."""
        everything = self._everything()
        return named("Restore faces", name, everything, "" if everything else "Put GFPGANv1.4.pth into models/GFPGAN")

    def _everything(self) -> list[Restorer]:
        files = [f for f in self._library.files() if f.kind == KIND and not f.path.name.lower().startswith(HELPERS)]
        return [Restorer(f.name, f.path, f.problem, f.fix) if f.problem else _looked_at(f.name, f.path)
                for f in sorted(files, key=lambda f: f.name.lower())]


def named(label: str, name: str, listed: Sequence[T], fix: str = "") -> T:
    """The usable one of that name, in any case, with or without suffix and folder.

    Raises FieldError with the nearest, or asking for the folder when several have that name, and ModelFileError for a broken one.
    """
    wanted = re.sub(r"\.(safetensors|pth)$", "", name.strip(), flags=re.IGNORECASE).lower()
    hits = [one for one in listed if one.name.lower() == wanted]
    if not hits:
        hits = [one for one in listed if one.name.rpartition("/")[2].lower() == wanted]
        if len(usable := [one.name for one in hits if not one.problem]) > 1:
            raise FieldError(label, name, f"{len(usable)} files have that name", ", ".join(usable), "Give the folder too")
    if not hits:
        raise unknown(label, name, [one.name for one in listed if not one.problem], fix)
    found = next((one for one in hits if not one.problem), hits[0])
    if found.problem:
        raise ModelFileError(found.name, found.problem, found.fix)
    return found


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
