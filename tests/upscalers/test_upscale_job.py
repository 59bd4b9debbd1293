"""An upscale as a job of the studio: sources keep their settings, results reach the archive, one bad picture stops no other."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from pipelines import upscale_job
from pipelines.metadata import read, write
from pipelines.queue import Job
from pipelines.settings import Settings
from pipelines.spec.errors import Cancelled, FieldError, ImageFileError, RequestError
from pipelines.spec.events import Note, Step
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from pipelines.tasks.repaint import Repaint
from pipelines.upscale_job import Source, Work
from pipelines.upscalers import Target
from pipelines.upscalers.files import pictures
from pipelines.upscalers.recipe import Recipe

OURS = GenerationRequest(prompt="a cat", seed=9, width=64, height=64)
THEIRS = "a fox\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 3, Size: 64x64, Model: other"
HOOKS: Any = SimpleNamespace(transform_request=lambda r: r, image_request=lambda r: (r, {}), finished=lambda i, r: None,
                             tabs=list, upscalers=list)


@pytest.fixture
def studio(tmp_path: Path):
    with Studio.open(Settings(data_dir=tmp_path, device="cpu", output_format="png"), HOOKS) as opened:
        yield opened


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """ours.png, theirs.png, bare.jpg and broken.png."""
    folder = tmp_path / "in"
    folder.mkdir()
    write(Image.new("RGB", (64, 48), "teal"), folder / "ours.png", OURS, {"job": "old", "index": 7, "Lora hashes": "x: 1"})
    write(Image.new("RGB", (64, 48), "navy"), folder / "theirs.png", THEIRS)
    Image.new("RGB", (64, 48), "red").save(folder / "bare.jpg")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def submitted(studio: Studio, sources: list[Source], **recipe: Any) -> tuple[str, Any]:
    work = upscale_job.work_of(studio, Recipe(**{"upscaler": "Lanczos", "target": Target(2)} | recipe), sources)
    job = upscale_job.submit(studio, work, owner="me")
    return job, studio.queue.wait(job, 300)


def test_what_made_the_source_stays_and_what_was_done_is_added(studio: Studio, files: Path) -> None:
    sources = [upscale_job.given(studio, files / name) for name in ("ours.png", "theirs.png", "bare.jpg")]
    job, progress = submitted(studio, sources)
    ours, theirs, bare = (studio.archive.read(file) for file in progress.files)
    assert progress.status == "done" and ours.full == OURS and ours.made["Lora hashes"] == "x: 1"
    assert (ours.made["job"], ours.made["index"], ours.made["source"]) == (job, 0, sources[0].picture)
    assert ", Postprocess upscale by: 2, Postprocess upscaler: Lanczos, Version: Atelier" in ours.infotext
    assert theirs.infotext == THEIRS + ", Postprocess upscale by: 2, Postprocess upscaler: Lanczos"
    assert bare.full is None and "seed" not in bare.request
    assert [studio.archive.get(f).width for f in progress.files] == [128] * 3


def test_the_archive_finds_them_again_after_a_crash(studio: Studio, files: Path) -> None:
    job, progress = submitted(studio, [upscale_job.given(studio, files / n) for n in ("ours.png", "bare.jpg")])
    studio.archive.rebuild()
    assert studio.archive.of_job(job) == dict(enumerate(progress.files))


def test_a_broken_picture_of_a_folder_is_named_and_the_others_are_made(studio: Studio, files: Path) -> None:
    job, progress = submitted(studio, upscale_job.folder(studio, str(files)))
    assert len(progress.files) == 3 and any(note.startswith("broken.png: Image: broken.png - ") for note in progress.notes)
    assert studio.queue.get(job).can_retry


def test_when_none_can_be_made_the_job_fails_with_the_line(studio: Studio, files: Path) -> None:
    _, progress = submitted(studio, [Source("gone.png", str(files / "gone.png"))])
    assert progress.status == "failed" and "gone.png" in progress.error


@pytest.mark.parametrize("exposed", [{"listen": True}, {"share": True}, {"server_name": "0.0.0.0"}], ids=str)  # noqa: S104
def test_no_folder_of_this_machine_while_others_may_reach_it(studio: Studio, files: Path, exposed: dict[str, Any]) -> None:
    studio.settings = studio.settings.model_copy(update=exposed)
    with pytest.raises(FieldError, match="closed while others may reach the studio"):
        upscale_job.folder(studio, str(files))


@pytest.mark.parametrize("path", ["relative/in", "/nowhere/at/all", "", "\0", "~nosuchuser/x", "/" + "x" * 5000, "/\ud800"])
def test_a_folder_that_is_none_is_one_line(studio: Studio, path: str) -> None:
    with pytest.raises((FieldError, ImageFileError)):
        upscale_job.folder(studio, path)


@pytest.mark.parametrize(("recipe", "line"), [
    ({"target": Target(9)}, "Upscale by: 9"), ({"upscaler": "lanczo"}, "Upscaler: lanczo - not found"),
    ({"second": "none such"}, "Upscaler: none such"), ({"second": "Nearest", "visibility": 2}, "visibility: 2")], ids=str)
def test_what_cannot_be_is_refused_before_it_is_queued(studio: Studio, files: Path, recipe: dict[str, Any], line: str) -> None:
    with pytest.raises(FieldError, match=line):
        submitted(studio, [upscale_job.given(studio, files / "bare.jpg")], **recipe)
    assert not studio.queue.jobs()


def test_without_a_picture_nothing_is_queued(studio: Studio) -> None:
    with pytest.raises(FieldError, match="Drop pictures into the field"):
        upscale_job.work_of(studio, Recipe(), [])


def test_steps_are_counted_over_all_pictures_and_a_cancel_keeps_what_is_made(studio: Studio, files: Path) -> None:
    sources = tuple(upscale_job.given(studio, files / name) for name in ("ours.png", "theirs.png", "bare.jpg"))
    work, heard = Work(Recipe("Lanczos", target=Target(2)), sources), []

    def listen(event: object) -> None:
        if isinstance(event, Step):
            heard.append((event.image, event.images))
        if len(heard) == 2:
            raise Cancelled("Cancelled.")

    job: Any = SimpleNamespace(id="j", created=0.0, payload=work.to_json(), missing=(0, 1, 2))
    with pytest.raises(Cancelled):
        upscale_job.run(studio, job, listen)
    assert heard == [(1, 3), (2, 3)] and studio.archive.of_job("j").keys() == {0}


def test_sixteen_bits_are_kept_and_said(studio: Studio, files: Path) -> None:
    source = upscale_job.given(studio, files / "bare.jpg")
    notes: list[str] = []
    file = upscale_job.one(studio, Work(Recipe("mini-x2", deep=True), (source,), "png16"), source,
                           lambda e: notes.append(e.text) if isinstance(e, Note) else None, {})
    assert studio.archive.open(file).read_bytes()[24] == 16 and "the source had 8 bits" in notes[0]
    assert read(studio.archive.open(file)).made["upscaled"]["upscaler"] == "mini-x2"


@pytest.mark.parametrize(("changes", "said"), [
    ({"recipe": {"target": {"scale": "x"}}}, "Upscale recipe.target.scale: x - this job cannot be read any more: .*number"),
    ({"recipe": {"target": {"scale": 2, "depth": 3}}}, "Upscale recipe.target.depth: 3 - this job cannot be read any more"),
    ({"sources": []}, "Upscale sources: .*at least 1"), ({"sources": [{"name": "a"}]}, r"Upscale sources\.0\.picture"),
    ({"repaint": 7}, "Upscale repaint: 7"), ("{", "Upscale job: {"), ("[" * 100_000, "Upscale job: "), ("{}", "Upscale recipe: "),
], ids=["a text for a number", "a newer field", "no picture", "half a picture", "no part", "cut", "deep", "empty"])
def test_a_job_of_no_version_is_one_line_a_field(changes: dict | str, said: str) -> None:
    whole = json.loads(Work(Recipe(), (Source("a", "b" * 64),)).to_json())
    text = changes if isinstance(changes, str) else json.dumps(whole | changes)
    with pytest.raises(RequestError, match=said) as caught:
        Work.of_json(text)
    assert all("\n" not in str(line) for line in caught.value.errors)
    assert upscale_job.described(Job("j", GenerationRequest(), upscale_job.KIND, payload=text)) == ("", "")


def test_automatic_is_decided_for_each_picture_by_how_far_it_is_enlarged(studio: Studio, files: Path) -> None:
    Image.new("RGB", (32, 24), "red").save(files / "small.png")
    sources = [upscale_job.given(studio, files / name) for name in ("bare.jpg", "small.png")]
    job, progress = submitted(studio, sources, upscaler="", target=Target(width=128))
    used = [studio.archive.read(file).made["Postprocess upscaler"] for file in progress.files]
    assert used == ["mini-x2", "mini-x4"] and upscale_job.described(studio.queue.get(job))[1] == "Automatic 128×…"


def test_the_list_of_jobs_says_what_is_made_larger(studio: Studio, files: Path) -> None:
    job, _ = submitted(studio, [upscale_job.given(studio, files / n) for n in ("ours.png", "bare.jpg")])
    assert upscale_job.described(studio.queue.get(job)) == ("ours.png +1", "Lanczos ×2")


def test_extensions_are_told_of_what_was_painted_again_and_not_of_what_was_only_enlarged(
        studio: Studio, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[tuple[int, int], str]] = []
    monkeypatch.setattr(HOOKS, "finished", lambda image, request: told.append((image.size, request.prompt)))
    source = upscale_job.given(studio, files / "ours.png")
    recipe = Recipe(upscaler="Lanczos", target=Target(2))
    for repaint in (None, Repaint(0.5, steps=2)):
        work = upscale_job.work_of(studio, recipe, [source], repaint)
        assert studio.queue.wait(upscale_job.submit(studio, work), 300).status == "done"
    assert told == [((128, 96), "a cat")]


def test_pictures_whose_names_are_no_utf8_are_made_and_listed(studio: Studio, tmp_path: Path) -> None:
    folder = tmp_path / "latin"
    folder.mkdir()
    for raw in (b"caf\xe9.png", b"caf\xea.png"):
        Image.new("RGB", (8, 8), "teal").save(folder / os.fsdecode(raw))
    _, progress = submitted(studio, upscale_job.folder(studio, str(folder)))
    assert [Path(file).name for file in progress.files] == ["caf_-1.png", "caf_-2.png"]
    assert sorted(item.file for item in studio.archive.items()) == sorted(progress.files)


def test_a_picture_in_nobodys_home_is_one_line() -> None:
    with pytest.raises(ImageFileError, match="it cannot be read"):
        pictures(["~nosuchuser/x.png"])
