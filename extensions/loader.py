"""Find the extensions, import each on its own, name and leave out the broken ones; the studio starts in any case.

An extension is a folder with an `__init__.py` (and, if it likes, an `extension.yaml` with name, version, summary).
One that took the whole program down while it was imported is known by the note it left, and stays off after two such
starts until `extensions.json` in the state folder is deleted.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from extensions.deadline import Failed, within
from extensions.hooks import Hooks
from pipelines.settings import Settings

IMPORT_SECONDS = 5.0
CRASHES = 2
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Extension:
    """One folder. `problem` is empty when it can be imported."""

    name: str
    folder: Path
    version: str = ""
    summary: str = ""
    problem: str = ""


@dataclass
class Log:
    """What is remembered between starts: which import was under way, and how often one ended the program."""

    file: Path
    crashes: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> Log:
        """The log, with a crash counted when the last start ended inside an import. A damaged file starts anew."""
        try:
            stored = json.loads(file.read_text(encoding="utf-8"))
            crashes = {str(k): int(v) for k, v in stored.get("crashes", {}).items()}
            loading = stored.get("loading")
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return cls(file)
        if isinstance(loading, str):
            crashes[loading] = crashes.get(loading, 0) + 1
        return cls(file, crashes)

    def write(self, loading: str | None) -> None:
        """On disk before the import begins: after a crash it is too late. A read-only disk forgets, no more."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.write_text(json.dumps({"loading": loading, "crashes": self.crashes}), encoding="utf-8")
        except OSError as error:
            log.info("extensions.json: %s", error)


def load(settings: Settings, seconds: float = IMPORT_SECONDS) -> Hooks:
    """Hooks with every extension that works; those that do not are in `hooks.faults`."""
    hooks = Hooks()
    if settings.safe_mode:
        return hooks
    memory = Log.read(settings.data_dir / "extensions.json")
    for extension in discover(settings.extension_folders):
        if extension.name not in settings.disabled_extensions:
            _take_in(hooks, extension, memory, seconds, settings)
    memory.write(None)
    return hooks


def discover(folders: Iterable[Path]) -> list[Extension]:
    """Every extension folder by name; of two with one name the first is taken and the second is named as a problem."""
    found: dict[str, Extension] = {}
    twice: list[Extension] = []
    for root in folders:
        for folder in sorted(root.iterdir()) if root.is_dir() else ():
            if folder.name[0] in "._" or not (folder / "__init__.py").is_file():
                continue
            extension = described(folder)
            if extension.name in found:
                twice.append(Extension(extension.name, folder, problem=f"a second one of that name in {root.name}/"))
            else:
                found[extension.name] = extension
    return [*found.values(), *twice]


def described(folder: Path) -> Extension:
    """The folder with what its extension.yaml says of it."""
    manifest = folder / "extension.yaml"
    if not manifest.is_file():
        return Extension(folder.name, folder)
    try:
        said: Any = yaml.safe_load(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        return Extension(folder.name, folder, problem=f"extension.yaml cannot be read ({type(error).__name__})")
    known = {"name", "version", "summary"}
    if not isinstance(said, dict) or not all(k in known and isinstance(v, str) for k, v in said.items()):
        return Extension(folder.name, folder, problem="extension.yaml may hold name, version and summary, all texts")
    return Extension(folder.name, folder, said.get("version", ""), said.get("summary", ""))


def _take_in(hooks: Hooks, extension: Extension, memory: Log, seconds: float, settings: Settings) -> None:
    if extension.problem:
        hooks.note(extension.name, extension.problem)
        return
    if memory.crashes.get(extension.name, 0) >= CRASHES:
        hooks.note(extension.name, f"it ended the program at {CRASHES} starts; delete extensions.json to try again")
        return
    memory.write(extension.name)
    try:
        hooks.add(extension.name, within(seconds, opened, extension=extension, settings=settings))
    except Failed as failure:
        log.debug("importing %s", extension.name, exc_info=failure.cause)
        hooks.note(extension.name, f"its import {failure}")
    except ValueError as error:
        hooks.note(extension.name, str(error))


def opened(extension: Extension, settings: Settings) -> object:
    """What implements the hooks: the module itself, or what its `extension(settings)` returns."""
    module = import_folder(extension)
    return module.extension(settings) if callable(getattr(module, "extension", None)) else module


def import_folder(extension: Extension) -> ModuleType:
    """The folder as the package `extensions.<name>`, so that its own imports look the same wherever it lies."""
    name = f"extensions.{extension.name}"
    spec = importlib.util.spec_from_file_location(
        name, extension.folder / "__init__.py", submodule_search_locations=[str(extension.folder)])
    if spec is None or spec.loader is None:
        raise ImportError("not a Python package")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module
