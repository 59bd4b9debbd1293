"""What a LoRA says of itself, for its card: trigger words, base model, preferred weight, preview. No torch.

From the file's header, and from what lies beside it: AUTOMATIC1111's `<name>.json`, Civitai's `<name>.civitai.info`, and a
picture `<name>.preview.png`. Files of strangers: bounded, and shown as text.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.loading.header import read_header
from pipelines.loading.loras import FAMILY_OF_WIDTH, lora_width
from pipelines.loading.model_file import ModelFile
from pipelines.spec.errors import ModelFileError

SIDE_CAR_LIMIT = 2**20
PREVIEWS = (".preview.png", ".preview.jpg", ".preview.webp", ".preview.jpeg", ".png", ".jpg", ".webp", ".jpeg")
MOST_TAGS = 12


@dataclass(frozen=True)
class LoraCard:
    """`triggers` are words to put into the prompt; `tags` the commonest words it was trained with; `weight` is advised."""

    name: str
    base: str = ""
    triggers: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    weight: float = 1.0
    notes: str = ""
    preview: Path | None = None
    problem: str = ""

    @property
    def tag(self) -> str:
        """What goes into the prompt."""
        return f"<lora:{self.name}:{self.weight:g}>"


def card(file: ModelFile) -> LoraCard:
    """Never raises: a file that cannot be read has a `problem`."""
    try:
        header = read_header(file.path, file.name)
    except ModelFileError as error:
        return LoraCard(file.name, problem=error.why)
    user, civitai = _json(file.path.with_suffix(".json")), _json(file.path.with_suffix(".civitai.info"))
    metadata = header.metadata
    triggers = _words(user.get("activation text")) or _words(civitai.get("trainedWords")) or _words(
        metadata.get("modelspec.trigger_phrase"))
    base = FAMILY_OF_WIDTH.get(lora_width(header)) or _text(user.get("sd version")) or _text(civitai.get("baseModel"))
    weight = user.get("preferred weight")
    usable = isinstance(weight, (int, float)) and not isinstance(weight, bool) and 0 < abs(weight) <= 10
    return LoraCard(file.name, base, triggers, _frequent(metadata.get("ss_tag_frequency", "")),
                    float(weight) if usable and isinstance(weight, (int, float)) else 1.0,
                    _note(user), _preview(file.path))


def note_beside(file: ModelFile) -> str:
    """What AUTOMATIC1111's `<name>.json` beside a checkpoint notes of it; "" without one."""
    return "" if file.is_folder else _note(_json(file.path.with_suffix(".json")))


def _note(user: Mapping[str, Any]) -> str:
    return _text(user.get("notes")) or _text(user.get("description"))


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > SIDE_CAR_LIMIT:
            return {}
        data = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _text(value: object) -> str:
    return value.strip()[:2000] if isinstance(value, str) else ""


def _words(value: object) -> tuple[str, ...]:
    """A list of texts, or one text with commas."""
    texts = value if isinstance(value, list) else _text(value).split(",")
    return tuple(text for text in map(_text, texts[:100]) if text)


def _frequent(text: str) -> tuple[str, ...]:
    """The commonest tags of kohya's `{"folder": {"tag": count}}`."""
    try:
        folders = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    counts: dict[str, int] = {}
    for tags in folders.values() if isinstance(folders, Mapping) else ():
        for tag, count in tags.items() if isinstance(tags, Mapping) else ():
            if isinstance(count, int):
                counts[_text(tag)] = counts.get(_text(tag), 0) + count
    return tuple(sorted(counts, key=lambda tag: (-counts[tag], tag))[:MOST_TAGS])


def _preview(path: Path) -> Path | None:
    return next((beside for suffix in PREVIEWS if os.path.isfile(beside := path.with_suffix(suffix))), None)
