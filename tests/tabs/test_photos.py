"""What the photos of the likeness tab leave on the disk: what a job needs stays, what is deleted is gone. No browser, no net."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from extensions.hooks import Hooks
from pipelines import settings
from pipelines.spec.errors import FieldError, ImageFileError
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from tabs.photos import Desk
from tabs.pose_editor import data_url
from tabs.sketchpad import drawing


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
