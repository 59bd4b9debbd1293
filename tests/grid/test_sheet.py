"""The sheet, the page and the table of a grid, from pictures painted by the test."""

from __future__ import annotations

import csv
import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines import contact_sheet
from pipelines.grid import Grid
from pipelines.grid.estimate import estimate
from pipelines.metadata import read
from pipelines.spec.request import GenerationRequest
from tests.grid.test_axes import KINDS

BASE = GenerationRequest(prompt="a car", seed=5, steps=4, width=64, height=64)


def grid(**axes: str) -> Grid:
    return Grid.of(BASE, [KINDS[key].axis(text, BASE) for key, text in axes.items()])


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{n}.png" for n in range(4)]
    for n, path in enumerate(paths):
        Image.new("RGB", (64, 64), (60 * n, 10, 200)).save(path)
    return paths


def test_every_cell_lies_in_its_place_and_a_missing_one_is_grey(files: list[Path]) -> None:
    made, out = grid(seed="1-2", steps="1-2"), io.BytesIO()
    assert contact_sheet.draw(made, lambda i: files[i] if i != 3 else None, out) == ""
    sheet = np.asarray(Image.open(out))
    layout = contact_sheet.Layout(made)
    middle = [(layout.head + 32 + 64 * y, layout.left + 32 + 64 * x) for y in (0, 1) for x in (0, 1)]
    assert [tuple(sheet[at]) for at in middle] == [(0, 10, 200), (60, 10, 200), (120, 10, 200), contact_sheet.GREY]
    assert (sheet[: layout.head] < 100).any(), "the legend is drawn"


def test_the_sheet_says_what_its_cells_have_in_common_and_how_they_differ() -> None:
    out = io.BytesIO()
    contact_sheet.draw(grid(prompt_sr='car, "cat, чорний"', seed="1-2"), lambda i: None, out)
    found = read(out.getvalue())
    assert found.full == BASE and found.made["X Values"] == 'car, "cat, чорний"'
    assert 'Script: X/Y/Z plot, X Type: Prompt S/R, X Values: "car, \\"cat, чорний\\"", Y Type: Seed' in found.infotext


def test_a_hundred_by_hundred_saves_in_the_memory_of_a_row(files: list[Path]) -> None:
    made, out = grid(steps="1-100", seed="1-100"), io.BytesIO()
    small = files[0]
    Image.new("RGB", (8, 8)).save(small)
    tracemalloc.start()
    note = contact_sheet.draw(made, lambda i: small if i % 50 == 0 else None, out, most_pixels=4_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    picture = Image.open(out)
    assert picture.width * picture.height <= 4_000_000 and "scaled" in note and peak < 40e6


def test_three_axes_are_sheets_one_below_another(files: list[Path]) -> None:
    out = io.BytesIO()
    contact_sheet.draw(grid(seed="1-2", steps="1", cfg_scale="2, 3"), lambda i: files[i], out)
    picture = Image.open(out)
    layout = contact_sheet.Layout(grid(seed="1-2", steps="1", cfg_scale="2, 3"))
    assert picture.size == (layout.width, layout.sheet_height * 2)


def test_the_page_holds_everything_and_text_stays_text(files: list[Path]) -> None:
    out = io.BytesIO()
    contact_sheet.page(grid(prompt="\"<script>alert(1)</script>\", b"), lambda i: files[i], out)
    text = out.getvalue().decode()
    assert text.count("data:image/jpeg") == 2 and "<script>alert" not in text and "http" not in text


def test_the_table_has_a_row_a_cell_and_no_formulas(files: list[Path]) -> None:
    out = io.BytesIO()
    contact_sheet.table(grid(prompt="=1+1, b, c"), lambda i: files[0] if i < 2 else None, out, {2: "@failed"})
    rows = list(csv.reader(io.StringIO(out.getvalue().decode())))
    assert rows[0] == ["cell", "Prompt", "file", "PSNR to first cell, dB", "error"]
    assert rows[1:] == [["0", "'=1+1", "0.png", "same", ""], ["1", "b", "0.png", "same", ""], ["2", "c", "", "", "'@failed"]]


def test_scores_are_columns_of_the_table_and_lines_of_the_page(files: list[Path]) -> None:
    out, web = io.BytesIO(), io.BytesIO()
    scores = {"Seconds": {0: 1.234567, 1: 2.0}, "Aesthetic": {1: 6.5}}
    contact_sheet.table(grid(seed="1-2"), lambda i: files[i], out, {}, scores)
    rows = list(csv.DictReader(io.StringIO(out.getvalue().decode())))
    assert [(r["Seconds"], r["Aesthetic"]) for r in rows] == [("1.235", ""), ("2", "6.5")]
    contact_sheet.page(grid(seed="1-2"), lambda i: files[i], web, scores)
    assert "<small>Seconds 2 · Aesthetic 6.5</small>" in web.getvalue().decode()


def test_psnr_is_that_of_the_formula() -> None:
    black, grey = Image.new("RGB", (8, 8)), Image.new("RGB", (8, 8), (5, 5, 5))
    assert contact_sheet.likeness(black, grey) == f"{10 * np.log10(255 ** 2 / 25):.2f}"


def test_time_and_room_are_expected_from_past_pictures() -> None:
    made = grid(steps="2, 4", seed="1-3")
    guess = estimate(made, lambda cell: cell.steps * 0.5, [(BASE, 6400)])
    assert guess.cells == 6 and guess.seconds == pytest.approx(3 * (2 + 4) * 0.5) and guess.bytes == 6 * 6400
    assert estimate(made, lambda _: None, []).seconds is None
