"""What users keep of a checkpoint: a note, and the settings that suit it. One small JSON file, by the checkpoint's name.

A file that cannot be read costs no start: it is named, kept as `.bad-<time>`, and what is kept from then on replaces it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.presets import files
from pipelines.spec.errors import FieldError, StorageError
from pipelines.spec.param import declared
from pipelines.spec.request import GenerationRequest

LIMIT = 4 * 2**20       # bytes of the file
LONGEST = 2000          # characters of a note
FIELDS = ("sampler", "schedule", "steps", "cfg_scale", "cfg_rescale", "cfg_start", "cfg_end", "width", "height", "vae", "clip_skip",
          "emphasis")


@dataclass(frozen=True)
class ModelNote:
    """settings: values by field, as they were kept; `usable` says which of them hold today."""

    text: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


class ModelNotes:
    """On the disk after every change; safe from any thread."""

    def __init__(self, file: Path) -> None:
        self._file, self._lock = file, threading.Lock()
        self._problem, self._locked = "", False     # locked: it is there and could not be read, so it is not written over
        self._models = self._read()

    def _read(self) -> dict[str, Any]:
        try:
            if self._file.stat().st_size > LIMIT:
                raise ValueError(f"larger than {LIMIT // 2**20} MB")
            models = json.loads(self._file.read_text(encoding="utf-8"))["models"]
            if not isinstance(models, dict):
                raise ValueError("not a table of models")
            return models
        except FileNotFoundError:
            return {}
        except OSError as error:
            self._problem, self._locked = f"{self._file.name}: cannot be read ({error.strerror}). Check its permissions.", True
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            kept = files.keep_bad(self._file)
            self._locked = kept is None
            self._problem = (f"{self._file.name}: notes and defaults of models cannot be read ({str(error)[:80]}). "
                             + (f"Kept as {kept.name}." if kept else "Move it away."))
        return {}

    def problems(self) -> list[str]:
        """One line where the file cannot be read."""
        return [self._problem] if self._problem else []

    def get(self, model: str) -> ModelNote:
        """What is kept of that checkpoint; of one that nobody spoke of nothing."""
        kept = self._models.get(model)
        if not isinstance(kept, dict):
            return ModelNote()
        text, settings = kept.get("note"), kept.get("settings")
        return ModelNote(text[:LONGEST] if isinstance(text, str) else "", dict(settings) if isinstance(settings, dict) else {})

    def write(self, model: str, text: str) -> None:
        """Keep a note, or with "" none. Raises FieldError for one that is too long, StorageError."""
        if len(text) > LONGEST:
            raise FieldError("Note", text[:20], f"{len(text)} characters are too long", f"up to {LONGEST} characters")
        self._change(model, note=text.strip())

    def settle(self, model: str, request: GenerationRequest | None) -> None:
        """Keep the settings of `request` (`FIELDS` of it) as the checkpoint's, or with None none. Raises StorageError."""
        self._change(model, settings={name: getattr(request, name) for name in FIELDS} if request else {})

    def _change(self, model: str, **values: Any) -> None:
        with self._lock:
            if self._locked:
                raise StorageError(f"{self._problem} Nothing was changed.")
            before = self._models.get(model)
            kept = {key: value for key, value in {**(before if isinstance(before, dict) else {}), **values}.items() if value}
            models = {name: value for name, value in self._models.items() if name != model} | ({model: kept} if kept else {})
            files.write(self._file, json.dumps({"version": 1, "models": models}, indent=1))
            self._models, self._problem = models, ""


def usable(settings: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The settings that the fields of today take, and one line for every other."""
    rows = {row.path: row for row in declared(GenerationRequest) if row.path in FIELDS}
    changes: dict[str, Any] = {}
    lines = []
    for name, value in settings.items():
        try:
            if name not in rows:
                raise FieldError(name[:40], value, "no such setting any more")
            changes[name] = rows[name].param.check(value, rows[name].kind)
        except FieldError as error:
            lines.append(f"{error} Left as it is.")
    return changes, lines
