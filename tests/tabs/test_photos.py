"""What the photos of the likeness tab leave on the disk: what a job needs stays, what is deleted is gone. No browser, no net."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from extensions.hooks import Hooks
from pipelines import settings
from pipelines.spec.errors import FieldError, ImageFileError
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from pipelines.words import Words
from tabs.photos import Desk
from tabs.pose_editor import data_url
from tabs.sketchpad import drawing

WORDS = Words("en")


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    with Studio.open(settings.checked({"data_dir": tmp_path}), Hooks()) as made:
        made.queue.pause()
        yield made


def kept(desk: Desk, colour: str, instead: str = "") -> str:
    return desk.ask({"what": "keep", "photo": data_url(Image.new("RGB", (96, 96), colour)), "instead": instead})["name"]


def there(studio: Studio) -> set[str]:
    return {path.stem for path in studio.inputs.folder.glob("*.png")}


def wanted(name: str) -> GenerationRequest:
    return GenerationRequest.parse({"prompt": "a man img", "identity": {"photos": [name]}})


def test_a_square_that_another_took_the_place_of_is_gone(studio: Studio) -> None:
    desk = Desk(studio)
    second = kept(desk, "blue", kept(desk, "red"))
    assert there(studio) == {second} and kept(desk, "blue", second) == second and there(studio) == {second}


def test_a_square_that_a_waiting_job_needs_stays_until_the_photos_are_deleted(studio: Studio) -> None:
    desk = Desk(studio)
    first = kept(desk, "red")
    studio.queue.submit(wanted(first))
    second = kept(desk, "blue", first)
    third = kept(desk, "green", second)
    assert there(studio) == {first, third}
    assert kept(desk, "red", third) == first and there(studio) == {first}, "back to the square it began with"
    fourth = kept(desk, "black", first)
    assert there(studio) == {first, fourth}
    [job] = studio.queue.jobs()
    studio.queue.cancel(job.id)
    assert there(studio) == {first, fourth}, "it could be queued again"
    desk.ask({"what": "forget", "names": [fourth]})
    assert there(studio) == set()
    with pytest.raises(FieldError, match="no longer kept"):
        studio.inputs.open(first)


@pytest.mark.parametrize("data", ["data:image/png;base64,!!!", "data:image/png;base64,AAA", "data:image/png;base64,AA\nAA",
                                  "data:image/png;base64,ééé", "data:image/png;base64,", "data:image/png;base64,AAAA",
                                  "data:text/html;base64,AAAA", "http://169.254.169.254/a.png", "file:///etc/passwd", None, 7],
                         ids=["signs", "padding", "newline", "no ASCII", "nothing", "no picture", "no image", "address", "file",
                              "none", "number"])
def test_what_is_no_picture_of_the_page_is_one_line(studio: Studio, data: object) -> None:
    error = Desk(studio).ask({"what": "keep", "photo": data})["error"]
    assert error.startswith(("Photo: ", "Image: ")) and "\n" not in error
    with pytest.raises((FieldError, ImageFileError), match=r"^[^\n]+$"):
        drawing(data, studio.words)


def test_deleted_photos_that_a_waiting_job_needs_go_when_it_has_ended_also_after_a_restart(studio: Studio) -> None:
    desk = Desk(studio)
    first = kept(desk, "red")
    job = studio.queue.submit(wanted(first))
    second = kept(desk, "blue", first)
    studio.close()
    again = Studio.open(studio.settings, Hooks())
    told = Desk(again).ask({"what": "forget", "names": [second]})["told"]
    assert there(again) == {first} and told == f"{WORDS('photos_deleted', count=1)} {WORDS('photos_later', count=1)}"
    again.close()
    with Studio.open(studio.settings, Hooks()) as third:
        assert there(third) == {first}
        third.queue.cancel(job)
        assert there(third) == set() and list(third.inputs.folder.iterdir()) == []


def test_deleted_photos_go_when_the_job_that_needs_them_was_run(studio: Studio) -> None:
    first = kept(Desk(studio), "red")
    job = studio.queue.submit(wanted(first))
    assert Desk(studio).ask({"what": "forget", "names": [first]})["told"].startswith(WORDS("photos_deleted", count=0))
    studio._do = lambda *_: studio.inputs.check(first)     # type: ignore[method-assign]
    studio.queue.resume()
    assert studio.queue.wait(job, 60).error == "" and there(studio) == set()


def test_a_job_that_ended_while_the_studio_was_closed_holds_nothing(studio: Studio) -> None:
    first = kept(Desk(studio), "red")
    job = studio.queue.submit(wanted(first))
    Desk(studio).ask({"what": "forget", "names": [first]})
    with sqlite3.connect(studio.settings.data_dir / "queue.sqlite") as queue:
        queue.execute("UPDATE jobs SET status = 'failed' WHERE id = ?", (job,))
    queue.close()
    studio.close()
    with Studio.open(studio.settings, Hooks()) as again:
        assert there(again) == set()


def test_a_photo_that_is_added_again_stays(studio: Studio) -> None:
    desk = Desk(studio)
    first = kept(desk, "red")
    job = studio.queue.submit(wanted(first))
    desk.ask({"what": "forget", "names": [first]})
    assert kept(desk, "red") == first
    studio.queue.cancel(job)
    assert there(studio) == {first}


def test_a_list_of_older_photos_that_cannot_be_read_is_kept_aside(studio: Studio, caplog: pytest.LogCaptureFixture) -> None:
    studio.inputs.folder.mkdir(parents=True)
    (studio.inputs.folder / "photos.json").write_text('{"older": []}')
    studio.close()
    with Studio.open(studio.settings, Hooks()) as again:
        assert again.photos.delete(["0" * 64]) == (0, 0) and "older photos cannot be read" in caplog.text
        assert len(list(again.inputs.folder.glob("photos.json.bad-*"))) == 1
