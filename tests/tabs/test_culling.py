"""Star and trash on the easel: they act on the picture that is looked at, and a picture thrown away comes back to its place."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from pipelines.archive import Archive
from pipelines.spec.request import GenerationRequest
from pipelines.words import Words
from tabs.culling import Culling
from tabs.form import toasting
from tabs.run import Runner


@pytest.fixture
def studio(tmp_path: Path) -> Any:
    return SimpleNamespace(archive=Archive(tmp_path), words=Words("en"))


@pytest.fixture
def culling(studio: Any) -> Culling:
    with gr.Blocks():
        return Culling(studio, "test")


@pytest.fixture
def shown(studio: Any) -> list[tuple[str, None]]:
    """Three pictures as the easel's gallery hands them to a handler."""
    image = Image.new("RGB", (32, 32))
    files = [studio.archive.save(image, GenerationRequest(seed=n), {}).file for n in range(3)]
    return [(str(studio.archive.open(file)), None) for file in files]


def names(gallery: gr.Gallery) -> list[str]:
    return [Path(entry["image"]["path"]).name if isinstance(entry, dict) else Path(entry).name for entry in gallery.value]


def test_the_star_of_the_chosen_picture_is_set_and_taken_away(culling: Culling, studio: Any, shown: Any) -> None:
    assert culling.star(shown, "").value.startswith("☆")
    assert culling.mark(shown, "00001-1.png").value.startswith("★")
    assert studio.archive.favourites.all() == {Path(shown[1][0]).relative_to(studio.archive.root).as_posix()}
    assert culling.star(shown, "00002-2.png").value.startswith("☆") and culling.star(shown, "00001-1.png").value.startswith("★")
    assert culling.mark(shown, "00001-1.png").value.startswith("☆") and not studio.archive.favourites.all()


def test_pictures_thrown_away_come_back_to_their_places_the_last_one_first(culling: Culling, studio: Any, shown: Any) -> None:
    gallery, looked_at, thrown, back = culling.throw(shown, "00001-1.png")
    assert names(gallery) == ["00000-0.png", "00002-2.png"] and gallery.selected_index == 1
    assert looked_at == "00002-2.png" and back.visible and studio.archive.count(trash=True) == 1
    gallery, looked_at, thrown, _ = culling.throw([shown[0], shown[2]], looked_at, thrown)
    assert names(gallery) == ["00000-0.png"] and looked_at == "00000-0.png"
    gallery, looked_at, thrown, back = culling.bring_back([shown[0]], thrown)
    assert names(gallery) == ["00000-0.png", "00002-2.png"] and looked_at == "00002-2.png" and back.visible
    gallery, looked_at, thrown, back = culling.bring_back([shown[0], shown[2]], thrown)
    assert names(gallery) == ["00000-0.png", "00001-1.png", "00002-2.png"] and gallery.selected_index == 1
    assert not back.visible and studio.archive.count() == 3


def test_without_a_picture_there_is_nothing_to_do_and_the_last_one_leaves_an_empty_easel(culling: Culling, shown: Any) -> None:
    assert culling.star(None, "").value.startswith("☆")
    with pytest.raises(gr.Error, match="no picture yet"):
        toasting(culling.throw)([], "")
    gallery, looked_at, _, back = culling.throw(shown[:1], "")
    assert not gallery.visible and not looked_at and back.visible


def test_the_easel_goes_on_without_pictures_that_were_thrown_away(studio: Any, shown: Any) -> None:
    files = [Path(path).relative_to(studio.archive.root).as_posix() for path, _ in shown]
    studio.archive.trash(files[1])
    runner = Runner.__new__(Runner)
    runner._studio = studio
    assert [Path(view).name for view in runner._views(files)] == ["00000-0.png", "00002-2.png"]
