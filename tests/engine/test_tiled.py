"""Tiled upscales through mini: sizes off the grid, every way of tiling, repeatable, stopped and taken up again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from pipelines.archive.inputs import Inputs
from pipelines.engine import Engine, Finished
from pipelines.loading.compat import torch
from pipelines.spec.errors import Cancelled, FieldError
from pipelines.spec.events import Event, Note, Step
from pipelines.spec.geometry import Size
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.blended import TiledUNet
from pipelines.tasks.feature import Run, Window
from pipelines.tasks.kept import Kept
from pipelines.tasks.tiles import windows

SEAMS = {"method": "Separate", "seam_fix": "Band", "seam_denoising_strength": 0.5, "seam_width": 32}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return Inputs(tmp_path_factory.mktemp("outputs"))


@pytest.fixture(scope="module")
def source(inputs: Inputs) -> str:
    """65×40 pixels: twice that is on no grid."""
    ramp = np.linspace(0, 255, 65)[None, :, None] * np.linspace(0.3, 1, 40)[:, None, None] * np.array([1, 0.6, 0.3])
    return inputs.keep(Image.fromarray(ramp.astype(np.uint8)))


@pytest.fixture(scope="module")
def larger(engine: Engine, inputs: Inputs, source: str) -> Callable[..., Finished]:
    own = Engine(engine.residency, None, inputs)

    def run(emit: Callable[[Event], None] = lambda event: None, strength: float = 0.5, init: dict | None = None,
            sampler: str = "Euler", **tiled: object) -> Finished:
        wanted = {"scale": 2, "tile": 64, "padding": 8, "upscaler": "Lanczos"} | tiled
        request = GenerationRequest.parse({"prompt": "a red car", "steps": 4, "seed": 7, "sampler": sampler, "tiled": wanted,
                                           "init": {"image": source, "denoising_strength": strength} | (init or {})})
        return next(own.run(request, emit))

    return run


@pytest.mark.parametrize(("tiled", "calls"), [
    ({}, 3 * 2 * 2), ({"method": "Feathered"}, 3 * 2 * 2), ({"method": "Separate", "order": "Chess"}, 3 * 2 * 2),
    (SEAMS, (6 + 7) * 2),
], ids=["blended", "feathered", "separate", "separate with bands"])
def test_a_picture_off_the_grid_comes_out_to_the_pixel_and_every_window_is_counted(larger, inputs, source, tiled, calls) -> None:
    seen: list[Event] = []
    made = larger(seen.append, **tiled)
    enlarged = np.asarray(inputs.open(source).resize((130, 80), Image.Resampling.LANCZOS), int)
    steps = [e for e in seen if isinstance(e, Step)]
    assert made.image.size == (130, 80) and made.extra["Seam score"] > 0
    assert np.abs(np.asarray(made.image, int) - enlarged).mean() > 0.5, "painted, not enlarged alone"
    assert steps[-1].fraction == 1 and steps[-1].step == steps[-1].steps == calls
    assert [s.fraction for s in steps] == sorted(s.fraction for s in steps)
    assert any(isinstance(e, Note) and e.text.startswith("Seams: ") for e in seen)


@pytest.mark.parametrize("method", ["Blended", "Feathered", "Separate"])
def test_colour_correction_gives_every_way_of_tiling_the_colours_of_the_enlarged_picture(larger, inputs, source, method) -> None:
    def apart(**changes: bool) -> float:
        made = larger(method=method, init=changes).image
        return np.abs(np.asarray(made, float).mean((0, 1)) - enlarged).max()

    enlarged = np.asarray(inputs.open(source).resize((130, 80), Image.Resampling.LANCZOS), float).mean((0, 1))
    assert apart(color_correction=True) < apart() / 2


def test_strength_nought_only_enlarges(larger: Callable[..., Finished], inputs: Inputs, source: str) -> None:
    made = larger(strength=0)
    assert np.array_equal(np.asarray(made.image), np.asarray(inputs.open(source).resize((130, 80), Image.Resampling.LANCZOS)))


@pytest.mark.parametrize("more", [{}, SEAMS | {"seam_denoising_strength": 0.1}], ids=["tiles", "seams"])
def test_a_run_without_a_single_step_is_refused_before_anything_is_loaded(larger: Callable[..., Finished], more: dict) -> None:
    seen: list[Event] = []
    with pytest.raises(FieldError, match="enoising strength: 0.1 - of 4 steps none would run"):
        larger(seen.append, strength=0.5 if more else 0.1, **more)
    assert not seen


@pytest.mark.parametrize("method", ["Blended", "Separate"])
def test_the_same_request_makes_the_same_picture(larger: Callable[..., Finished], method: str) -> None:
    assert np.array_equal(np.asarray(larger(method=method).image), np.asarray(larger(method=method).image))


def test_a_run_is_stopped_at_a_tile_and_goes_on_where_it_ended(larger: Callable[..., Finished], inputs: Inputs) -> None:
    whole = np.asarray(larger(method="Separate").image)
    seen: list[Step] = []

    def stop(event: Event) -> None:
        if isinstance(event, Step):
            seen.append(event)
            if event.step == 7:
                raise Cancelled("enough")

    with pytest.raises(Cancelled):
        larger(stop, method="Separate")
    kept = sorted((Path(inputs.folder).parent / ".tiles").rglob("*.png"))
    seen.clear()
    again = larger(lambda e: seen.append(e) if isinstance(e, Step) else None, method="Separate")
    assert len(kept) == 3 and [s.step for s in seen][:4] == [2, 4, 6, 7], "three tiles are not painted again"
    assert np.array_equal(np.asarray(again.image), whole)
    assert not list((Path(inputs.folder).parent / ".tiles").rglob("*.png"))


def test_a_blended_run_goes_on_after_the_last_finished_step_to_the_same_picture(larger, inputs: Inputs) -> None:
    """Six windows, four steps of a sampler that remembers what the model told it before."""
    kept, asked = Path(inputs.folder).parent / ".tiles", {"init": {"exact_steps": True}, "sampler": "DPM++ 2M"}
    seen: list[int] = []

    def stop(event: Event) -> None:
        if isinstance(event, Step):
            seen.append(event.step)
            if event.step == 14:
                raise Cancelled("enough")

    whole = np.asarray(larger(**asked).image)
    with pytest.raises(Cancelled):
        larger(stop, **asked)
    answers = len(list(kept.rglob("*.latents")))
    assert seen[-1] == 14 and answers == 2, "two whole calls of six windows are kept, the begun third is not"
    seen.clear()
    again = larger(lambda e: seen.append(e.step) if isinstance(e, Step) else None, **asked)
    assert seen[0] == 6 and not {7, 11} & set(seen) and 13 in seen, "windows of the first two calls are not painted again"
    assert np.array_equal(np.asarray(again.image), whole) and not list(kept.rglob("*.latents"))


class Echo(torch.nn.Module):
    """Answers with what it is shown, and remembers where."""

    dtype = torch.float32

    def __init__(self, window: Window) -> None:
        super().__init__()
        self.window, self.boxes, self.ids = window, [], []

    def forward(self, sample, timestep, added_cond_kwargs=None, return_dict=False):
        self.boxes.append(self.window.box)
        self.ids.append(None if added_cond_kwargs is None else added_cond_kwargs["time_ids"].tolist())
        return (sample.clone(),)


def _run(echo: Echo, size: Size) -> Run:
    """size: latent pixels, of a model whose latents are eight times smaller than its pictures."""
    pipe = SimpleNamespace(unet=echo, vae_scale_factor=8)
    return Run(pipe, 1, size.width * 8, size.height * 8, 1, False, echo.window)


@pytest.mark.parametrize(("width", "height"), [(40, 24), (7, 1), (16, 16), (33, 50)])
def test_an_identity_model_in_windows_is_the_identity_and_each_window_is_told(tmp_path: Path, width: int, height: int) -> None:
    window = Window()
    echo, size = Echo(window), Size(width, height)
    plan, sample = windows(size, 16, 4, 1), torch.randn(2, 4, height, width)
    done: list[int] = []
    unet = TiledUNet(_run(echo, size), plan, Kept(tmp_path), done.append)
    assert torch.allclose(unet(sample, 0)[0], sample, atol=1e-5) and unet.dtype is torch.float32
    assert echo.boxes == [tile.box for tile in plan] and window.box is None and done == list(range(1, len(plan) + 1))


def test_sdxl_is_told_the_size_of_the_window(tmp_path: Path) -> None:
    window = Window()
    echo = Echo(window)
    ids = torch.tensor([[320, 192, 0, 0, 320, 192]])
    TiledUNet(_run(echo, Size(40, 24)), windows(Size(40, 24), 16, 4, 1), Kept(tmp_path), lambda n: None)(
        torch.zeros(1, 4, 24, 40), 0, added_cond_kwargs={"time_ids": ids})
    assert echo.ids[0] == [[128, 128, 0, 0, 128, 128]] and ids.tolist() == [[320, 192, 0, 0, 320, 192]]


@pytest.mark.parametrize("method", ["Blended", "Separate"])
def test_features_know_which_part_of_which_picture_is_painted(engine: Engine, inputs: Inputs, source: str, method: str) -> None:
    from pipelines.tasks import text
    from pipelines.tasks.enlarge import Enlarger
    from pipelines.tasks.tiled import TiledTask

    seen: list[tuple] = []

    @contextmanager
    def spy(run: Run) -> Iterator[Callable[[int], None]]:
        handle = run.pipe.unet.register_forward_pre_hook(lambda *_: seen.append((run.width, run.height, run.window.box)))
        try:
            yield lambda call: None
        finally:
            handle.remove()

    request = GenerationRequest.parse({"steps": 2, "seed": 1, "init": {"image": source, "denoising_strength": 0.5},
                                       "tiled": {"method": method, "tile": 64, "padding": 8, "upscaler": "Lanczos"}})
    family, pipe = engine.residency.family("mini"), engine.residency.pipeline("img2img", "mini")
    task = TiledTask.of([request], inputs.open(source), family, Enlarger(engine.upscalers, engine.residency, lambda e: None),
                        lambda r: Kept(inputs.folder / "none"))
    task.paint(pipe, lambda *_: None, text.Means("mini", features=(spy,)))
    expected = [tuple(edge // 16 for edge in job.window.box) for job in task.jobs]
    assert seen == [(144, 80, box) for box in expected]


@pytest.mark.parametrize(("method", "strength"), [("Blended", 0.5), ("Separate", 0.5), ("Blended", 0)])
def test_a_transparent_picture_stays_as_transparent(larger, inputs, method: str, strength: float) -> None:
    clear = np.zeros((40, 65), np.uint8)
    clear[:, 30:] = 255
    kept = inputs.keep(Image.merge("RGBA", (*Image.new("RGB", (65, 40), "teal").split(), Image.fromarray(clear))))
    made = larger(method=method, strength=strength, init={"image": kept}).image
    wanted = Image.fromarray(clear).resize((130, 80), Image.Resampling.LANCZOS)
    assert made.mode == "RGBA" and np.array_equal(np.asarray(made.getchannel("A")), np.asarray(wanted))


def test_what_was_painted_over_the_picture_is_enlarged_with_it(larger, inputs, source: str) -> None:
    layer = Image.new("RGBA", (65, 40))
    layer.paste((0, 0, 255, 255), (10, 10, 30, 30))
    made = larger(strength=0, init={"strokes": inputs.keep(layer)}).image
    assert made.getpixel((40, 40)) == (0, 0, 255) != larger(strength=0).image.getpixel((40, 40))


@pytest.mark.parametrize("method", ["Blended", "Separate"])
def test_an_exact_size_is_covered_and_cut_to_the_pixel(larger, method: str) -> None:
    made = larger(width=101, height=67, method=method)
    assert made.image.size == (101, 67) and made.request.tiled.width == 101
