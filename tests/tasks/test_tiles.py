"""Tile plans by their properties: everything covered, joined without a step, windows inside, and what seams score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipelines.families.mini import MINI
from pipelines.families.sd15 import SD15
from pipelines.spec.geometry import Size
from pipelines.spec.parts import SEAM_FIXES, TILE_ORDERS, TILINGS, Tiled
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.tiles import Quilt, borders, calls, jobs, narrow, padded, plan, seam_score, soft, weights, windows

SIZES = st.builds(Size, st.integers(1, 900), st.integers(1, 900))
PARTS = st.builds(Tiled, method=st.sampled_from(TILINGS), order=st.sampled_from(TILE_ORDERS), seam_fix=st.sampled_from(SEAM_FIXES),
                  padding=st.integers(0, 32).map(lambda n: n * 8), seam_width=st.integers(1, 32).map(lambda n: n * 8))
TILES = st.integers(1, 20).map(lambda n: n * 16)


def test_twice_as_large_with_sd15_makes_the_studys_four_tiles() -> None:
    study = plan(Size(512, 512), Tiled(method="Separate", scale=2, padding=32), SD15)
    assert [job.own.box for job in study] == [(0, 0, 512, 512), (512, 0, 1024, 512), (0, 512, 512, 1024), (512, 512, 1024, 1024)]
    assert {(job.window.width, job.window.height) for job in study} == {(576, 576)}


@pytest.mark.parametrize(("tiled", "line"), [
    ({"tile": 256, "padding": 128}, "Tile padding: 128 - neighbours would share 256 of the 256 pixels of a tile. Allowed: 0-96"),
    ({"padding": 256}, "share 512 of the 512 pixels"), ({"tile": 64, "padding": 32, "method": "Feathered"}, "Allowed: 0-24 with"),
    ({"tile": 8, "padding": 8}, "Allowed: 0 with"), ({"tile": 256, "padding": 96}, ""), ({}, ""),
    ({"tile": 64, "padding": 256, "method": "Separate"}, ""),
])
def test_tiles_that_are_smaller_than_what_they_share_are_refused(tiled: dict, line: str) -> None:      # faults.md A14
    refused = narrow(Tiled(**tiled), SD15)
    assert line in str(refused) if line else refused is None


@given(st.integers(8, 128).map(lambda n: n * 8), st.integers(0, 32).map(lambda n: n * 8))
def test_tiles_that_are_not_refused_are_never_many_more_than_cover_the_picture(tile: int, padding: int) -> None:
    wanted = Tiled(tile=tile, padding=padding)
    if narrow(wanted, SD15) is None:
        assert len(plan(Size(512, 512), wanted, SD15)) <= (1024 // (tile // 5) + 1) ** 2


@settings(max_examples=60, deadline=None)
@given(SIZES, PARTS, TILES)
def test_every_pixel_is_in_the_own_part_of_a_window_and_every_window_in_the_picture(first: Size, tiled: Tiled, tile: int) -> None:
    size = padded(first, 16)
    covered = np.zeros((size.height, size.width), bool)
    for job in jobs(size, tiled, tile, 16):
        window, own = job.window, job.own
        assert 0 <= window.left <= own.left < own.right <= window.right <= size.width
        assert 0 <= window.top <= own.top < own.bottom <= window.bottom <= size.height
        assert all(edge % 16 == 0 for edge in window)
        covered[own.top:own.bottom, own.left:own.right] |= not job.seam
    assert covered.all()


@settings(max_examples=40, deadline=None)
@given(SIZES, TILES, st.integers(0, 300))
def test_an_identity_model_gives_the_picture_back_by_weights_and_by_pixels(first: Size, tile: int, overlap: int) -> None:
    size = padded(first, 16)
    picture = Image.effect_noise(size, 90).convert("RGB")
    cells = windows(size, tile, overlap, 16)
    canvas = Image.new("RGB", size)
    quilt, total, shares = Quilt(canvas, cells), np.zeros(size[::-1]), np.zeros(size[::-1])
    for cell in cells:
        quilt.lay(cell, picture.crop(cell.box))
        here, share = (slice(cell.top, cell.bottom), slice(cell.left, cell.right)), weights(cell, cells, size)
        total[here] += np.asarray(picture.crop(cell.box).getchannel(0)) * share
        shares[here] += share
    assert shares.min() > 0 and np.allclose(total / shares, np.asarray(picture.getchannel(0)), atol=1e-3)
    assert np.array_equal(np.asarray(canvas), np.asarray(picture))


def test_where_four_windows_of_other_tones_meet_there_is_no_step() -> None:
    cells = windows(Size(512, 512), 256, 64, 16)
    canvas = Image.new("RGB", (512, 512))
    quilt = Quilt(canvas, cells)
    for number, cell in enumerate(cells):
        quilt.lay(cell, Image.new("RGB", (cell.width, cell.height), (number * 25,) * 3))
    seen = np.asarray(canvas.getchannel(0)).astype(int)
    assert max(np.abs(np.diff(seen, axis=0)).max(), np.abs(np.diff(seen, axis=1)).max()) <= 3


@pytest.mark.parametrize(("fix", "count"), [
    ("None", 6), ("Band", 6 + 7), ("Half tile", 6 + 7), ("Half tile + intersections", 6 + 9)])
def test_the_second_round_visits_every_border(fix: str, count: int) -> None:
    found = jobs(Size(768, 512), Tiled(method="Separate", seam_fix=fix), 256, 16)
    assert len(found) == count and [j.seam for j in found] == [False] * 6 + [True] * (count - 6)
    for job in found:
        mask = np.asarray(soft(job, 8))
        assert mask.shape == (job.window.height, job.window.width) and mask.max() > 250


def test_chess_paints_one_colour_first() -> None:
    found = jobs(Size(768, 512), Tiled(method="Separate", order="Chess"), 256, 16)
    assert [(j.own.left // 256 + j.own.top // 256) % 2 for j in found] == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("step", [1, 16])
def test_a_seam_is_seen_and_none_is_seen_where_none_is(step: int) -> None:
    grain = np.random.default_rng(0).integers(0, 20, (512, 400)).astype(np.uint8)
    down, across = grain.copy(), grain.copy()
    down[:, 256:] += 60
    across[256:] += 60
    plain, *bad = (Image.fromarray(p).convert("RGB") for p in (grain, down, across))
    assert seam_score(plain, [256], [256], step) == pytest.approx(1, abs=0.15) and seam_score(plain, [], [], step) == 1
    assert all(seam_score(picture, [256], [256], step) > 5 for picture in bad)


def test_what_is_rough_on_all_of_its_grid_has_no_seams() -> None:
    grid = np.zeros((512, 512), np.uint8)
    grid[:, ::16] = grid[::16] = 90
    picture = Image.fromarray(grid).convert("RGB")
    assert seam_score(picture, [256], [256], 16) == pytest.approx(1) and seam_score(picture, [256], [256]) > 5


def test_borders_are_those_between_windows_only() -> None:
    size = Size(512, 256)
    assert borders(jobs(size, Tiled(method="Separate", seam_fix="Band"), 256, 16), size) == ([256], [])
    assert borders(jobs(size, Tiled(method="Feathered"), 256, 16), size) == ([128, 256, 384], [])


@pytest.mark.parametrize(("fields", "count"), [
    ({"method": "Separate"}, 4 * 6), ({"method": "Separate", "seam_fix": "Half tile"}, 4 * 6 + 4 * 7), ({}, 9 * 6),
], ids=["four tiles", "and their seams", "overlapping windows"])
def test_calls_of_the_model_are_known_before(fields: dict, count: int) -> None:
    request = GenerationRequest.parse({"steps": 20, "sampler": "Euler", "tiled": fields,
                                       "init": {"image": "a" * 64, "denoising_strength": 0.3}})
    assert calls(request, Size(256, 256), MINI) == count
