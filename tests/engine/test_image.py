"""Mini starts from a picture: strength, masks, frames, and the same request makes the same picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipelines import samplers
from pipelines.archive.inputs import Inputs
from pipelines.engine import Engine
from pipelines.spec.events import Event, Note, Step
from pipelines.spec.request import GenerationRequest

SAMPLERS = [s.name for s in samplers.SAMPLERS if not s.broken]


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return Inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="session")
def scene(inputs: Inputs) -> str:
    """A kept picture: a sky, a ground, a red box."""
    picture = Image.new("RGB", (256, 256), (120, 180, 240))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 160, 255, 255), fill=(90, 170, 80))
    draw.rectangle((80, 120, 180, 200), fill=(200, 30, 30))
    return inputs.keep(picture)


@pytest.fixture(scope="session")
def again(engine: Engine, inputs: Inputs) -> Callable[..., np.ndarray]:
    """The pixels of one picture that starts from another."""
    own = Engine(engine.residency, None, inputs)

    def run(emit: Callable[[Event], None] = lambda event: None, **fields: object) -> np.ndarray:
        request = GenerationRequest.parse({"prompt": "a red car", "steps": 4, "seed": 7} | fields)
        return np.asarray(next(own.run(request, emit)).image)

    return run


def test_strength_nought_gives_the_picture_back_and_says_so(again, inputs: Inputs, scene: str) -> None:
    said: list[Event] = []
    made = again(said.append, init={"image": scene, "denoising_strength": 0})
    assert np.array_equal(made, np.asarray(inputs.open(scene)))
    assert any(isinstance(e, Note) and "nothing would change" in e.text for e in said)


def test_the_stronger_the_further_from_the_picture(again, inputs: Inputs, scene: str) -> None:
    source = np.asarray(inputs.open(scene), int)
    away = [np.abs(again(steps=10, init={"image": scene, "denoising_strength": s}) - source).mean() for s in (0.2, 0.5, 1.0)]
    assert away == sorted(away) and away[2] > away[0] + 5


@pytest.mark.parametrize(("exact", "steps"), [(False, 3), (True, 10)], ids=["steps × strength", "exact steps"])
def test_as_many_steps_are_run_as_said(again, scene: str, exact: bool, steps: int) -> None:
    seen: list[Event] = []
    again(seen.append, steps=10, sampler="Euler", init={"image": scene, "denoising_strength": 0.3, "exact_steps": exact})
    assert [e.step for e in seen if isinstance(e, Step)] == list(range(1, steps + 1))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_starts_from_a_picture_and_repeats_itself(again, inputs: Inputs, scene: str, sampler: str) -> None:
    fields = {"sampler": sampler, "steps": 6, "init": {"image": scene, "denoising_strength": 0.5}}
    first = again(**fields)
    assert np.array_equal(first, again(**fields))
    assert np.abs(first - np.asarray(inputs.open(scene), int)).mean() < 60      # still that picture, not noise


@pytest.mark.parametrize("content", ["fill", "original", "latent noise", "latent nothing"])
def test_outside_the_mask_nothing_changes_and_inside_it_does(again, inputs: Inputs, scene: str, content: str) -> None:
    mask = Image.new("L", (256, 256))
    ImageDraw.Draw(mask).rectangle((64, 100, 200, 220), fill=255)
    made = again(init={"image": scene}, inpaint={"mask": inputs.keep(mask), "mask_blur": 2, "masked_content": content})
    source = np.asarray(inputs.open(scene))
    assert np.array_equal(made[:90], source[:90]) and np.array_equal(made[:, :50], source[:, :50])
    assert np.abs(made[120:200, 80:180].astype(int) - source[120:200, 80:180]).mean() > 3


def test_the_coherence_pass_changes_the_seam_and_nothing_beyond_the_mask(again, inputs: Inputs, scene: str) -> None:
    mask = Image.new("L", (256, 256))
    ImageDraw.Draw(mask).rectangle((64, 64, 191, 191), fill=255)
    seen: list[Event] = []
    how = {"mask": inputs.keep(mask), "mask_blur": 2}
    plain = again(init={"image": scene}, inpaint=how)
    joined = again(seen.append, init={"image": scene}, inpaint=how | {"seam_strength": 0.5, "seam_width": 16})
    source, steps = np.asarray(inputs.open(scene)), [e for e in seen if isinstance(e, Step)]
    assert np.array_equal(joined[:56], source[:56]) and np.array_equal(joined[200:], source[200:])
    changed = np.abs(joined.astype(int) - plain).max(-1)
    assert changed[64:80, 64:192].mean() > 1 and changed[64:80, 64:192].mean() > 2 * changed[112:144, 112:144].mean()
    assert len(steps) == 5 and steps[-1].fraction == 1 and [e.fraction for e in steps] == sorted(e.fraction for e in steps)


def test_only_masked_leaves_a_large_picture_at_its_size(again, inputs: Inputs) -> None:
    large = inputs.keep(Image.effect_noise((600, 400), 30).convert("RGB"))
    mask = Image.new("L", (600, 400))
    ImageDraw.Draw(mask).ellipse((300, 200, 360, 260), fill=255)
    made = again(init={"image": large}, inpaint={"mask": inputs.keep(mask), "area": "Only masked"})
    changed = np.argwhere((made != np.asarray(inputs.open(large))).any(-1))
    assert made.shape == (400, 600, 3) and len(changed)
    assert changed.min(0)[0] > 180 and changed.max(0)[0] < 280 and changed.min(0)[1] > 280 and changed.max(0)[1] < 380


def test_outpainting_makes_the_frame_larger_and_keeps_the_middle(again, inputs: Inputs, scene: str) -> None:
    made = again(width=384, init={"image": scene, "denoising_strength": 0.9}, outpaint={"left": 128})
    assert made.shape == (256, 384, 3)
    assert np.array_equal(made[:, 128 + 80:], np.asarray(inputs.open(scene))[:, 80:])


def test_pictures_of_a_batch_equal_their_single_runs(engine: Engine, inputs: Inputs, scene: str) -> None:
    own = Engine(engine.residency, None, inputs)
    request = GenerationRequest.parse({"steps": 4, "seed": 3, "batch_size": 2, "init": {"image": scene}})
    both = [f.image for f in own.run(request, lambda event: None)]
    alone = next(own.run(request.image(1), lambda event: None)).image
    assert np.array_equal(np.asarray(both[1]), np.asarray(alone))


def test_inputs_lie_beside_the_outputs(inputs: Inputs, scene: str) -> None:
    assert inputs.path(scene) == Path(inputs.folder) / f"{scene}.png"
