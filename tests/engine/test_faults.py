"""Goals R8, R10, R16 in a whole studio: memory runs out anywhere, the card is lost, the disk is full - a line, and life goes on."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from diffusers import UNet2DConditionModel

from extensions.hooks import Hooks
from pipelines import settings
from pipelines.engine import Engine
from pipelines.loading import decode
from pipelines.loading.residency import Residency
from pipelines.queue import Progress, Status
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from pipelines.tasks import text
from pipelines.upscalers import upscaling

REQUEST = GenerationRequest.parse({"prompt": "a red car", "seed": 5, "steps": 2, "width": 64, "height": 64})
LARGER = REQUEST.merged({"hires": {"scale": 2, "steps": 2, "upscaler": "mini-x2"}})
FULL = RuntimeError("CUDA out of memory. Tried to allocate 4.00 GiB")
GONE = RuntimeError("CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronously reported.")
# What is broken, at which of its calls, in which request.
PLACES: dict[str, tuple[Any, str, int, GenerationRequest]] = {
    "load": (Residency, "_modules", 1, REQUEST),
    "text encode": (text, "encode", 1, REQUEST),
    "first step": (UNet2DConditionModel, "forward", 1, REQUEST),
    "second step": (UNet2DConditionModel, "forward", 2, REQUEST),
    "decode": (decode, "_decoded", 1, REQUEST),
    "upscaler's load": (upscaling, "network", 1, LARGER),
    "upscale": (upscaling, "draw", 1, LARGER),
    "second pass": (UNet2DConditionModel, "forward", 3, LARGER),
}
Break = Callable[..., None]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def open_studio(home: Path) -> Iterator[Studio]:
    with Studio.open(settings.checked({"data_dir": home, "device": "cpu"}), Hooks()) as made:
        yield made


@pytest.fixture
def studio(open_studio: Studio) -> Studio:
    open_studio.queue.resume()
    return open_studio


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Break:
    """Makes a function raise at its call number `at` and, unless `once`, at every later one."""
    def break_(where: Any, name: str, at: int, error: Exception, once: bool) -> None:
        plain, calls = getattr(where, name), []

        def function(*args: Any, **kwargs: Any) -> Any:
            calls.append(1)
            if len(calls) == at or len(calls) > at and not once:
                raise error
            return plain(*args, **kwargs)

        monkeypatch.setattr(where, name, function)

    return break_


def run(studio: Studio, request: GenerationRequest) -> Progress:
    return studio.queue.wait(studio.submit(request), 120)


@pytest.mark.parametrize("place", [name for name in PLACES if name != "upscaler's load"])
def test_memory_that_ran_out_once_costs_a_note(place: str, studio: Studio, broken: Break) -> None:
    where, name, at, request = PLACES[place]
    studio.engine.residency.evict()
    broken(where, name, at, FULL, once=True)
    end = run(studio, request)
    assert (end.status, end.error, len(end.files)) == (Status.DONE, "", 1)
    assert [note for note in end.notes if note.startswith("Memory was full")]


@pytest.mark.parametrize("place", PLACES)
def test_memory_that_stays_full_is_one_line_and_the_next_job_succeeds(
        place: str, studio: Studio, broken: Break, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    where, name, at, request = PLACES[place]
    studio.engine.residency.evict()
    broken(where, name, at, FULL, once=False)
    end = run(studio, request)
    monkeypatch.undo()
    assert end.status is Status.FAILED and end.error.startswith("Memory: ") and "Traceback" not in caplog.text
    assert len(end.files) == (request is LARGER), "the first pass is kept"
    assert (run(studio, request).status, studio.queue.paused) == (Status.DONE, "")


def test_a_lost_device_fails_its_job_and_the_others_wait_for_the_next_start(
        tmp_path: Path, broken: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(UNet2DConditionModel, "forward", 1, GONE, once=False)
    chosen = settings.checked({"data_dir": tmp_path, "device": "cpu"})
    with Studio.open(chosen, Hooks()) as studio:
        failed, waiting = studio.submit(REQUEST), studio.submit(REQUEST)
        line = studio.queue.wait(failed, 120).error
        assert line.startswith("Device: it computes nothing more (CUDA error: device-side assert triggered). Close the studio and")
        assert (studio.queue.paused, studio.queue.wait(waiting, 0.2).status) == (line, Status.QUEUED)
    monkeypatch.undo()
    with Studio.open(chosen, Hooks()) as studio:
        assert studio.queue.wait(waiting, 120).status is Status.DONE


def test_nothing_is_painted_for_a_disk_that_takes_nothing(
        studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(Engine, "run", lambda *_, **__: pytest.fail("it was painted"))
        disk.setattr(studio.archive._disk, "write", full)
        id = studio.submit(REQUEST)
        end = studio.queue.wait(id, 120)
    assert end.status is Status.FAILED and studio.queue.paused == end.error
    assert end.error.startswith(f"Outputs: {studio.archive.root} - nothing can be saved there (")
    studio.queue.resume()
    studio.queue.retry(id)
    assert studio.queue.wait(id, 120).status is Status.DONE


def test_little_room_is_a_note_of_the_job(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studio.archive, "free_bytes", lambda: 100 << 20)
    end = run(studio, REQUEST)
    assert (end.status, end.notes[0].partition(" are left")[0]) == (Status.DONE, "Outputs: 100 MiB")
