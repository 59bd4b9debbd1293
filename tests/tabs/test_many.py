"""The fold of several pictures: what is taken from the page, and what a page that others reach may not ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from extensions.hooks import Hooks
from pipelines import settings
from pipelines.batch import Batch
from pipelines.spec.errors import FieldError
from pipelines.studio import Studio
from tabs import inpaint, many, shell
from tabs.many import Many


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    made = Studio.open(settings.checked({"data_dir": tmp_path / "home"}), Hooks())
    yield made
    made.close()


@pytest.fixture
def fold(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> Many:
    """That of the inpaint tab of a whole page, whose queue waits."""
    found: list[Many] = []
    monkeypatch.setattr(inpaint, "Many", lambda *args: found.append(many.Many(*args)) or found[0])
    shell.build(studio)
    studio.queue.pause()
    return found[0]


def typed(fold: Many, **given: object) -> dict:
    """The page as it opens, with these of the fold's own fields filled in (files, folder, masks, mask_folder)."""
    whole = {*fold._bench.form.inputs, *fold._canvas.inputs, fold._files, fold._folder, fold._masks, fold._mask_folder}
    return {**{c: getattr(c, "value", None) for c in whole}, fold._own_size: True,
            **{getattr(fold, f"_{name}"): value for name, value in given.items()}}


def picture(path: Path, colour: str = "teal") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 64), colour).save(path)
    return str(path)


def test_uploads_and_their_masks_become_one_job(fold: Many, studio: Studio, tmp_path: Path) -> None:
    files = [picture(tmp_path / "a.png"), picture(tmp_path / "b.png", "red")]
    masks = [picture(tmp_path / "masks/a.png", "white"), picture(tmp_path / "masks/b.png")]
    fold._submit(typed(fold, files=files, masks=masks), "me")
    job = studio.queue.jobs()[0]
    made = Batch.of_json(job.request, job.payload)
    assert (job.kind, job.count, made.masked) == ("batch", 2, True) and job.request.inpaint is not None
    assert all(studio.inputs.path(name).is_file() for e in made.entries for name in (e.picture, e.mask))


def test_a_folder_is_read_where_it_lies(fold: Many, studio: Studio, tmp_path: Path) -> None:
    picture(tmp_path / "in/deep/a.png")
    fold._submit(typed(fold, folder=str(tmp_path / "in"), mask_folder=str(tmp_path / "in")), "me")
    assert Batch.of_json(studio.queue.jobs()[0].request, studio.queue.jobs()[0].payload).entries[0].name == "deep/a.png"


def test_masks_in_a_folder_among_the_pictures_are_no_pictures(fold: Many, studio: Studio, tmp_path: Path) -> None:
    for name in ("a.png", "masks/a.png"):
        picture(tmp_path / "in" / name, "white")
    fold._submit(typed(fold, folder=str(tmp_path / "in"), mask_folder=str(tmp_path / "in/masks")), "me")
    assert [e.name for e in Batch.of_json(studio.queue.jobs()[0].request, studio.queue.jobs()[0].payload).entries] == ["a.png"]


def test_a_page_that_others_reach_reads_no_folder(fold: Many, studio: Studio, tmp_path: Path) -> None:
    picture(tmp_path / "in/a.png")
    object.__setattr__(studio.settings, "listen", True)
    for field in ("folder", "mask_folder"):
        with pytest.raises(FieldError, match="reads no folders"):
            fold._submit(typed(fold, files=[picture(tmp_path / "a.png")], **{field: str(tmp_path / "in")}), "me")
    assert not studio.queue.jobs()


def test_without_pictures_or_masks_one_line_says_so(fold: Many, tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="nothing is masked"):
        fold._submit(typed(fold, files=[picture(tmp_path / "a.png")]), "me")
    with pytest.raises(FieldError, match="Pictures: +- there are none"):
        fold._submit(typed(fold, masks=[picture(tmp_path / "a.png")]), "me")
