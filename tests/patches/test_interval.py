"""Guidance in an interval of the run: diffusers' own cutoff gives the same, and outside it no negative row is computed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import EulerDiscreteScheduler
from diffusers.callbacks import SDCFGCutoffCallback, SDXLCFGCutoffCallback

from pipelines import samplers
from pipelines.patches.interval import Interval
from pipelines.patches.ip_adapter import ip_adapter
from pipelines.patches.three_branch import ThreeBranches
from pipelines.prompt.embed import Wanted, encode
from pipelines.spec.errors import FieldError
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.guided import check, guided_calls
from tests.patches.test_ip_adapter import tensors

STEPS = 5


def run(pipe: Any, cfg: float = 7.0, **more: Any) -> torch.Tensor:
    """Latents of a run from the same noise."""
    pipe.scheduler = EulerDiscreteScheduler()
    pipe.set_progress_bar_config(disable=True)
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    side = 8 * pipe.vae_scale_factor
    return pipe(**encode(pipe, Wanted("a red car", "blue"))[0].call_kwargs, latents=noise, num_inference_steps=STEPS, width=side,
                height=side, guidance_scale=cfg, output_type="latent", **more).images


@pytest.mark.parametrize(("kind", "theirs"), [("sd", SDCFGCutoffCallback), ("sdxl", SDXLCFGCutoffCallback)])
def test_an_interval_that_ends_early_is_the_cutoff_of_diffusers_bit_for_bit(
        request: pytest.FixtureRequest, kind: str, theirs: type) -> None:
    pipe = request.getfixturevalue(kind)
    wanted = run(pipe, callback_on_step_end=theirs(cutoff_step_ratio=None, cutoff_step_index=1),     # after the second step
                 callback_on_step_end_tensor_inputs=["latents", *theirs.tensor_inputs])
    rows: list[int] = []
    watch = pipe.unet.conv_in.register_forward_pre_hook(lambda _m, args: rows.append(len(args[0])))
    with Interval(pipe.unet, 1, range(2)) as interval:
        ours = run(pipe, callback_on_step_end=lambda _p, step, _t, tensors: interval.turn(step + 1) or tensors)
    watch.remove()
    assert torch.equal(ours, wanted) and not torch.equal(ours, run(pipe)) and rows == [2, 2, 1, 1, 1]
    assert not pipe.unet._forward_hooks and not pipe.unet._forward_pre_hooks


@pytest.mark.parametrize(("sampler", "start", "end", "calls"), [
    ("Euler", 0.2, 0.6, range(2, 6)), ("Euler", 0.0, 1.0, range(10)), ("Euler", 0.25, 0.55, range(3, 6)),
    ("Euler", 0.5, 0.5, range(0)), ("Euler", 0.9, 1.0, range(9, 10)), ("Euler", 0.0, 0.05, range(1)),
    ("Heun", 0.2, 0.6, range(4, 12)), ("Heun", 0.2, 1.0, range(4, 19)), ("PLMS", 0.2, 0.6, range(3, 7))])
def test_steps_are_guided_with_all_their_calls(sampler: str, start: float, end: float, calls: range) -> None:
    request = GenerationRequest(sampler=sampler, cfg_start=start, cfg_end=end)
    assert list(guided_calls(request, 10)) == list(calls)
    assert not guided_calls(request.merged({"cfg_scale": 1}), 10)


def test_every_sampler_guides_all_its_calls_by_default() -> None:
    for row in samplers.SAMPLERS:
        if not row.broken:
            assert guided_calls(GenerationRequest(sampler=row.name), 7) == range(samplers.callback_count(row.name, 7)), row.name


def test_an_end_before_the_start_is_refused_with_what_to_do() -> None:
    check(GenerationRequest(cfg_start=0.4, cfg_end=0.4))
    with pytest.raises(FieldError, match=r"CFG start: 0.5 - guidance would end before it begins \(CFG end is 0.4\). Allowed: 0-0"):
        check(GenerationRequest(cfg_start=0.5, cfg_end=0.4))


def test_a_reference_picture_is_seen_without_its_empty_row(sd: Any) -> None:
    picture = torch.randn(2, 1, 24, generator=torch.Generator().manual_seed(2))
    with ip_adapter(sd, tensors(sd.unet), picture) as call, Interval(sd.unet, 1, range(0)):
        limited = run(sd, **call)
    with ip_adapter(sd, tensors(sd.unet), picture[1:]) as call:
        assert torch.equal(limited, run(sd, cfg=1.0, **call))


def test_three_branches_without_guidance_are_as_strong_as_with_it(sd: Any) -> None:
    """Knob 1: what stands in the place of the words' answer is that of the lines' net, whatever the CFG scale."""
    def lines(_sample: torch.Tensor, _timestep: Any, told: dict[str, Any]) -> dict[str, Any]:
        return told | {"encoder_hidden_states": told["encoder_hidden_states"].flip(-1)}

    with ThreeBranches(sd, lines, lines, (7.0, 0.0), 7.0, 1), Interval(sd.unet, 1, range(0)):
        limited = run(sd)
    hook = sd.unet.register_forward_pre_hook(lambda _m, args, told: (args, lines(*args[:2], told)), with_kwargs=True)
    wanted = run(sd, cfg=1.0)
    hook.remove()
    assert torch.allclose(limited, wanted, atol=1e-5) and not torch.allclose(limited, run(sd, cfg=1.0), atol=1e-2)
