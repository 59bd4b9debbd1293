"""A studio without an engine that is killed again and again: `python killed_studio.py FOLDER ROUNDS SEED`, prints JSON.

It imports once and forks: each child opens queue and archive anew as a fresh process would, and dies by SIGKILL, either
when the parent says so at a random moment, or by its own hand at one step of writing a picture.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from pipelines.archive import Archive
from pipelines.archive.disk import Disk
from pipelines.metadata import read
from pipelines.queue import Job, JobQueue, Status
from pipelines.spec.events import Emit, Saved, Step
from pipelines.spec.request import GenerationRequest

PICTURES = 20
REQUEST = GenerationRequest(prompt="a cat", seed=100, steps=2, batch_count=PICTURES, width=64, height=64)
STEPS = ("half written", "written", "synced", "published", "folder synced", "saved", "told")


class Deadly(Disk):
    """A disk whose user dies at one step of its n-th picture."""

    def __init__(self, step: str, picture: int) -> None:
        self.step, self.left = step, picture

    def reach(self, step: str) -> None:
        if step == self.step:
            self.left -= 1
            if self.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def write(self, path: Path, data: bytes) -> None:
        if ".thumbs" not in path.parts:
            super().write(path, data[: len(data) // 2])
            self.reach("half written")
        super().write(path, data)
        if ".thumbs" not in path.parts:
            self.reach("written")

    def fsync(self, path: Path) -> None:
        super().fsync(path)
        self.reach("folder synced" if path.is_dir() else "synced")

    def publish(self, temporary: Path, final: Path) -> None:
        super().publish(temporary, final)
        self.reach("published")


def studio(folder: Path, tell: Callable[[str], None], disk: Disk) -> tuple[Archive, JobQueue]:
    """Archive and queue of one life; every saved picture is told at once."""
    archive = Archive(folder / "outputs", disk)

    def run(job: Job, emit: Emit) -> None:
        for begun, index in enumerate(job.missing):
            emit(Step(begun + 1, len(job.missing), 1, 1))
            picture = Image.effect_noise((64, 64), 80).convert("RGB")
            item = archive.save(picture, job.request.image(index), {"job": job.id, "index": index})
            tell(item.file)
            if isinstance(disk, Deadly):
                disk.reach("saved")
            emit(Saved(index, item.file))
            if isinstance(disk, Deadly):
                disk.reach("told")

    queue = JobQueue(folder / "data" / "queue.sqlite", run, saved_files=archive.of_job)
    queue.start()
    return archive, queue


def first_life(folder: Path, tell: Callable[[str], None], disk: Disk) -> None:
    """Begin the batch, with another job waiting behind it; does not live to its end."""
    _, queue = studio(folder, tell, disk)
    id = queue.submit(REQUEST)
    queue.submit(REQUEST.merged({"batch_count": 1, "seed": 900}))
    tell("accepted")
    queue.wait(id, 60)
    tell("end")
    time.sleep(60)


def second_life(folder: Path, tell: Callable[[str], None], told: list[str]) -> None:
    """Come back, look, retry, and say what was found."""
    started = time.perf_counter()
    archive, queue = studio(folder, lambda _: None, Disk())
    opened = time.perf_counter() - started
    jobs = sorted(queue.jobs(), key=lambda job: job.created)
    first = jobs[0]
    wrong = []
    if told and first.status not in (Status.INTERRUPTED, Status.DONE):       # one that was killed before it began goes on by itself
        wrong.append(f"the batch came back as {first.status}")
    if lost := [file for file in told if file not in first.files.values() or not (archive.root / file).is_file()]:
        wrong.append(f"lost: {lost}")
    for job in jobs:
        queue.retry(job.id)
        if queue.wait(job.id, 60).status is not Status.DONE:
            wrong.append(f"not finished: {queue.get(job.id)}")
    files = queue.get(first.id).files
    if sorted(files) != list(range(PICTURES)) or len(set(files.values())) != PICTURES:
        wrong.append(f"the batch has {sorted(files)}")
    pictures = [path for path in archive.root.rglob("*.png") if ".thumbs" not in path.parts]
    if len(pictures) != sum(job.request.count for job in jobs):
        wrong.append(f"{len(pictures)} files for {[job.request.count for job in jobs]} pictures")
    for path in archive.root.rglob("*"):
        if path.name.endswith(".part"):
            wrong.append(f"left behind: {path.name}")
    for path in pictures:
        with Image.open(path) as picture:
            picture.load()
        if read(path).full is None:
            wrong.append(f"half a file: {path.name}")
    queue.stop()
    tell(json.dumps({"told": len(told), "came back": len(first.files), "opened_s": round(opened, 3), "wrong": wrong}))


def live(life: Callable[..., None], *arguments: object) -> tuple[int, int]:
    """Fork a process that lives this life; returns its id and the pipe it tells into."""
    out, into = os.pipe()
    process = os.fork()
    if process:
        os.close(into)
        return process, out
    os.close(out)
    try:
        folder, rest = arguments[0], arguments[1:]
        life(folder, lambda line: os.write(into, f"{line}\n".encode()), *rest)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def round_of(folder: Path, disk: Disk, moment: tuple[int, float] | None) -> dict[str, object]:
    """One death and what came after. `moment`: after so many pictures, and so many seconds."""
    process, out = live(first_life, folder, disk)
    text = b""
    while moment and (b"accepted" not in text or text.count(b"\n") <= moment[0]) and b"end" not in text:
        text += os.read(out, 65536)
    if moment:
        time.sleep(moment[1])
        os.kill(process, signal.SIGKILL)
    while more := os.read(out, 65536):
        text += more
    os.close(out)
    _, status = os.waitpid(process, 0)
    told = [line for line in text.decode().splitlines() if line.endswith(".png") and not line.endswith("-900.png")]
    process, out = live(second_life, folder, told)
    said = b""
    while more := os.read(out, 65536):
        said += more
    os.close(out)
    os.waitpid(process, 0)
    return {"killed": os.WIFSIGNALED(status), **json.loads(said or '{"wrong": ["it did not come back"]}')}


def main(folder: Path, rounds: int, seed: int) -> None:
    chance = random.Random(seed)
    results = []
    for n in range(rounds):
        moment = chance.randrange(PICTURES), chance.uniform(0, 0.01)
        results.append({"moment": moment, **round_of(folder / f"random-{n}", Disk(), moment)})
    for step in STEPS:
        disk = Deadly(step, chance.randrange(PICTURES))
        results.append({"moment": step, **round_of(folder / step.replace(" ", "-"), disk, None)})
    print(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
