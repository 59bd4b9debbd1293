"""A registry answers to names and aliases in any case, and two rows never share one."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pipelines.spec.errors import FieldError
from pipelines.spec.geometry import Size, snap
from pipelines.spec.registry import Registry


@dataclass(frozen=True)
class Row:
    name: str
    aliases: tuple[str, ...] = ()


def test_a_row_answers_to_its_names_in_any_case() -> None:
    row = Row("Euler a", ("k_euler_a",))
    registry = Registry("Sampler", [row])
    assert registry.get("EULER A") is registry.get(" k_euler_a ") is row
    assert "euler a" in registry and "Heun" not in registry


def test_a_missing_name_is_refused_with_what_is_near() -> None:
    with pytest.raises(FieldError, match=r"Sampler: Hein - not found. Allowed: Heun"):
        Registry("Sampler", [Row("Heun"), Row("LMS")]).get("Hein")


def test_two_rows_cannot_share_a_name() -> None:
    with pytest.raises(ValueError, match="belongs to 'Euler'"):
        Registry("Sampler", [Row("Euler", ("k",)), Row("Heun", ("K",))])


@pytest.mark.parametrize(("value", "step", "nearest"), [(513, 8, 512), (517, 8, 520), (516, 8, 512), (3, 8, 8), (264, 16, 256)])
def test_snapping_goes_to_the_nearest_multiple(value: int, step: int, nearest: int) -> None:
    assert snap(value, step) == nearest
    assert Size(value, value).snapped(step) == (nearest, nearest)
