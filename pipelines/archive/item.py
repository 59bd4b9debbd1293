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
        self.what = f"picture with seed {request.seed}" if isinstance(request, GenerationRequest) else "upscaled picture"
        super().__init__(f"Outputs: {self.what} - finished, not saved ({why}). "
                         "It is kept in memory: make room, then save it again.")


def difference(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """(label, value of the first, value of the second) for every declared field in which two requests differ."""
    return [(label, *values) for label, values in differences(first, second)]


def differences(*requests: Mapping[str, Any]) -> list[tuple[str, list[Any]]]:
    """(label, value of each) for every declared field in which they are not all alike."""
    rows = [(d.param.label, [value_at(one, d.path) for one in requests]) for d in declared(GenerationRequest)]
    rows += [(label, [one.get(key) or None for one in requests])
             for label, key in (("Model hash", "model_hash"), ("VAE hash", "vae_hash"))]
    return [row for row in rows if any(value != row[1][0] for value in row[1])]


def value_at(request: Mapping[str, Any], path: str) -> Any:
    """The value at a path such as "variation.seed"; None where a part is absent."""
    value: Any = request
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
