"""What has been understood of a body so far: values checked by the request's own declarations, refusals with their addresses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pipelines.api.fields import NUMBERED, ROWS, SPOKEN
from pipelines.api.pictures import decoded
from pipelines.metadata import open_image
from pipelines.spec.errors import FieldError, RequestError, StorageError, StudioError, shown
from pipelines.spec.geometry import Size

Where = tuple[str | int, ...]       # the address of a field in a body
UNITS_AT: Where = ("alwayson_scripts", "controlnet", "args")


class BadBody(StudioError):
    """Fields refused. refusals: (where, line)."""

    def __init__(self, refusals: Iterable[tuple[Where, str]]) -> None:
        self.refusals = tuple(refusals)
        super().__init__("\n".join(line for _, line in self.refusals))


class Sent(NamedTuple):
    """A picture of a body. `place[name]` will be the name it is kept by."""

    place: dict[str, Any]
    name: str
    data: bytes
    size: Size


@dataclass
class Reading:
    """values: of the request, by path.   control: its units, with `numbers` as their places in the body.

    pictures: looked at, not kept yet; only their bytes, as many of them unpacked would fill the memory.   kept: names of those
    of the request itself, by path, once they are.
    where: label of a field -> its address in the body.   ignored: fields that would have done something there.
    """

    values: dict[str, Any] = field(default_factory=dict)
    control: list[dict[str, Any]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    pictures: list[Sent] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)
    where: dict[str, Where] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    refusals: list[tuple[Where, str]] = field(default_factory=list)

    @contextmanager
    def at(self, *where: str | int) -> Iterator[None]:
        """What is refused inside is a refusal of the field at that address. A disk that refuses is nobody's field."""
        try:
            yield
        except StorageError:
            raise
        except StudioError as error:
            errors = error.errors if isinstance(error, RequestError) else (error,)
            self.refusals += [(where, str(one)) for one in errors]

    def take(self, path: str, value: Any, *where: str | int) -> None:
        """One field of the request; nothing and "" leave it as it is."""
        label, given = ROWS[path].param.label, value is not None and value != ""
        if given or label not in self.where:
            self.where[label] = where
        if given:
            with self.at(*where):
                self.values[path] = checked(path, value)

    def picture(self, place: dict[str, Any], name: str, value: Any, *where: str | int) -> None:
        """A picture whose name will be `place[name]`."""
        with self.at(*where):
            key = next(str(part) for part in reversed(where) if isinstance(part, str))
            data = decoded(value, key)
            self.pictures.append(Sent(place, name, data, Size(*open_image(data, name=key).size)))

    def flag(self, body: Mapping[str, Any], key: str, default: bool = False) -> bool:
        value = body.get(key)
        if value is None or isinstance(value, bool) or value in (0, 1):
            return default if value is None else bool(value)
        with self.at(key):
            raise FieldError(key, value, "neither true nor false", "true, false")
        return default

    def object(self, body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        """An object, {} where there is none; PHP writes an empty one as []."""
        value = body.get(key)
        if not value or isinstance(value, Mapping):
            return value or {}
        with self.at(key):
            raise FieldError(key, value, "not an object")
        return {}

    def check(self) -> None:
        """Raises BadBody when anything was refused."""
        if self.refusals:
            raise BadBody(self.refusals)

    def placed(self, error: StudioError) -> BadBody:
        """What the studio refuses of the whole request, at the fields of the body it came from."""
        errors = error.errors if isinstance(error, RequestError) else (error,)
        return BadBody((self._where(one), str(one)) for one in errors)

    def _where(self, error: StudioError) -> Where:
        label = error.field if isinstance(error, FieldError) else ""
        unit = label.rpartition(" of unit ")[2]
        if unit.isdigit():
            return (*UNITS_AT, self.numbers[int(unit) - 1])
        return self.where.get("Prompt" if label == "LoRA" else label, ())


def checked(path: str, value: Any) -> Any:
    """`value` as that field of a request takes it: their numbers and words in ours. Raises FieldError."""
    row = ROWS[path]
    names = NUMBERED.get(path)
    if names and isinstance(value, int):        # a bool too: inpaint_full_res
        if not 0 <= value < len(names):
            raise FieldError(row.param.label, value, "no such choice", f"0-{len(names) - 1} ({', '.join(names)})")
        value = names[value]
    elif isinstance(value, str):
        value = SPOKEN.get(path, {}).get(value.strip().lower(), value)
    elif row.kind is bool and value in (0, 1):
        value = bool(value)
    return row.param.check(value, row.kind)


def named(key: object) -> str:
    """A key of a body as it may stand in an answer."""
    return shown(str(key), 60)
