"""Tiles cover every pixel, share what they promise, and are as few as possible."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.spec.geometry import Size, Tile, starts, tile_plan


@st.composite
def plans(draw) -> tuple[Size, Size, int]:
    tile = Size(draw(st.integers(1, 90)), draw(st.integers(1, 90)))
    size = Size(draw(st.integers(1, 12 * tile.width)), draw(st.integers(1, 12 * tile.height)))
    return size, tile, draw(st.integers(0, min(tile) - 1))


@settings(deadline=None)
@given(plans())
def test_every_pixel_is_covered_and_no_tile_leaves_the_picture(plan):
    size, tile, overlap = plan
    covered = {(x, y) for t in tile_plan(size, tile, overlap) for x in (t.left, t.right - 1) for y in (t.top, t.bottom - 1)}
    assert all(0 <= x < size.width and 0 <= y < size.height for x, y in covered)
    for axis in (0, 1):
        length = min(tile[axis], size[axis])
        firsts = starts(size[axis], tile[axis], overlap)
        assert {p for first in firsts for p in range(first, first + length)} == set(range(size[axis]))


@settings(deadline=None)
@given(plans())
def test_neighbours_share_at_least_the_overlap_and_evenly(plan):
    size, tile, overlap = plan
    firsts = starts(size.width, tile.width, overlap)
    shared = [a + tile.width - b for a, b in zip(firsts, firsts[1:])]
    assert all(overlap <= s < tile.width for s in shared)
    assert not shared or max(shared) - min(shared) <= 1


@settings(deadline=None)
@given(plans())
def test_one_tile_fewer_would_not_do(plan):
    size, tile, overlap = plan
    count = len(starts(size.height, tile.height, overlap))
    assert count == 1 or (count - 1) * (tile.height - overlap) + overlap < size.height


@pytest.mark.parametrize(("size", "expected"), [
    (Size(1, 300), 3), (Size(128, 128), 1), (Size(129, 128), 2), (Size(1, 1), 1)],
    ids=["a strip of one pixel", "exactly one tile", "one pixel more", "one pixel"])
def test_counts_of_small_and_odd_pictures(size, expected):
    tiles = tile_plan(size, Size(128, 128), 32)
    assert len(tiles) == expected and tiles[0] == Tile(0, 0, min(128, size.width), min(128, size.height))


@pytest.mark.parametrize("overlap", [-1, 16, 20])
def test_an_overlap_that_leaves_no_step_is_refused(overlap):
    with pytest.raises(ValueError, match="cannot cover"):
        tile_plan(Size(64, 64), Size(16, 32), overlap)
