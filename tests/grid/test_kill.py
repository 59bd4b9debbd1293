"""A grid in the queue of a real studio, killed twice with -9 while it paints: it goes on with what is missing."""

from __future__ import annotations

from collections.abc import Callable


def test_a_grid_killed_twice_ends_complete_and_no_cell_is_made_twice(resumed: Callable[..., list[int]]) -> None:
    submit = 'experiments.submit(studio, experiments.grid_of(studio, base, [("cfg_scale", "1-6"), ("seed", "1-3")], exact=True))'
    resumed("experiments", submit, 18, (3, 9))
