"""One picture of the archive as the gallery shows it, and what two of them differ in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.deep import Picture
from pipelines.spec.errors import StorageError
from pipelines.spec.param import declared
from pipelines.spec.request import GenerationRequest


@dataclass(frozen=True)
class Item:
    """`file` is relative to the outputs folder, with `/`; `made` is seconds since 1970; `request` is unchecked."""

    file: str
    made: float
    width: int
    height: int
    bytes: int
    source: str = ""                # the program that painted it
    request: dict[str, Any] = field(default_factory=dict, hash=False)
    favourite: bool = False
    trashed: bool = False

    @property
    def prompt(self) -> str:
        return str(self.request.get("prompt", ""))


class NotSaved(StorageError):
    """A finished picture that could not be written. It is here, with everything that made it."""

    def __init__(self, image: Picture, request: GenerationRequest | str, extra: Mapping[str, Any], why: str,
                 file: str = "") -> None:
        self.image, self.request, self.extra, self.why, self.file = image, request, dict(extra), why, file
        what = f"picture with seed {request.seed}" if isinstance(request, GenerationRequest) else "upscaled picture"
        super().__init__(f"Outputs: {what} - finished, not saved ({why}). "
                         "It is kept in memory: make room, then save it again.")


def difference(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """(label, value of the first, value of the second) for every declared field in which two requests differ."""
    rows = [(d.param.label, value_at(first, d.path), value_at(second, d.path)) for d in declared(GenerationRequest)]
    rows += [(label, first.get(key) or None, second.get(key) or None)
             for label, key in (("Model hash", "model_hash"), ("VAE hash", "vae_hash"))]
    return [row for row in rows if row[1] != row[2]]


def value_at(request: Mapping[str, Any], path: str) -> Any:
    """The value at a path such as "variation.seed"; None where a part is absent."""
    value: Any = request
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
