"""Loops in a real studio: each result is the start of the next, each can be made again alone, a stopped chain goes on."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from extensions.hooks import Hooks
from pipelines import batch, loopback, settings
from pipelines.archive.disk import Disk
from pipelines.metadata import read
from pipelines.spec.errors import FieldError, RequestError, StorageError
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from pipelines.tasks.canvas import canvas_of


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    made = Studio(settings.checked({"data_dir": tmp_path_factory.mktemp("home")}), Hooks())
    made.library.scan()
    yield made
    made.archive.close()


@pytest.fixture
def request_(studio: Studio) -> GenerationRequest:
    name = studio.inputs.keep(Image.effect_noise((64, 64), 60).convert("RGB"))
    return GenerationRequest.parse({
        "prompt": "a red car", "seed": 5, "steps": 4, "width": 64, "height": 64, "init": {"image": name},
        "loopback": {"loops": 3, "final_denoising_strength": 0.5, "curve": "Linear"}})


def test_each_picture_is_the_start_of_the_next_and_can_be_made_alone(studio: Studio, request_: GenerationRequest) -> None:
    files = [studio.archive.open(f) for f in loopback.paint(studio, studio.check(request_), lambda event: None)]
    made = [read(file) for file in files]
    assert [r.full.init.denoising_strength for r in made] == [0.75, 0.625, 0.5]
    assert [r.full.seed for r in made] == [5, 6, 7] and made[1].made["Loop"] == "2 of 3"
    for file, following in zip(files, made[1:], strict=False):
        assert np.array_equal(np.asarray(studio.inputs.open(following.full.init.image)), np.asarray(Image.open(file)))
    again = next(studio.engine.run(made[2].full, lambda event: None)).image
    assert made[2].full.loopback is None and np.array_equal(np.asarray(again), np.asarray(Image.open(files[2])))


def test_a_chain_that_was_stopped_goes_on_where_it_was(studio: Studio, request_: GenerationRequest) -> None:
    whole = list(loopback.paint(studio, request_, lambda event: None, "whole"))
    rest = list(loopback.paint(studio, request_, lambda event: None, "rest", {0: whole[0], 1: whole[1]}))
    last, same = (studio.archive.open(file) for file in (whole[2], *rest))
    assert read(last).full == read(same).full and np.array_equal(np.asarray(Image.open(last)), np.asarray(Image.open(same)))


class Full(Disk):
    """No room but for the first `room` files."""

    def __init__(self, room: int = 0) -> None:
        self.room = room

    def write(self, path: Path, data: bytes) -> None:
        self.room -= 1
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        super().write(path, data)


def test_on_a_full_disk_the_finished_picture_waits_in_memory_and_the_queue_holds(
        tmp_path: Path, request_: GenerationRequest, studio: Studio) -> None:
    with Studio.open(settings.checked({"data_dir": tmp_path}), Hooks()) as full:
        full.inputs.keep(studio.inputs.open(request_.init.image))
        full.archive._disk, full.inputs._disk = Full(room=1), Full()        # the look for room finds some
        ended = full.queue.wait(full.submit(request_), 120)
        assert ended.error.startswith("Outputs: picture with seed 5 - finished, not saved (no space left on the disk)")
        assert len(full.archive.unsaved) == 1 and full.queue.paused == ended.error


def test_a_copy_that_the_disk_refuses_costs_no_picture(
        studio: Studio, request_: GenerationRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    monkeypatch.setattr(studio.inputs, "_disk", Full())
    with pytest.raises(StorageError, match="Picture: it could not be kept"):
        for file in loopback.paint(studio, studio.check(request_.merged({"seed": 91})), lambda event: None):
            files.append(file)
    assert len(files) == 1 and studio.archive.open(files[0]).is_file()


def test_a_list_of_pictures_ends_at_the_first_the_disk_refuses(
        studio: Studio, request_: GenerationRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        Image.effect_noise((64, 64), 50).convert("RGB").save(tmp_path / f"{name}.png")
    many = batch.Batch(request_.merged({"loopback": None}), batch.in_folder(tmp_path))
    monkeypatch.setattr(studio.inputs, "_disk", Full())
    told: list[object] = []
    with pytest.raises(StorageError, match="Picture: it could not be kept"):
        batch.paint(studio, many, told.append)
    assert told == []


def test_every_picture_of_a_batch_has_its_own_chain(studio: Studio, request_: GenerationRequest) -> None:
    two = request_.merged({"batch_count": 2, "loopback": {"loops": 2}})
    made = [studio.archive.read(f).full for f in loopback.paint(studio, two, lambda event: None)]
    assert loopback.count(two) == len(made) == 4 and [r.seed for r in made] == [5, 6, 7, 8]
    assert made[2].init.image == request_.init.image and made[3].init.image != made[1].init.image


def test_what_was_made_up_or_painted_over_begins_the_first_loop_alone(studio: Studio, request_: GenerationRequest) -> None:
    mask, colours = Image.new("L", (96, 64)), Image.new("RGBA", (96, 64), "red")
    mask.paste(255, (40, 20, 56, 40))
    wide, keep = Image.effect_noise((96, 64), 60).convert("RGB"), studio.inputs.keep
    masked = request_.merged({
        "init": {"image": keep(wide), "strokes": keep(colours)},
        "inpaint": {"mask": keep(mask), "masked_content": "fill", "mask_blur": 0, "mask_grow": 2}})
    first, *later = [studio.archive.read(f).full for f in loopback.paint(studio, masked, lambda event: None)]
    assert (first.inpaint.masked_content, first.init.strokes) == ("fill", keep(colours))
    assert {(r.inpaint.masked_content, r.init.strokes) for r in later} == {("original", "")}
    freed = [np.asarray(canvas_of(r, studio.inputs.open(r.init.image), studio.inputs.open(r.inpaint.mask)).where) > 0
             for r in (first, *later)]
    assert freed[0].any() and all(np.array_equal(one, freed[0]) for one in freed), "the mask lies over the same part"


@pytest.mark.parametrize(("changes", "line"), [
    ({"loopback": {"final_denoising_strength": 0.01}}, "of 4 steps none would run"),
    ({"outpaint": {"left": 64}}, "each would make the frame larger"), ({"init": None}, "they start from a picture"),
], ids=["too weak at the end", "outpainting", "no picture"])
def test_loops_that_cannot_be_are_refused_before_the_first(studio: Studio, request_: GenerationRequest, changes: dict,
                                                          line: str) -> None:
    with pytest.raises(RequestError, match=line):
        studio.check(request_.merged(changes))


def test_loops_and_several_pictures_do_not_go_together(studio: Studio, request_: GenerationRequest) -> None:
    with pytest.raises(FieldError, match="not together with several pictures"):
        batch.batch_of(studio, request_, batch.given([("a.png", request_.init.image)]))
