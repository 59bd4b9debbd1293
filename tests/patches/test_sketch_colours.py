"""Low-pass refinement keeps the strokes' coarse colours exactly; three branches follow their formula."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pipelines import samplers
from pipelines.patches.low_pass import LowPass, cells, low_pass
from pipelines.patches.three_branch import ThreeBranches, approximated, controlled, trained
from pipelines.prompt.embed import embed
from pipelines.spec.errors import FieldError

STROKES = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(2))
NOISE = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))


def run(pipe: Any, on_step: Any = None, sampler: str = "Euler", steps: int = 10) -> torch.Tensor:
    kept = pipe.scheduler
    base = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    pipe.scheduler, call = samplers.build(sampler, "Automatic", base, steps, [0], "sd15")
    pipe.set_progress_bar_config(disable=True)
    try:
        return pipe(**embed(pipe, "a red car", "night"), **call, width=16, height=16, guidance_scale=3.0, latents=NOISE.clone(),
                    output_type="latent", callback_on_step_end=on_step, generator=torch.Generator().manual_seed(0)).images
    finally:
        pipe.scheduler = kept


@pytest.mark.parametrize(("realism", "size", "expected"), [
    (0, (64, 64), (32, 32)), (0.4, (64, 64), (8, 8)), (0.99, (64, 64), (1, 1)), (1, (64, 64), None),
    (0, (16, 16), (8, 8)), (0, (20, 14), (10, 7)), (0, (9, 7), (1, 1))])
def test_realism_coarsens_the_cells(realism: float, size: tuple[int, int], expected: tuple[int, int] | None) -> None:
    assert cells(realism, *size) == expected


def test_realism_outside_its_range_is_refused() -> None:
    with pytest.raises(FieldError, match="0-1"):
        cells(1.5, 8, 8)


def test_the_low_pass_is_a_projection_and_leaves_the_rest_alone() -> None:
    mixed = STROKES - low_pass(STROKES, (4, 4)) + low_pass(NOISE, (4, 4))
    assert torch.allclose(low_pass(mixed, (4, 4)), low_pass(NOISE, (4, 4)), atol=1e-6)
    assert torch.allclose(mixed - low_pass(mixed, (4, 4)), STROKES - low_pass(STROKES, (4, 4)), atol=1e-6)


@pytest.mark.parametrize("sampler", ["Euler", "Euler a", "DPM++ 2M", "DDIM", "UniPC"])
def test_a_step_keeps_the_low_pass_exactly_at_every_sampler(sd: Any, sampler: str) -> None:
    errors: list[float] = []
    on = LowPass(STROKES, NOISE, realism=0.5)

    def watch(pipe: Any, step: int, t: Any, tensors: dict) -> dict:
        tensors = on.on_step(pipe, step, t, tensors)
        if step < 8:
            wanted = pipe.scheduler.add_noise(STROKES, NOISE, pipe.scheduler.timesteps[step + 1].reshape(1))
            errors.append(float((low_pass(tensors["latents"] - wanted, (2, 2))).abs().max() / wanted.abs().max()))
        return tensors

    run(sd, watch, sampler)
    assert len(errors) == 8
    assert max(errors) < 1e-5, errors


def test_less_realism_brings_the_result_nearer_to_the_strokes(sd: Any) -> None:
    def distance(realism: float) -> float:
        return float((run(sd, LowPass(STROKES, NOISE, realism).on_step) - STROKES).square().mean())

    distances = [distance(realism) for realism in (1.0, 0.9, 0.5, 0.0)]
    assert distances == sorted(distances, reverse=True), distances
    assert distances[-1] < 0.8 * distances[0], distances


def test_realism_one_equals_the_plain_run_bit_for_bit(sd: Any) -> None:
    assert torch.equal(run(sd, LowPass(STROKES, NOISE, 1.0).on_step), run(sd))


def test_two_calls_a_step_are_refused(sd: Any) -> None:
    with pytest.raises(FieldError, match="twice a step"):
        run(sd, LowPass(STROKES, NOISE, 0.2).on_step, "Heun")


def test_the_formulas_are_the_papers() -> None:
    null, text, sketch, stroke = torch.randn(4, 1, 4, 8, 8)
    assert torch.allclose(trained(null, sketch, stroke, 2, 0.5), null + 2 * (sketch - null) + 0.5 * (stroke - null))
    answer = approximated(text, sketch, stroke, (2, 0.5), cfg_scale=7.0)
    wanted = null + 7 * (text - null) + 2 * (sketch - text) + 0.5 * (stroke - text)
    assert torch.allclose(null + 7 * (answer - null), wanted, atol=1e-5)


def test_the_branches_enter_a_run_and_leave_it(sd: Any) -> None:
    from diffusers import ControlNetModel

    torch.manual_seed(0)
    net = ControlNetModel.from_unet(sd.unet, conditioning_embedding_out_channels=(4, 8)).eval()
    for layer in (*net.controlnet_down_blocks, net.controlnet_mid_block):
        torch.nn.init.normal_(layer.weight, std=0.3)
    sketch, stroke = (controlled(net, torch.rand(1, 3, 16, 16)) for _ in range(2))
    plain, results = run(sd), {}
    for scales in ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)):
        with ThreeBranches(sd, sketch, stroke, scales, cfg_scale=3.0):
            results[scales] = run(sd)
    assert torch.equal(results[0.0, 0.0], plain)
    assert not torch.equal(results[1.0, 0.0], plain)
    assert not torch.equal(results[1.0, 1.0], results[1.0, 0.0])
    assert not sd.unet._forward_hooks
