"""A list of named rows that answers to aliases and says which names are near when one is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from pipelines.spec.errors import unknown


class Named(Protocol):
    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


class Registry(Generic[T]):
    """Rows by name; look-up ignores case. A row may have an attribute `aliases`, a tuple of other names."""

    def __init__(self, field: str, rows: Iterable[T] = ()) -> None:
        self.field = field
        self._rows: dict[str, T] = {}
        self._by_key: dict[str, T] = {}
        for row in rows:
            self.add(row)

    def add(self, row: T) -> T:
        """Add one row. Raises ValueError when its name or an alias is taken."""
        keys = [row.name, *getattr(row, "aliases", ())]
        for key in keys:
            other = self._by_key.setdefault(key.lower(), row)
            if other is not row:
                raise ValueError(f"{self.field}: the name {key!r} belongs to {other.name!r} already")
        self._rows[row.name] = row
        return row

    def get(self, name: str) -> T:
        """The row of that name or alias. Raises FieldError naming the three nearest."""
        row = self._by_key.get(str(name).strip().lower())
        if row is None:
            raise unknown(self.field, name, self._rows)
        return row

    def names(self) -> list[str]:
        return list(self._rows)

    def __contains__(self, name: object) -> bool:
        return str(name).strip().lower() in self._by_key

    def __iter__(self) -> Iterator[T]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)
