"""Ready-made experiments: axes with their values, and what is painted where the form says nothing. YAML in presets/."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

SHIPPED = Path(__file__).resolve().parents[2] / "presets" / "experiments"
PROMPT = "a red car, in the snow"       # in the words of the embedded model


@dataclass(frozen=True)
class Ready:
    """name: its word is `ready_<name>`.   axes: (key, values), up to three; "" asks for the axis' own suggestion.

    base: the tab it starts from.   start: picture for a base that has none, or None.   figures: of the study.
    request: what an empty field is filled with.   fixed: what it sets whatever the form says.
    """

    name: str
    axes: tuple[tuple[str, str], ...]
    base: str = "txt2img"
    start: Path | None = None
    figures: str = ""
    request: dict[str, Any] = field(default_factory=lambda: {"prompt": PROMPT}, hash=False)
    fixed: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def word(self) -> str:
        return f"ready_{self.name}"


@lru_cache(maxsize=4)
def ready(folder: Path = SHIPPED) -> tuple[Ready, ...]:
    """Those of `ready.yaml` in `folder`, in its order. Raises OSError, KeyError, ValueError: the file is part of the studio."""
    rows = yaml.safe_load((folder / "ready.yaml").read_text(encoding="utf-8"))
    return tuple(Ready(row["name"], tuple((str(key), str(text)) for key, text in (row[s] for s in "xyz" if s in row)),
                       row.get("base", "txt2img"), folder / row["start"] if "start" in row else None, row.get("figures", ""),
                       row.get("request", {"prompt": PROMPT}), row.get("set", {})) for row in rows)
