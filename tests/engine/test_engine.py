"""What the engine promises: the same request makes the same picture, alone or in a batch, and stops when told."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines import samplers
from pipelines.archive import Archive
from pipelines.engine import Engine
from pipelines.loading.device import Device
from pipelines.spec.errors import Cancelled, FieldError, Skipped
from pipelines.spec.events import Event, Note, Preview, Step
from pipelines.spec.request import GenerationRequest
from tests.engine.conftest import pixels

ALL = [row.name for row in samplers.SAMPLERS if not row.broken]


def test_the_same_request_makes_the_same_pixels(paint: Callable) -> None:
    first, second = paint()[0], paint()[0]
    assert np.array_equal(pixels(first), pixels(second))
    assert first.image.size == (256, 256)


def test_another_seed_prompt_or_cfg_makes_another_picture(paint: Callable) -> None:
    made = [pixels(paint(**change)[0]) for change in ({}, {"seed": 8}, {"prompt": "a white cat at night"}, {"cfg_scale": 3})]
    assert len({m.tobytes() for m in made}) == len(made)


@pytest.mark.parametrize("sampler", ["DPM++ 2M", "Euler a", "DPM++ SDE"])
def test_each_picture_of_a_batch_is_its_single_run(paint: Callable, sampler: str) -> None:
    batch = paint(batch_size=4, sampler=sampler, steps=3)
    assert [f.request.seed for f in batch] == [7, 8, 9, 10]
    for finished in batch:
        alone = paint(seed=finished.request.seed, sampler=sampler, steps=3)[0]
        assert np.array_equal(pixels(finished), pixels(alone))


@pytest.mark.parametrize("sampler", ALL)
def test_a_picture_is_made_again_from_its_own_file(paint: Callable, engine: Engine, tmp_path: Path, sampler: str) -> None:
    made = paint(sampler=sampler, schedule="Automatic", steps=5)[0]
    item = Archive(tmp_path).save(made.image, made.request, {})
    stored = Archive(tmp_path).read(item.file).full
    again = next(engine.run(stored, lambda event: None))
    assert np.array_equal(np.asarray(Image.open(tmp_path / item.file)), pixels(again))


def test_pictures_that_are_there_are_not_made_again(engine: Engine) -> None:
    request = GenerationRequest(seed=1, steps=1, batch_count=4)
    made = list(engine.run(request, lambda event: None, done={0, 2}))
    assert [(f.index, f.request.seed) for f in made] == [(1, 2), (3, 4)]


def test_cancel_takes_effect_within_one_step_and_keeps_what_is_finished(engine: Engine) -> None:
    steps: list[Step] = []

    def emit(event: Event) -> None:
        if isinstance(event, Step):
            steps.append(event)
            if event.image == 2 and event.step == 3:
                raise Cancelled("enough")

    finished = []
    with pytest.raises(Cancelled):
        finished.extend(engine.run(GenerationRequest(seed=1, steps=6, batch_count=3), emit))
    assert (steps[-1].image, steps[-1].step) == (2, 3)
    after = list(engine.run(GenerationRequest(seed=1, steps=6), lambda event: None))
    assert len(after) == 1, "the next job succeeds"


def test_skip_goes_on_with_the_next_picture(engine: Engine) -> None:
    notes: list[str] = []

    def emit(event: Event) -> None:
        if isinstance(event, Note):
            notes.append(event.text)
        if isinstance(event, Step) and (event.image, event.step) == (1, 2):
            raise Skipped("next")

    made = list(engine.run(GenerationRequest(seed=1, steps=3, batch_count=2), emit))
    assert [f.index for f in made] == [1]
    assert notes == ["Skipped picture 1."]


def test_progress_counts_every_step_and_ends_whole(paint: Callable) -> None:
    seen: list[Step] = []
    paint(emit=lambda e: seen.append(e) if isinstance(e, Step) else None, batch_count=2, sampler="Heun", steps=3)
    assert [s.step for s in seen] == [*range(1, 6), *range(1, 6)], "Heun calls the model 2n-1 times"
    assert seen[-1].fraction == 1 and sorted(s.fraction for s in seen) == [s.fraction for s in seen]


def test_previews_are_small_jpegs_of_the_picture_to_be(paint: Callable) -> None:
    seen: list[bytes] = []
    final = paint(emit=lambda e: seen.append(e.jpeg) if isinstance(e, Preview) else None, steps=120)[0]
    assert seen, "120 steps take longer than the time before the first"
    last = Image.open(io.BytesIO(seen[-1]))
    assert last.format == "JPEG" and len(seen[-1]) < 40_000
    difference = np.asarray(last.resize((8, 8)), float) - np.asarray(final.image.resize((8, 8)), float)
    assert np.abs(difference).mean() < 60, "the colours are those of the picture"


def test_a_variation_is_near_and_its_strength_says_how_near(paint: Callable) -> None:
    def away(strength: float) -> float:
        made = paint(variation={"seed": 99, "strength": strength}, steps=8)[0]
        return float(np.abs(pixels(made).astype(int) - base).mean())

    base = pixels(paint(steps=8)[0]).astype(int)
    assert away(0) == 0
    assert 0 < away(0.1) < away(0.9)


def test_tiling_closes_the_seam(paint: Callable) -> None:
    def seam(picture: np.ndarray) -> float:
        """How much rougher the step over the edge is than steps inside."""
        p = picture.astype(float)
        return np.abs(p[:, 0] - p[:, -1]).mean() / (np.abs(np.diff(p, axis=1)).mean() + 1)

    plain, tiled = (pixels(paint(tiling=on, steps=8, cfg_scale=3)[0]) for on in (False, True))
    assert seam(tiled) < seam(plain)
    assert np.array_equal(plain, pixels(paint(steps=8, cfg_scale=3)[0])), "and leaves no trace"


def test_a_prompt_that_changes_on_the_way_is_neither_of_its_ends(paint: Callable) -> None:
    made = [pixels(paint(prompt=p, steps=6)[0]) for p in ("[a red car:a white cat:0.5]", "a red car", "a white cat")]
    assert len({m.tobytes() for m in made}) == 3


def test_hashes_are_pinned_into_what_is_stored(paint: Callable, engine: Engine) -> None:
    request = paint()[0].request
    assert request.model_hash == engine.residency.library.find("mini").short_hash()
    assert len(request.model_hash) == 10 and request.batch_size == 1


def test_old_sampler_labels_are_stored_in_their_own_spelling(paint: Callable) -> None:
    request = paint(sampler="dpm++ 2m karras", schedule="Automatic")[0].request
    assert (request.sampler, request.schedule) == ("DPM++ 2M", "Karras")


def test_an_unknown_model_is_refused_with_the_nearest(paint: Callable) -> None:
    with pytest.raises(FieldError, match="Model: mimi - not found. Allowed: mini"):
        paint(model="mimi")


def test_what_will_not_fit_is_told_before_the_first_step(paint: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, events = paint(steps=2, width=512, height=512)[0], []
    monkeypatch.setattr(Device, "free_memory", lambda self: 185 * 10**6)
    made = paint(events.append, steps=2, width=512, height=512)[0]
    told = [n for n, e in enumerate(events) if isinstance(e, Note)]
    assert events[told[0]].text == ("Size: 512×512 - decoding needs about 338 MB, 185 MB are free. "
                                    "It will be decoded in tiles.") and len(told) == 1
    assert told[0] < min(n for n, e in enumerate(events) if isinstance(e, Step))
    assert 0 < np.abs(pixels(made).astype(int) - pixels(plain).astype(int)).mean() < 8, "tiles, the same picture"
