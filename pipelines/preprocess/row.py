"""What one preprocessor says of itself: name, control type, own parameters, weights. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.spec.errors import FieldError, ModelFileError
from pipelines.spec.param import Param

FOLDER = "models/annotators"


@dataclass(frozen=True)
class Weight:
    """A file of weights, or a folder with `config.json` and `model.safetensors` (then `file` has no suffix).

    megabytes: about, so that one knows what to expect.   licence: as its authors state it.   source: who publishes it.
    """

    file: str
    megabytes: int
    licence: str
    source: str

    @property
    def is_folder(self) -> bool:
        return "." not in self.file

    def wanted(self) -> str:
        """Which file goes where, and under which licence."""
        what = f"the folder {self.file} (config.json, model.safetensors)" if self.is_folder else self.file
        return f"Put {what} (about {self.megabytes} MB, {self.source}) into {FOLDER}. Licence: {self.licence}."


@dataclass(frozen=True)
class Option:
    """One parameter of a preprocessor. The first is A1111's "Threshold A", the second its "Threshold B"."""

    key: str
    param: Param
    kind: type
    default: Any


@dataclass(frozen=True)
class Preprocessor:
    """One row.

    name, aliases: as in sd-webui-controlnet.   control: its control type.   how: which function or network runs it, with
    `fixed` as arguments.   detects: it looks at the picture at the chosen resolution; otherwise at the picture's own size.
    seeks: what it looks for may be absent ("edges"); then there is no condition. "" where any result is one.
    """

    name: str
    title: str
    control: str
    how: str
    options: tuple[Option, ...] = ()
    weights: tuple[Weight, ...] = ()
    fixed: Mapping[str, Any] | None = None
    detects: bool = True
    seeks: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def finds_people(self) -> bool:
        """Its result is key points, which are then drawn."""
        return self.control == "OpenPose"

    def values(self, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Every option with its checked value. Raises FieldError for a value out of range and an option it has not."""
        given = dict(given or {})
        result = {option.key: option.param.check(given.pop(option.key, option.default), option.kind) for option in self.options}
        for key in given:
            raise FieldError(f"Parameter of {self.name}", key, "it has no such parameter",
                             ", ".join(option.key for option in self.options) or "none")
        return result

    def missing(self, weight: Weight) -> ModelFileError:
        """The error for a weight that is not on disk. Nothing is ever downloaded."""
        return ModelFileError(weight.file, f"{self.name} needs it and it is not there; nothing is downloaded", weight.wanted())

    def nothing_found(self) -> FieldError:
        """The error for a condition that would be empty."""
        fix = "Lower its thresholds, raise the resolution, or choose another picture" if self.options else \
            "Choose another picture or another preprocessor"
        return FieldError("Preprocessor", self.name, f"found no {self.seeks} in this picture, the condition would be empty",
                          fix=fix)
