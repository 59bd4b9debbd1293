"""Named lists of ControlNet units without their pictures: `units/*.json` of the preset folders. Nothing is lost:
what is replaced or forgotten lies in `units/.trash/`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.presets import files
from pipelines.presets.names import display, stem
from pipelines.spec.errors import FieldError, StudioError, unknown
from pipelines.spec.request import GenerationRequest

LIMIT = 256 * 1024      # bytes of one file
PICTURES = ("image", "mask")


class UnitPresets:
    """`folders`: preset folders (`Settings.preset_folders`); new ones go to the last, whose files hide shipped ones."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = [folder / "units" for folder in folders]

    def names(self) -> Sequence[str]:
        """Their names, shipped ones first. Files that cannot be read are passed over."""
        return list(self._read())

    def get(self, name: str) -> Sequence[Mapping[str, Any]]:
        """The units of that name, as a request takes them. Raises FieldError naming the nearest."""
        found = self._read()
        if name not in found:
            raise unknown("Unit preset", name, list(found))
        return found[name]

    def save(self, name: str, units: Any) -> None:
        """Keep these units under a name; an own preset of that name goes to `.trash/` beside it.

        Raises FieldError for no name or no units, RequestError for units that are none, StorageError.
        """
        title, checked = display(name, "Unit preset"), _checked(units)
        if not checked:
            raise FieldError("Unit preset", title, "there is no unit to keep", fix="Add a unit first")
        file, data = self._file(title), {"name": title, "units": checked}
        if file.exists():
            files.to_trash(file, copy=True)
        files.write(file, json.dumps(data, indent=1, ensure_ascii=False) + "\n")

    def forget(self, name: str) -> None:
        """Move an own preset to `.trash/`. Raises FieldError for a name that is none or a shipped one, StorageError."""
        self.get(name)
        file = self._file(name)
        if not file.is_file():
            raise FieldError("Unit preset", name, "it belongs to the studio and stays")
        files.to_trash(file)

    def _file(self, title: str) -> Path:
        return self._folders[-1] / f"{stem(title)}.json"

    def _read(self) -> dict[str, list[dict[str, Any]]]:
        found = {}
        for file in (file for folder in self._folders for file in sorted(folder.glob("*.json"))):
            try:
                if file.stat().st_size <= LIMIT:
                    data = json.loads(file.read_text(encoding="utf-8"))
                    found[display(data["name"])] = _checked(data["units"])
            except (OSError, ValueError, KeyError, TypeError, RecursionError, StudioError):
                continue
        return found


def _checked(units: Any) -> list[dict[str, Any]]:
    """The units without pictures, each field in its range. Raises FieldError, RequestError."""
    if not isinstance(units, (list, tuple)) or not all(isinstance(unit, Mapping) for unit in units):
        raise FieldError("Unit preset", units, "not a list of units")
    bare = [{key: value for key, value in unit.items() if key not in PICTURES} for unit in units]
    return [unit.model_dump(exclude=set(PICTURES)) for unit in GenerationRequest.parse({"control": bare}).control]
