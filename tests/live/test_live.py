"""Live pictures: few steps, never beside a job, the newest drawing of one visitor alone; the sheet's value is the drawing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipelines import live
from pipelines.engine import Finished
from pipelines.live import LivePainter, Turn
from pipelines.spec.errors import FieldError, StudioError
from pipelines.spec.events import Step
from pipelines.spec.request import GenerationRequest
from pipelines.words import Words
from tabs.sketchpad import address, drawing

REQUEST = GenerationRequest.parse({"steps": 25, "batch_count": 4, "seed": 1})


def studio(during: Callable[[], None] = lambda: None) -> Any:
    """Paints a picture in one step; `during` is called in the middle of it."""
    seen: list[GenerationRequest] = []

    def run(request: GenerationRequest, emit: Callable[[Step], None]) -> Iterator[Finished]:
        seen.append(request)
        during()
        emit(Step(1, 1, 1, 1))
        yield Finished(0, request, Image.new("RGB", (8, 8)), 0.1)

    return SimpleNamespace(check=lambda r: r, hooks=SimpleNamespace(transform_request=lambda r: r), turn=Turn(), seen=seen,
                           words=lambda key: key, engine=SimpleNamespace(run=run))


def test_a_look_takes_few_steps_and_makes_one_picture() -> None:
    one = studio()
    painter = LivePainter(one)
    assert painter.paint(REQUEST, "me") is not None and painter.painted == 1
    assert (one.seen[0].steps, one.seen[0].count, one.seen[0].seed) == (live.STEPS, 1, 1)


def test_a_picture_that_a_newer_drawing_overtook_is_dropped() -> None:
    painters: list[LivePainter] = []
    one = studio(lambda: painters[0]._ticket("me") and None)        # the same visitor draws on
    painters.append(LivePainter(one))
    assert painters[0].paint(REQUEST, "me") is None and painters[0].painted == 0
    other = studio(lambda: painters[1]._ticket("somebody else") and None)
    painters.append(LivePainter(other))
    assert painters[1].paint(REQUEST, "me") is not None


def test_a_job_of_the_queue_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOMENT", 0.01)
    one, begun, end = studio(), threading.Event(), threading.Event()

    def job() -> None:
        with one.turn.of_queue():
            begun.set()
            end.wait(10)

    worker = threading.Thread(target=job)
    worker.start()
    begun.wait(10)
    with pytest.raises(StudioError, match="live_busy"):
        LivePainter(one).paint(REQUEST, "me")
    end.set()
    worker.join(10)
    assert LivePainter(one).paint(REQUEST, "me") is not None


def test_a_sheet_comes_back_as_it_was_drawn() -> None:
    picture = Image.new("RGBA", (40, 30))
    ImageDraw.Draw(picture).line((5, 5, 30, 20), fill="#d62828", width=4)
    assert np.array_equal(np.asarray(drawing(address(picture), Words("en"))), np.asarray(picture))
    assert address(None) == ""


@pytest.mark.parametrize("value", ["", None, 7, "data:text/html;base64,AAAA", "data:image/png;base64,%%%",
                                   "data:image/png;base64,AAAA"])
def test_what_is_no_drawing_is_refused(value: Any) -> None:
    with pytest.raises(StudioError):
        drawing(value, Words("en"))
    if not value:
        with pytest.raises(FieldError, match="nothing is drawn"):
            drawing(value, Words("en"))
