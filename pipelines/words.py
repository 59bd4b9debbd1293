"""The words of the page in the user's language. A missing translation falls back to English; nothing raises at run time.

The English of a field is its own declaration in `spec/request.py`; `presets/words/uk.yaml` translates it under `fields`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from pipelines.spec.param import declared
from pipelines.spec.request import GenerationRequest

SHIPPED = Path(__file__).resolve().parent.parent / "presets" / "words"
LANGUAGES: Mapping[str, str] = MappingProxyType({"en": "English", "uk": "Українська"})
log = logging.getLogger(__name__)


class Words:
    """`words("generate")` is that text; `words("picture_of", index=1, count=4)` fills its gaps."""

    def __init__(self, language: str = "en", folder: Path = SHIPPED) -> None:
        self.language = language if language in LANGUAGES else "en"
        self.folder = folder

    def __call__(self, key: str, **values: Any) -> str:
        """The text of `key`; its English where it is not translated, the key made readable where there is none."""
        text = self._own["words"].get(key) or self._english["words"].get(key) or key.replace("_", " ").capitalize()
        try:
            return text.format_map(values) if values else text
        except (KeyError, IndexError, ValueError):
            return text

    def label(self, path: str, english: str = "") -> str:
        """The label of a request's field by its path ("variation.seed")."""
        return self._field(path, "label") or english or self._declared.get(path, (path, ""))[0]

    def help(self, path: str, english: str = "") -> str:
        """One sentence on what the field does."""
        return self._field(path, "help") or english or self._declared.get(path, (path, ""))[1]

    def group(self, name: str) -> str:
        """The title of a group of fields ("sampling")."""
        return self(f"group_{name}")

    def names(self) -> list[str]:
        """Every key that has a text."""
        return list(self._english["words"])

    def _field(self, path: str, part: str) -> str:
        return str((self._own["fields"].get(path) or {}).get(part, ""))

    @cached_property
    def _declared(self) -> dict[str, tuple[str, str]]:
        return {d.path: (d.param.label, d.param.help) for d in declared(GenerationRequest)}

    @cached_property
    def _english(self) -> dict[str, dict[str, Any]]:
        return catalogue(self.folder / "en.yaml")

    @cached_property
    def _own(self) -> dict[str, dict[str, Any]]:
        return self._english if self.language == "en" else catalogue(self.folder / f"{self.language}.yaml")


def catalogue(file: Path) -> dict[str, dict[str, Any]]:
    """The tables `words` and `fields` of one language; empty ones where the file is missing or broken (and logged)."""
    try:
        # libyaml where the wheel has it: five times as quick, and every start waits for it
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        data = yaml.load(file.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - both are safe loaders
        found = {table: data.get(table) or {} for table in ("words", "fields")}
        if all(isinstance(table, dict) for table in found.values()):
            return found
        log.warning("words: %s holds no tables", file.name)
    except (OSError, yaml.YAMLError, UnicodeDecodeError, AttributeError) as error:
        log.warning("words: %s cannot be read (%s)", file.name, type(error).__name__)
    return {"words": {}, "fields": {}}
