"""The second pass through mini: steps really run, the layout kept, the first picture kept when memory ends, repeatable."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.edges import edge_f1
from pipelines.archive import Archive
from pipelines.archive.inputs import Inputs
from pipelines.engine import Engine, Finished
from pipelines.loading import memory
from pipelines.patches.glimpse import Glimpse
from pipelines.spec.errors import Cancelled, FieldError, OutOfMemory
from pipelines.spec.events import Event, Note, Stage, Step
from pipelines.spec.geometry import Size
from pipelines.spec.parts import Hires, Tiled
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.enlarge import LATENT, names, resolved
from tests.engine.conftest import pixels


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The size of the latents at every call of the model."""
    seen: list[tuple[int, ...]] = []
    keep = Glimpse._keep

    def counted(self, module, args, kwargs, output) -> None:
        seen.append(tuple((args[0] if args else kwargs["sample"]).shape[-2:]))
        keep(self, module, args, kwargs, output)

    monkeypatch.setattr(Glimpse, "_keep", counted)
    return seen


@pytest.mark.parametrize(("strength", "upscaler"), [(0.2, "Automatic"), (0.55, "Latent (nearest-exact)")])
def test_hires_steps_are_really_run_and_counted_in_one_progress(paint, asked, strength: float, upscaler: str) -> None:
    seen: list[Step] = []
    made = paint(lambda e: seen.append(e) if isinstance(e, Step) else None, sampler="Euler", steps=3,
                 hires={"steps": 5, "denoising_strength": strength, "upscaler": upscaler, "scale": 1.5})[0]
    assert asked == [(16, 16)] * 3 + [(24, 24)] * 5
    assert [(s.step, s.steps) for s in seen] == [(n, 8) for n in range(1, 9)]
    assert [round(s.fraction * 14.25, 2) for s in seen] == [1, 2, 3, 5.25, 7.5, 9.75, 12, 14.25], "weighed by pixels"
    assert made.image.size == (384, 384) and made.request.hires.upscaler in ("mini-x2", "Lanczos", upscaler)


def test_the_layout_of_the_first_pass_is_kept(paint: Callable[..., list[Finished]]) -> None:
    fields = {"prompt": "a red car, in the snow", "steps": 12, "schedule": "Karras", "cfg_scale": 5}
    first = paint(**fields)[0].image
    larger = paint(**fields, hires={"steps": 8, "denoising_strength": 0.2})[0].image
    assert edge_f1(first.resize(larger.size, Image.Resampling.BICUBIC), larger) >= 0.7


def test_a_size_is_covered_and_cut(paint: Callable[..., list[Finished]]) -> None:
    wanted = {"width": 320, "height": 320, "denoising_strength": 0, "upscaler": "Lanczos"}
    made = paint(width=256, height=192, steps=2, hires=wanted)
    assert made[0].image.size == (320, 320)
    whole = paint(width=256, height=192, steps=2)[0].image.resize((432, 320), Image.Resampling.LANCZOS)
    assert np.abs(pixels(made[0]).astype(int) - np.asarray(whole.crop((56, 0, 376, 320)))).mean() < 2


def test_the_second_pass_may_have_its_own_words_sampler_and_guidance(paint: Callable[..., list[Finished]]) -> None:
    base = {"scale": 1.25, "steps": 3, "denoising_strength": 0.7, "upscaler": "Lanczos"}
    own: tuple[dict, ...] = ({}, {"prompt": "a white cat"}, {"negative_prompt": "red"}, {"cfg_scale": 2}, {"sampler": "Euler a"})
    made = [pixels(paint(steps=3, hires=base | more)[0]) for more in own]
    assert len({m.tobytes() for m in made}) == len(own)


def test_it_is_made_again_from_its_own_file(paint, engine: Engine, tmp_path: Path) -> None:
    wanted = {"scale": 1.25, "steps": 3, "upscaler": "Latent", "denoising_strength": 0.6}
    made = paint(steps=3, sampler="DPM++ 2M SDE", hires=wanted)[0]
    item = Archive(tmp_path).save(made.image, made.request, {})
    again = next(engine.run(Archive(tmp_path).read(item.file).full, lambda event: None))
    assert np.array_equal(pixels(made), pixels(again))


def test_only_the_second_pass_is_run_over_a_finished_picture(paint, engine: Engine, asked, tmp_path: Path) -> None:
    inputs = Inputs(tmp_path)
    finished = paint(steps=3, sampler="Euler")[0]
    asked.clear()
    request = finished.request.merged({"init": {"image": inputs.keep(finished.image), "denoising_strength": 0},
                                       "hires": {"scale": 1.25, "steps": 4, "denoising_strength": 0.4}})
    made = next(Engine(engine.residency, None, inputs).run(request, lambda event: None))
    assert asked == [(20, 20)] * 4 and made.image.size == (320, 320)
    both = paint(steps=3, sampler="Euler", hires={"scale": 1.25, "steps": 4, "denoising_strength": 0.4})[0]
    assert np.array_equal(pixels(made), pixels(both)), "the same picture as in one go"


def test_the_first_picture_is_kept_when_the_second_does_not_fit(paint, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Event] = []
    ladder = memory.with_memory_ladder

    def short(run, pipe, device, emit, what="the picture"):
        if any(isinstance(e, Stage) and e.text.startswith("Enlarging") for e in said):
            raise OutOfMemory(what)
        return ladder(run, pipe, device, emit, what)

    monkeypatch.setattr(memory, "with_memory_ladder", short)
    request = GenerationRequest(prompt="a red car, in the snow", steps=3, seed=7).merged({"hires": {"steps": 3}})
    run = engine.run(request, said.append)
    kept = next(run)
    assert kept.image.size == (256, 256) and kept.request.hires is None
    assert any(isinstance(e, Note) and "first pass is kept" in e.text for e in said)
    with pytest.raises(OutOfMemory):
        next(run)


def test_what_enlarged_and_painted_the_second_pass_is_named_by_its_hash(paint, engine: Engine) -> None:
    def said(hires: dict) -> dict:
        return paint(steps=1, hires={"scale": 1.25, "steps": 1, "denoising_strength": 0.6} | hires)[0].extra

    own = hashlib.sha256(engine.upscalers.find("mini-x4").path.read_bytes()).hexdigest()[:10]
    model = engine.residency.library.find("mini").short_hash()
    assert said({"upscaler": "mini-x4", "model": "mini"}) == {"Hires Model hash": model, "Hires upscaler hash": own}
    assert said({"upscaler": "Lanczos"}) == said({"upscaler": "Latent"}) == {}, "nothing of its own to name"


def test_cancel_takes_effect_in_the_second_pass(paint: Callable[..., list[Finished]]) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, Step) and event.step == 4:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        paint(stop, steps=2, sampler="Euler", hires={"scale": 1.25, "steps": 4})


def test_names_of_upscalers(engine: Engine) -> None:
    known = engine.upscalers
    assert names(known)[1:7] == list(LATENT) and "Latent" not in names(known, latent=False)
    first = Size(256, 192)
    assert resolved(Hires(upscaler="latent (BICUBIC)"), first, known, "mini") == "Latent (bicubic)"
    with pytest.raises(FieldError, match="Hires upscaler: lanzos - not found. Allowed: Lanczos"):
        resolved(Hires(upscaler="lanzos"), first, known, "mini")


@pytest.mark.parametrize(("wanted", "family", "name"), [
    (Hires(upscaler="automatic", scale=2), "mini", "mini-x2"), (Hires(scale=2.1), "mini", "mini-x4"),
    (Hires(width=512, height=400), "mini", "mini-x4"), (Hires(width=512), "mini", "mini-x2"), (Tiled(scale=4), "mini", "mini-x4"),
    (Hires(), "sd15", "Lanczos")], ids=str)
def test_automatic_is_the_familys_own_for_the_factor(engine: Engine, wanted: Hires | Tiled, family: str, name: str) -> None:
    assert resolved(wanted.model_copy(update={"upscaler": "Automatic"}), Size(256, 192), engine.upscalers, family) == name
