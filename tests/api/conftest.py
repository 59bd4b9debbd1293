"""A studio with a real queue and archive whose pictures are flat colours, and programs that ask it over HTTP."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from extensions.hooks import Hooks
from pipelines import settings, upscale_job
from pipelines.api.routes import routes
from pipelines.queue import Job
from pipelines.spec.errors import OutOfMemory, Skipped
from pipelines.spec.events import Emit, Note, Preview, Saved, Step
from pipelines.studio import Studio


class Flat(Studio):
    """Paints one colour. gate: what a run waits for before each step.   breaks: it has no memory after so many pictures."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.gate, self.reached, self.breaks = threading.Event(), threading.Event(), 99
        self.gate.set()

    def _do(self, job: Job, emit: Emit) -> None:
        if job.kind == upscale_job.KIND:        # a resampler needs no model
            super()._do(job, emit)
            return
        emit(Note("Painted flat."))
        for begun, index in enumerate(job.missing):
            if index >= self.breaks:
                raise OutOfMemory("the picture")
            try:
                self.paint(job, emit, begun, index)
            except Skipped:
                continue

    def paint(self, job: Job, emit: Emit, begun: int, index: int) -> None:
        request = job.request.image(index).merged({"model_hash": "0123456789"})
        size = (request.width, request.height)
        for step in (1, 2):
            emit(Step(begun + 1, len(job.missing), step, 2))
            emit(Preview(bytes_of(Image.new("RGB", (8, 8), "teal"), "JPEG")))
            self.reached.set()
            assert self.gate.wait(60)
        made = {"Version": "Atelier test", "job": job.id, "index": index}
        emit(Saved(index, self.archive.save(Image.new("RGB", size, "teal"), request, made, self.settings.output_format).file))


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Flat]]:
    made: list[Flat] = []

    def open_(**more: Any) -> Flat:
        studio = Flat(settings.checked({"data_dir": tmp_path, "device": "cpu", "api": True, **more}), Hooks())
        studio.library.scan()
        studio.queue.start()
        made.append(studio)
        return studio

    yield open_
    for studio in made:
        studio.gate.set()
        studio.close()


@pytest.fixture
def studio(opened: Callable[..., Flat]) -> Flat:
    return opened()


@pytest.fixture
def client(studio: Flat) -> Iterator[Client]:
    with TestClient(Starlette(routes=routes(studio))) as asked:
        yield Client(asked)


class Client:
    """`get` and `post` of /sdapi/v1."""

    def __init__(self, asked: TestClient) -> None:
        self.asked = asked

    def get(self, name: str) -> Any:
        answer = self.asked.get(f"/sdapi/v1/{name}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, name: str, status: int = 200, **body: Any) -> Any:
        answer = self.asked.post(f"/sdapi/v1/{name}", content=json.dumps(body), headers={"content-type": "application/json"})
        assert answer.status_code == status, answer.text
        return answer.json()

    def painted(self, name: str = "txt2img", **body: Any) -> tuple[list[bytes], dict[str, Any]]:
        """The pictures and what `info` says."""
        answer = self.post(name, **{"width": 64, "height": 64, "steps": 2, **body})
        return [base64.b64decode(image) for image in answer["images"]], json.loads(answer["info"])

    def refused(self, name: str = "txt2img", **body: Any) -> dict[str, str]:
        """Lines by address."""
        return {".".join(map(str, one["loc"])): one["msg"] for one in self.post(name, 422, **body)["detail"]}


def bytes_of(picture: Image.Image, format: str = "PNG") -> bytes:
    data = io.BytesIO()
    picture.save(data, format)
    return data.getvalue()


def coded(size: tuple[int, int] = (64, 64), colour: Any = "red", mode: str = "RGB") -> str:
    """A picture as it stands in a body."""
    return base64.b64encode(bytes_of(Image.new(mode, size, colour))).decode()
