"""The detailer through mini: faces alone change, every finished picture is kept, words, sizes and counts are those asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipelines.archive import Archive
from pipelines.archive.inputs import Inputs
from pipelines.engine import Engine, Finished
from pipelines.families.mini import MINI
from pipelines.families.sd15 import SD15
from pipelines.passes import Passes
from pipelines.portraits.crop import Box
from pipelines.spec.errors import FieldError, Skipped
from pipelines.spec.events import Event, Note, Step
from pipelines.spec.geometry import Size
from pipelines.spec.parts import Detailer
from pipelines.spec.request import GenerationRequest
from pipelines.tasks import detailer
from tests.engine.conftest import pixels

FACES = [Box(30, 40, 40, 40), Box(150, 60, 48, 48)]
FAST = {"prompt": "a girl with pink hair, full figure", "steps": 3, "sampler": "Euler"}


@pytest.fixture
def faces(monkeypatch: pytest.MonkeyPatch) -> list[Box]:
    """What will be found in every picture; a test may change it."""
    found = list(FACES)
    monkeypatch.setattr(detailer, "finder", lambda *_: lambda picture: list(found))
    return found


@pytest.fixture(scope="module")
def plain(paint) -> Finished:
    """The picture without its faces painted again."""
    return paint(**FAST)[0]


def changed(one: Finished, other: Finished) -> tuple[int, int, int, int] | None:
    """The box (left, top, right, bottom) round all pixels in which they differ."""
    rows, columns = np.nonzero((pixels(one) != pixels(other)).any(-1))
    return (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if len(rows) else None


def test_nothing_but_the_faces_changes(paint, plain: Finished, faces: list[Box]) -> None:
    said: list[Event] = []
    made = paint(said.append, **FAST, detailer={"denoising_strength": 0.7, "mask_blur": 2})[0]
    free = np.zeros((256, 256), bool)
    for face in faces:      # the blurred edge reaches a few pixels beyond
        left, top, right, bottom = face.corners
        free[top - 8:bottom + 8, left - 8:right + 8] = True
        assert (pixels(made)[top:bottom, left:right] != pixels(plain)[top:bottom, left:right]).any(-1).mean() > 0.8
    assert np.array_equal(pixels(made)[~free], pixels(plain)[~free])
    assert made.request.detailer and made.extra["Detailed faces"] == "2 of 2"
    assert [e.text for e in said if isinstance(e, Note)][0].startswith("Detailer: faces found 2, painted again 2, in ")
    steps = [e for e in said if isinstance(e, Step)]
    assert [s.step for s in steps] == [1, 2, 3, 3, 4, 4, 5] and steps[-1].fraction == 1 and steps[-1].steps == 5


@pytest.mark.parametrize(("wanted", "painted"), [({"most": 1}, "1 of 2"), ({"smallest": 0.2}, "0 of 2")], ids=str)
def test_only_the_faces_that_are_wanted(paint, plain: Finished, faces: list[Box], wanted: dict, painted: str) -> None:
    made = paint(**FAST, detailer={"denoising_strength": 0.5, **wanted})[0]
    box = changed(plain, made)
    assert made.extra["Detailed faces"] == painted and (box is None if painted[0] == "0" else box[0] > 130), "the larger one"


def test_without_faces_and_at_a_strength_of_0_it_stays_as_it_is(paint, plain: Finished, faces: list[Box]) -> None:
    said: list[Event] = []
    assert changed(plain, paint(**FAST, detailer={"denoising_strength": 0})[0]) is None
    faces.clear()
    assert changed(plain, paint(said.append, **FAST, detailer={})[0]) is None
    assert "Detailer: no face was found; the picture is as it was." in [e.text for e in said if isinstance(e, Note)]


def test_each_picture_of_a_batch_has_its_own_and_is_made_again_from_its_file(paint, engine: Engine, faces: list[Box],
                                                                             tmp_path: Path) -> None:
    faces.pop()
    wanted = {"denoising_strength": 0.7, "prompt": "a face"}
    made = paint(**FAST, batch_size=2, detailer=wanted)
    assert len(made) == 2 and made[0].request.seed != made[1].request.seed
    item = Archive(tmp_path).save(made[1].image, made[1].request, made[1].extra)
    again = next(engine.run(Archive(tmp_path).read(item.file).full, lambda event: None))
    assert changed(made[1], again) is None


def test_it_follows_the_second_pass(paint, faces: list[Box]) -> None:
    hires = {"scale": 1.5, "denoising_strength": 0, "upscaler": "Lanczos"}
    once, made = (paint(**FAST, hires=hires, detailer=d)[0] for d in (None, {"denoising_strength": 0.7, "most": 1}))
    left, top, right, bottom = changed(once, made)
    assert made.image.size == (384, 384) and left > 130 and right < 220 and top > 40 and bottom < 130


def test_under_a_mask_only_faces_that_were_painted_are_painted_again(engine: Engine, faces: list[Box], tmp_path: Path) -> None:
    inputs = Inputs(tmp_path)
    source, mask = Image.effect_noise((256, 256), 60).convert("RGB"), Image.new("L", (256, 256))
    mask.paste(255, (0, 0, 60, 256))
    request = GenerationRequest.parse(FAST | {
        "init": {"image": inputs.keep(source)}, "inpaint": {"mask": inputs.keep(mask), "mask_blur": 0},
        "detailer": {"denoising_strength": 0.9}})
    made = next(Engine(engine.residency, None, inputs).run(request, lambda event: None))
    assert np.array_equal(pixels(made)[:, 60:], np.asarray(source)[:, 60:]) and made.extra["Detailed faces"] == "1 of 2"


@pytest.mark.parametrize("ended", [KeyboardInterrupt(), FieldError("Detailer", "on", "nothing finds")], ids=["Ctrl+C", "no finder"])
def test_whatever_ends_it_every_finished_picture_is_kept(engine: Engine, plain, faces, monkeypatch, ended: BaseException) -> None:
    """Pictures sampled together wait for their faces: the second one's are being painted when it ends."""
    detailed, seen = Passes.detailed, []

    def ends(*given: Any) -> Any:
        seen.append(given)
        if len(seen) == 2:
            raise ended
        return detailed(*given)

    monkeypatch.setattr(Passes, "detailed", ends)
    monkeypatch.setattr(Engine, "_groups", lambda self, plan, size: [plan])
    request = GenerationRequest.parse(FAST | {"seed": 7, "batch_size": 2, "detailer": {"denoising_strength": 0.5}})
    kept: list[Finished] = []
    with pytest.raises(type(ended)):
        kept.extend(one for one in _noted(engine.run(request, lambda event: None), kept))
    assert [one.index for one in kept] == [0, 1] and [one.request.detailer is None for one in kept] == [False, True]
    assert changed(kept[0], kept[1]) and changed(plain, kept[1]), "the second one is no copy of the first"


def _noted(run: Iterator[Finished], into: list[Finished]) -> Iterator[Finished]:
    for one in run:
        into.append(one)
    yield from ()


def test_skipping_skips_the_faces(paint, plain: Finished, faces: list[Box]) -> None:
    def skip(event: Event) -> None:
        if isinstance(event, Step) and event.step == 4:
            raise Skipped("next")

    made = paint(skip, **FAST, detailer={"denoising_strength": 0.7})[0]
    assert changed(plain, made) is None and made.request.detailer is None


def test_minis_people_are_found_by_its_own_estimators_and_nobody_elsewhere(engine: Engine) -> None:
    from pipelines.training.mini.pictures import HELD_OUT
    from pipelines.training.mini.world.draw import draw
    from pipelines.training.mini.world.scene import Curriculum, sample
    from pipelines.training.mini.world.truth import key_points

    find = detailer.finder(engine.residency.library, engine._passes._preprocessors, MINI)
    for people in (1.0, 0.0):
        for seed in range(HELD_OUT + 300, HELD_OUT + 306):
            scene = sample(seed, Curriculum(people=people, nothing=0.0))
            found = find(draw(scene))
            if people:
                (x, y), [box] = key_points(scene)[0][0], found
                assert box.left < x < box.left + box.width and box.top < y < box.top + box.height
            else:
                assert not found


def test_a_photographed_face_is_found_in_a_large_picture() -> None:
    from skimage.data import astronaut

    whole = Image.new("RGB", (1536, 1024), "grey")
    whole.paste(Image.fromarray(astronaut()), (900, 300))
    nobody = SimpleNamespace(missing=lambda name: ["weights"])
    [face] = detailer.finder(SimpleNamespace(roots=[]), nobody, SD15)(whole)
    assert 900 + 170 < face.left < 900 + 215 and 80 < face.width < 140


@pytest.mark.parametrize(("box", "picture", "size"), [
    (Box(100, 100, 40, 40), Size(512, 512), Size(256, 256)), (Box(10, 10, 400, 400), Size(512, 512), Size(464, 464)),
    (Box(0, 0, 60, 200), Size(64, 512), Size(64, 256))], ids=["small", "larger than native", "a narrow picture"])
def test_a_face_is_painted_at_the_models_size_and_never_smaller_than_it_is(box: Box, picture: Size, size: Size) -> None:
    [part] = detailer.parts(GenerationRequest.parse({"detailer": {"padding": 32}}), picture, [box], MINI)
    left, top, right, bottom = part.box
    assert abs(part.size.width - size.width) <= 16 and abs(part.size.height - size.height) <= 16
    assert 0 <= left <= box.left and right <= picture.width and bottom >= box.top + box.height and top <= box.top
    assert part.mask.getbbox() == (box.left - left, box.top - top, box.left - left + box.width, box.top - top + box.height)


def test_each_face_has_its_words_its_seed_and_nothing_of_the_rest() -> None:
    request = GenerationRequest.parse(FAST | {
        "seed": 4, "cfg_scale": 6, "tiling": True, "hires": {"steps": 9, "model": "other", "cfg_scale": 5},
        "control": [{"model": "canny"}], "identity": {"strength": 0.5}, "negative_prompt": "fog",
        "detailer": {"prompt": "a boy [SEP] a girl", "cfg_scale": 2}})
    found = [part.request for part in detailer.parts(request, Size(512, 512), [*FACES, *FACES], MINI)]
    assert [one.prompt for one in found] == ["a boy", "a girl", "a girl", "a girl"] and [one.seed for one in found] == [5, 6, 7, 8]
    first = found[0]
    assert (first.model, first.steps, first.cfg_scale) == ("other", 9, 2)
    assert (first.negative_prompt, first.identity.strength) == ("fog", 0.5)
    assert not (first.control or first.tiling or first.hires or first.detailer) and first.init.denoising_strength == 0.4


def test_without_padding_of_its_own_a_face_fills_what_is_painted_as_in_a_portrait() -> None:
    faces = [Box(300, 300, 50, 50), Box(500, 500, 200, 200)]
    small, large = detailer.parts(GenerationRequest.parse({"detailer": {}}), Size(1024, 1024), faces, MINI)
    assert small.box == (270, 270, 380, 380) and large.box == (380, 380, 820, 820) and small.size == (256, 256)


@pytest.mark.parametrize(("prompt", "said"), [
    ("a girl, full figure, in a park", "a girl, close-up, in a park"), ("a girl, (Full Body:1.2)", "a girl, (close-up:1.2)"),
    ("a girl in a park", "a girl in a park, close-up"), ("a boy, Close-up", "a boy, Close-up")])
def test_of_a_face_mini_is_told_that_it_is_near(prompt: str, said: str) -> None:
    assert detailer.near(prompt, MINI) == said and detailer.near(prompt, SD15) == prompt


def test_faces_are_chosen_by_size_and_painted_from_left_to_right() -> None:
    boxes = [Box(150, 0, 30, 30), Box(0, 0, 20, 20), Box(60, 0, 40, 40)]
    assert [b.left for b in detailer.chosen(boxes, Size(200, 200), Detailer())] == [0, 60, 150]
    assert [b.left for b in detailer.chosen(boxes, Size(200, 200), Detailer(most=2))] == [60, 150]
    free = Image.new("L", (200, 200))
    free.paste(255, (70, 0, 80, 10))
    assert [b.left for b in detailer.chosen(boxes, Size(200, 200), Detailer(), free)] == [60]


@pytest.mark.parametrize(("wanted", "line"), [
    ({"denoising_strength": 0.05}, "Detailer denoising strength: 0.05 - of 10 steps none would run. Allowed: 0, or 0.1-1"),
    ({"denoising_strength": 0.05, "steps": 20}, ""), ({"denoising_strength": 0}, "")])
def test_a_strength_at_which_nothing_runs_is_refused(wanted: dict, line: str) -> None:
    request = GenerationRequest.parse({"steps": 10, "detailer": wanted})
    with pytest.raises(FieldError, match=line) if line else nullcontext():
        detailer.check_steps(request)
