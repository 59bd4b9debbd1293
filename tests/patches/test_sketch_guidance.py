"""Guidance by a sketch: the published layouts, the exact length of the correction, and no trace when it is off."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pipelines.patches.sketch_guidance import (
    HOOKS,
    EdgePredictor,
    Hooks,
    SketchGuidance,
    correction,
    hooks_for,
    noise_level,
    predictor,
    watching,
)
from pipelines.prompt.embed import embed
from pipelines.spec.errors import FieldError, ModelFileError

TINY = Hooks(("down_blocks.0.attentions.0", "mid_block.resnets.0", "up_blocks.1"))
TARGET = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(9))


@pytest.fixture(scope="module")
def small() -> EdgePredictor:
    torch.manual_seed(4)
    return EdgePredictor(32 + 64 + 32).eval().requires_grad_(False)


def run(pipe: Any, on_step: Any, steps: int = 4) -> torch.Tensor:
    pipe.set_progress_bar_config(disable=True)
    return pipe(**embed(pipe, "a red car", "night"), width=16, height=16, num_inference_steps=steps, guidance_scale=3.0,
                output_type="latent", callback_on_step_end=on_step, generator=torch.Generator().manual_seed(0)).images


@pytest.mark.parametrize("named", ["paper", "sketch2img", "every block"])
def test_the_hooks_have_the_published_channels_on_stable_diffusion(named: str) -> None:
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet = UNet2DConditionModel(cross_attention_dim=768)
        with watching(unet, HOOKS[named]) as activations:
            unet(torch.zeros(1, 4, 64, 64), torch.zeros(1), torch.zeros(1, 77, 768))
            channels = sum(a.shape[1] for a in activations())
    assert channels == (7040 if named == "every block" else 9280)
    assert not any(m._forward_hooks for m in unet.modules())


@pytest.mark.parametrize("nested", [False, True], ids=["flat", "with optimizer"])
def test_both_published_forms_load(nested: bool) -> None:
    state: dict[str, Any] = EdgePredictor(7040 if nested else 9280).state_dict()
    assert state["layers.0.weight"].shape == (512, 7080 if nested else 9320)
    assert len(state) == 5 * 2 + 4 * 5
    made = predictor({"model_state_dict": state, "optimizer_state_dict": {}, "loss": 0.1} if nested else state)
    assert hooks_for(made) == HOOKS["every block" if nested else "paper"]
    assert not made.training
    assert torch.equal(made.layers[0].weight, state["layers.0.weight"])


def test_another_file_is_refused() -> None:
    with pytest.raises(ModelFileError, match="no latent guidance predictor"):
        predictor({"conv.weight": torch.zeros(3)})


def test_a_model_without_the_layers_is_refused(sd: Any, small: EdgePredictor) -> None:
    with pytest.raises(FieldError, match="does not have"), watching(sd.unet, HOOKS["every block"]):
        pytest.fail("it began")


def test_the_mini_model_has_its_layers(mini_dir: Any) -> None:
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(mini_dir / "unet"))
        with watching(unet, HOOKS["mini"]) as activations:
            unet(torch.zeros(1, unet.config.in_channels, 16, 16), torch.zeros(1), torch.zeros(1, 77, 192))
            assert len(activations()) == len(HOOKS["mini"].modules)


def test_beta_zero_equals_the_plain_run_bit_for_bit(sd: Any, small: EdgePredictor) -> None:
    with SketchGuidance(sd, small, TARGET, beta=0, hooks=TINY) as on:
        off = run(sd, on.on_step)
    assert torch.equal(off, run(sd, None))
    assert not sd.unet._forward_pre_hooks


def test_the_correction_is_beta_times_as_long_as_the_step() -> None:
    before, after, gradient = torch.randn(3, 2, 4, 8, 8)
    shift = correction(before, after, gradient * torch.tensor([1.0, 1e6])[:, None, None, None], beta=0.7)
    step = (after - before).flatten(1).norm(dim=1)
    assert torch.allclose(shift.flatten(1).norm(dim=1), 0.7 * step, rtol=1e-5)


def test_a_guided_step_starts_at_the_latents_the_scheduler_had(sd: Any, small: EdgePredictor) -> None:
    """Euler scales its input, so what the UNet saw must be scaled back: the length of the first step tells."""
    seen: list[torch.Tensor] = []
    with SketchGuidance(sd, small, TARGET, hooks=TINY) as on:
        def keep(pipe: Any, step: int, t: Any, tensors: dict) -> dict:
            seen.append(on._gradient(True)[0])
            return tensors
        run(sd, keep, steps=3)
    start = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * sd.scheduler.init_noise_sigma
    assert torch.allclose(seen[0], start, rtol=1e-5, atol=1e-5)


def test_guided_latents_are_nearer_to_the_drawing_than_free_ones(sd: Any) -> None:
    """A predictor that sees the latents themselves: what it is asked for, it gets."""
    own = Hooks(("conv_in",))
    torch.manual_seed(1)
    net = EdgePredictor(32).eval().requires_grad_(False)
    losses = []
    for beta in (0.0, 0.2):
        with SketchGuidance(sd, net, TARGET * 0.1, beta, hooks=own) as on:
            def watch(pipe: Any, step: int, t: Any, tensors: dict, on: SketchGuidance = on) -> dict:
                losses.append(on.loss()) if step == 1 else None
                return on.on_step(pipe, step, t, tensors)
            run(sd, watch, steps=4)
    assert losses[1] < losses[0]


def test_only_the_guided_part_is_touched(sd: Any, small: EdgePredictor) -> None:
    touched: list[bool] = []
    with SketchGuidance(sd, small, TARGET, beta=1, part=0.5, hooks=TINY) as on:
        def watch(pipe: Any, step: int, t: Any, tensors: dict) -> dict:
            before = tensors["latents"].clone()
            after = on.on_step(pipe, step, t, tensors)
            touched.append(not torch.equal(before, after["latents"]))
            return after
        run(sd, watch, steps=6)
    assert touched == [True] * 4 + [False] * 2


def test_guidance_brings_the_predicted_edges_towards_the_drawing(sd: Any, small: EdgePredictor) -> None:
    losses: dict[float, float] = {}
    for beta in (0.0, 1.0):
        seen: list[float] = []
        with SketchGuidance(sd, small, TARGET, beta=beta, hooks=TINY) as on, watching(sd.unet, TINY) as activations:
            def step(pipe: Any, i: int, t: Any, tensors: dict, on=on, seen=seen, activations=activations) -> dict:
                features = [a[1:2] for a in activations()]
                seen.append(float(((small(features, torch.zeros(1, 4, 8, 8)) - TARGET) ** 2).sum()))
                return on.on_step(pipe, i, t, tensors)
            run(sd, step, steps=8)
        losses[beta] = seen[-1]
    assert losses[1.0] < losses[0.0], losses


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_every_prediction_type_gives_the_same_noise(kind: str) -> None:
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(prediction_type=kind)
    clean, eps, alpha = *torch.randn(2, 1, 4, 8, 8), scheduler.alphas_cumprod[300]
    x = alpha**0.5 * clean + (1 - alpha) ** 0.5 * eps
    answer = {"epsilon": eps, "sample": clean, "v_prediction": alpha**0.5 * eps - (1 - alpha) ** 0.5 * clean}[kind]
    assert torch.allclose(noise_level(scheduler, x, answer, 300.0), (1 - alpha) ** 0.5 * eps, atol=1e-5)
