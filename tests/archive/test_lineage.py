"""What was made from what: noted when a picture is kept, found in both directions, and never an endless walk."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from pipelines.archive import Archive, Item
from pipelines.archive.inputs import Inputs
from pipelines.archive.lineage import MOST, Lineage, Node


@pytest.fixture
def inputs(archive: Archive) -> Inputs:
    return Inputs(archive.root)


@pytest.fixture
def lineage(archive: Archive, inputs: Inputs) -> Lineage:
    return Lineage(archive, inputs)


@pytest.fixture
def made_from(archive: Archive, inputs: Inputs, lineage: Lineage, save: Callable[..., Item]) -> Callable[..., str]:
    """A picture started from another one; returns its file. Each has pixels of its own."""
    count = iter(range(1000))

    def make(file: str | None) -> str:
        number = next(count)
        kept = inputs.keep(Image.new("RGB", (8, 8), (number % 256, number // 256, 0)))
        if file is not None:
            lineage.note(kept, archive.root / file)
        return save(seed=number, init={"image": kept}).file

    return make


def files(node: Node) -> list[object]:
    """A tree as nested lists: [file, child, child …]."""
    return [node.file, *map(files, node.made)]


def test_a_tree_is_found_from_every_one_of_its_pictures(lineage: Lineage, save, made_from) -> None:
    first = save().file
    second, third = made_from(first), made_from(first)
    fourth = made_from(second)
    tree = [first, [second, [fourth]], [third]]
    assert [files(lineage.tree(f)) for f in (first, second, third, fourth)] == [tree] * 4
    alone = save(seed=99).file
    assert files(lineage.tree(alone)) == [alone]


def test_a_picture_from_elsewhere_stands_above_what_was_made_of_it(lineage: Lineage, archive: Archive, inputs, save) -> None:
    kept = inputs.keep(Image.new("RGB", (8, 8)))
    one, two = (save(seed=n, init={"image": kept}).file for n in (1, 2))
    top = lineage.tree(two)
    assert files(top) == ["", [one], [two]] and (top.kept, top.there) == (kept, True)
    inputs.path(kept).unlink()
    assert not lineage.tree(one).there


def test_what_was_thrown_away_is_named_and_marked(lineage: Lineage, archive: Archive, save, made_from) -> None:
    first = save().file
    second = made_from(first)
    archive.trash(first)
    top = lineage.tree(second)
    assert (top.file, top.there, top.made[0].file) == (first, False, second)


def test_circles_and_crowds_come_to_an_end(lineage: Lineage, archive: Archive, inputs: Inputs, save, made_from) -> None:
    kept = inputs.keep(Image.new("RGB", (9, 9)))
    own = save(init={"image": kept}).file
    lineage.note(kept, archive.root / own)                  # a file that says it was made from itself
    assert files(lineage.tree(own)) == [own]
    crowd = save(seed=3).file
    for _ in range(MOST + 5):
        made_from(crowd)
    assert len(lineage.tree(crowd).made) == MOST - 1


def test_notes_outlive_the_process_and_damage(lineage: Lineage, archive: Archive, inputs: Inputs, save, made_from) -> None:
    first = save().file
    second = made_from(first)
    with (inputs.folder / "origins.txt").open("ab") as lines:
        lines.write(b"\n\xff\xfe torn")
    third = made_from(second)
    assert files(Lineage(archive, inputs).tree(second)) == [first, [second, [third]]]
    lineage.note("e" * 64, "/somewhere/else.png")
    assert lineage.origin("e" * 64) == ""


def test_an_output_whose_name_is_no_utf8_is_not_written_down(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    lineage = Lineage(archive, Inputs(tmp_path))
    lineage.note("f" * 64, tmp_path / os.fsdecode(b"caf\xe9.png"))
    assert lineage.origin("f" * 64) == ""
