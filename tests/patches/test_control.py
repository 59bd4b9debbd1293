"""The wrapper round a UNet's forward: when it acts, on which rows, how strongly, and that it leaves no trace. No weights."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pipelines.patches.control import ADAPTER_DECAY, Guide, Steering, strengths
from pipelines.spec.parts import BALANCED
from pipelines.spec.parts import CONTROL_LEADS as CONTROL
from pipelines.spec.parts import PROMPT_LEADS as PROMPT
from pipelines.tasks.feature import Run, Window

LAYERS = 3      # down residuals of the net below; with the middle one there are four


class Net(torch.nn.Module):
    """Answers 1 everywhere it is shown white, on every layer; remembers what it was shown."""

    config = SimpleNamespace(in_channels=4)

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.controlnet_mid_block = None
        self.shown: list[dict[str, Any]] = []

    def forward(self, sample: torch.Tensor, controlnet_cond: torch.Tensor, return_dict: bool, **told: Any) -> Any:
        self.shown.append({"sample": sample, "cond": controlnet_cond, **told})
        small = torch.nn.functional.avg_pool2d(controlnet_cond[:, :1], 8).expand(len(sample), -1, -1, -1)
        return [small.clone() for _ in range(LAYERS)], small.clone()


class UNet(torch.nn.Module):
    """Answers with what it was given on its layers."""

    def forward(self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: Any = None, **told: Any) -> dict[str, Any]:
        return told


def run(batch: int = 1, calls: int = 4, window: Window | None = None) -> Run:
    pipe = SimpleNamespace(unet=UNet(), vae_scale_factor=8)
    return Run(pipe, calls, 32, 32, batch, True, window or Window())


def asked(run: Run, rows: int, guide: Guide, channels: int = 4) -> tuple[list[torch.Tensor], Net]:
    """Residuals of one call with `rows` rows, down layers and the middle."""
    net, side = Net(), 4 if run.window.box is None else run.window.box[2] - run.window.box[0]
    with Steering(net, guide, run):
        told = run.pipe.unet(torch.zeros(rows, channels, side, side), 1, encoder_hidden_states=torch.arange(rows)[:, None])
    return [*told["down_block_additional_residuals"], told["mid_block_additional_residual"]], net


WHITE = torch.ones(1, 3, 32, 32)


@pytest.mark.parametrize(("start", "end", "steered"), [
    (0, 1, [0, 1, 2, 3]), (0, 0, []), (0.5, 1, [2, 3]), (0, 0.5, [0, 1]), (0.25, 0.75, [1, 2]), (0, 0.99, [0, 1, 2]), (0.6, 0.6, [])
], ids=["always", "end 0", "second half", "first half", "middle", "almost to the end", "nothing between"])
def test_start_and_end_are_counted_in_model_calls(start: float, end: float, steered: list[int]) -> None:
    laid, net, acted = run(), Net(), []
    with Steering(net, Guide(WHITE, start=start, end=end), laid) as turn:
        for call in range(4):
            acted += [call] if laid.pipe.unet(torch.zeros(2, 4, 4, 4), 1, encoder_hidden_states=None) else []
            turn(call + 1)
    assert acted == steered and len(net.shown) == len(steered)


@pytest.mark.parametrize(("mode", "expected"), [
    (BALANCED, [1, 1, 1, 1]), (PROMPT, [0.825**3, 0.825**2, 0.825, 1]), (CONTROL, [0.825**3, 0.825**2, 0.825, 1])])
def test_layers_count_less_towards_the_first_where_the_mode_is_not_balanced(mode: str, expected: list[float]) -> None:
    residuals, _ = asked(run(), 2, Guide(WHITE, weight=0.5, mode=mode))
    assert [float(r[-1].mean()) for r in residuals] == pytest.approx([0.5 * e for e in expected])


@pytest.mark.parametrize("mode", [PROMPT, CONTROL])
@pytest.mark.parametrize(("layers", "powers"), [(13, range(12, -1, -1)), (10, range(12, 2, -1)), (7, range(6, -1, -1))],
                         ids=["1.x and 2.x", "XL", "mini"])
def test_soft_weights_are_those_of_the_webui(layers: int, powers: range, mode: str) -> None:
    """Its first one on 1.x is 0.099; XL has the first ten of the thirteen; only mini counts from its own middle."""
    assert strengths(layers, mode) == pytest.approx([0.825**power for power in powers])
    assert strengths(layers, BALANCED) == [1.0] * layers
    assert layers == 7 or strengths(layers, mode)[0] == pytest.approx(0.0994, abs=1e-4)


def test_the_nets_have_as_many_residuals_as_the_soft_weights_count() -> None:
    from accelerate import init_empty_weights
    from diffusers import ControlNetModel

    sd15 = {"cross_attention_dim": 768}
    xl = {"block_out_channels": (320, 640, 1280), "down_block_types": ("DownBlock2D", *["CrossAttnDownBlock2D"] * 2),
          "transformer_layers_per_block": (1, 2, 10)}
    mini = json.loads((Path(__file__).parents[2] / "models/mini/controlnet/canny/config.json").read_text())
    with init_empty_weights():
        nets = ControlNetModel(**sd15), ControlNetModel(**xl), ControlNetModel.from_config(mini)
    assert [len(net.controlnet_down_blocks) + 1 for net in nets] == [13, 10, 7]


def test_adapters_are_softened_by_the_webuis_four_numbers() -> None:
    assert ADAPTER_DECAY == (0.25, 0.62, 0.825, 1.0)


@pytest.mark.parametrize(("rows", "batch", "silent"), [(2, 1, 1), (6, 3, 3), (1, 1, 0), (3, 1, 1)],
                         ids=["guided", "guided batch", "not guided", "AND"])
def test_the_net_alone_is_asked_for_prompted_rows_when_it_is_more_important(rows: int, batch: int, silent: int) -> None:
    residuals, net = asked(run(batch), rows, Guide(WHITE, mode=CONTROL))
    assert net.shown[0]["sample"].shape[0] == rows - silent
    assert net.shown[0]["encoder_hidden_states"].flatten().tolist() == list(range(silent, rows))
    assert [bool(row.any()) for row in residuals[-1]] == [False] * silent + [True] * (rows - silent)


def test_a_region_is_steered_and_the_rest_is_free() -> None:
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., :16] = 1
    residuals, _ = asked(run(), 2, Guide(WHITE, mask))
    assert torch.equal(residuals[0][1, 0], torch.tensor([[1.0, 1, 0, 0]] * 4))


def test_a_window_cuts_condition_and_region() -> None:
    pixels = torch.zeros(1, 3, 32, 32)
    pixels[..., 16:, 8:16] = 1
    residuals, net = asked(run(window=Window((1, 2, 3, 4))), 2, Guide(pixels))
    assert net.shown[0]["cond"].shape == (1, 3, 16, 16)
    assert torch.equal(residuals[0][0, 0], torch.tensor([[1.0, 0], [1, 0]]))


def test_an_inpainting_unet_shows_the_net_its_latents_alone() -> None:
    _, net = asked(run(), 2, Guide(WHITE), channels=9)
    assert net.shown[0]["sample"].shape[1] == 4


def test_units_add_up_in_their_order_and_leave_no_trace() -> None:
    laid = run()
    unet = laid.pipe.unet
    with Steering(Net(), Guide(WHITE, weight=0.25), laid), Steering(Net(), Guide(WHITE, weight=0.5), laid):
        told = unet(torch.zeros(2, 4, 4, 4), 1, encoder_hidden_states=None)
    assert float(told["mid_block_additional_residual"].mean()) == 0.75
    assert "forward" not in vars(unet) and not unet(torch.zeros(2, 4, 4, 4), 1)


def test_a_wrapper_that_was_there_before_is_there_afterwards() -> None:
    laid = run()
    inner = laid.pipe.unet.forward
    laid.pipe.unet.forward = hooked = lambda *args, **kwargs: inner(*args, **kwargs)
    with pytest.raises(RuntimeError, match="cut off"), Steering(Net(), Guide(WHITE), laid):
        raise RuntimeError("cut off")
    assert laid.pipe.unet.forward is hooked


class Adapter(torch.nn.Module):
    """Four features of what it is shown; folds eight pixels, as the original does."""

    config = SimpleNamespace()
    downscale_factor = 8

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.shown: list[torch.Size] = []

    def forward(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        self.shown.append(pixels.shape)
        return [torch.ones(1, 1, 2, 2) for _ in range(4)]


@pytest.mark.parametrize(("mode", "expected"), [(BALANCED, [1, 1, 1, 1]), (PROMPT, [0.25, 0.62, 0.825, 1])])
def test_an_adapter_runs_once_and_is_given_anew_to_every_call(mode: str, expected: list[float]) -> None:
    laid, net = run(), Adapter()
    with Steering(net, Guide(torch.ones(1, 3, 30, 28), weight=0.5, mode=mode), laid):
        for _ in range(2):
            told = laid.pipe.unet(torch.zeros(2, 4, 4, 4), 1, encoder_hidden_states=None)
            found = [told["down_intrablock_additional_residuals"].pop(0) for _ in range(4)]     # the UNet takes them out too
            assert [float(one.mean()) for one in found] == pytest.approx([0.5 * e for e in expected])
            assert all(one.shape[0] == 2 for one in found)
    assert net.shown == [(1, 3, 32, 32)]        # grown to what it can fold
