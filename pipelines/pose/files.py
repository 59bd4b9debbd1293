"""Shipped and own poses: OpenPose JSON files in `poses/` of the preset folders, with a title by language. Reads only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.pose.figure import Pose
from pipelines.pose.openpose import LIMIT, from_data
from pipelines.spec.errors import FieldError, unknown


@dataclass(frozen=True)
class PosePreset:
    """name: the file's stem.   title: texts by language.   order: place among the shipped ones."""

    name: str
    pose: Pose
    title: Mapping[str, str] = field(default_factory=dict)
    order: int = 0

    def shown(self, language: str = "en") -> str:
        return self.title.get(language) or self.title.get("en") or self.name


class Poses:
    """`folders`: preset folders (`Settings.preset_folders`); a later one's file hides an earlier one of the same name."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(folders)

    def list(self) -> Sequence[PosePreset]:
        """Every readable pose, in order, then by name. Broken files are named by `problems`."""
        return self._read()[0]

    def problems(self) -> Sequence[str]:
        return self._read()[1]

    def get(self, name: str) -> PosePreset:
        """By stem or by a title in any language. Raises FieldError naming the nearest."""
        wanted, found = str(name).strip().lower(), self.list()
        for preset in found:
            if wanted in (preset.name.lower(), *(t.lower() for t in preset.title.values())):
                return preset
        raise unknown("Pose", name, [p.name for p in found])

    def _read(self) -> tuple[Sequence[PosePreset], Sequence[str]]:
        found: dict[str, PosePreset] = {}
        problems = []
        for file in (file for folder in self.folders for file in sorted((folder / "poses").glob("*.json"))):
            try:
                found[file.stem] = _preset(file)
            except FieldError as error:
                problems.append(f"{file.name}: {error}")
        return sorted(found.values(), key=lambda p: (p.order or 10_000, p.name)), problems


def _preset(file: Path) -> PosePreset:
    try:
        if file.stat().st_size > LIMIT:
            raise FieldError("Pose", file.name, "it is larger than 4 MB")
        data: Any = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        raise FieldError("Pose", file.name, "cannot be read") from None
    about = data if isinstance(data, dict) else {}
    title, order = about.get("title"), about.get("order")
    texts = {str(k)[:10]: str(v)[:100] for k, v in title.items()} if isinstance(title, dict) else {}
    return PosePreset(file.stem, from_data(data), texts, order if isinstance(order, int) else 0)
