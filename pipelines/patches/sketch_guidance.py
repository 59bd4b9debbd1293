"""Latent guidance by a sketch (arXiv 2211.13752): a small predictor reads the UNet's activations, its gradient steers.

The predictor says what edges the finished picture will have; a step is corrected so that they become the drawing's.
One guided step costs one more pass through the UNet and its gradient. A gradient needs memory: see `part`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pipelines.spec.errors import FieldError, ModelFileError

if TYPE_CHECKING:
    from collections.abc import Callable

WAVES = 9       # sin(2π·n·2^-l), l = 0…8, of every channel of the noise level
HIDDEN = (512, 256, 128, 64)


@dataclass(frozen=True)
class Hooks:
    """Which activations a predictor was trained on, in the order they are stacked; `prompted`: of the prompted half."""

    modules: tuple[str, ...]
    prompted: bool = True


HOOKS: Mapping[str, Hooks] = MappingProxyType({
    "paper": Hooks(("down_blocks.0.attentions.1", "down_blocks.1.attentions.0", "down_blocks.2.attentions.1",
                    "mid_block.resnets.0", "mid_block.attentions.0", "mid_block.resnets.1",
                    "up_blocks.0.upsamplers.0", "up_blocks.1.attentions.1", "up_blocks.2.upsamplers.0")),
    "sketch2img": Hooks(("down_blocks.0", "down_blocks.1", "down_blocks.2", "mid_block.attentions.0", "mid_block.resnets.0",
                         "mid_block.resnets.1", "up_blocks.0", "up_blocks.1", "up_blocks.2")),
    "every block": Hooks((*(f"down_blocks.{i}" for i in range(4)), *(f"up_blocks.{i}" for i in range(4))), prompted=False),
    "mini": Hooks(("down_blocks.0.resnets.0", "down_blocks.1.attentions.0", "down_blocks.2.attentions.0",
                   "mid_block.resnets.0", "mid_block.attentions.0", "mid_block.resnets.1",
                   "up_blocks.0.attentions.1", "up_blocks.1.attentions.1", "up_blocks.2.resnets.1")),
})


class EdgePredictor(nn.Module):
    """A perceptron at every latent pixel: activations, noise level and its waves -> latent of the edge picture.

    Key names as published: `layers.{0,3,6,9,12}` linear, `layers.{2,5,8,11}` batch norm. Train it with the mean square
    error to the VAE latent of the edge map (three equal channels in [-1, 1]); call `eval()` before guiding.
    """

    def __init__(self, activations: int, latent_channels: int = 4) -> None:
        super().__init__()
        self.latent_channels = latent_channels
        widths = (activations + latent_channels * (1 + WAVES), *HIDDEN)
        rows: list[nn.Module] = []
        for before, after in zip(widths[:-1], widths[1:], strict=True):
            rows += [nn.Linear(before, after), nn.ReLU(), nn.BatchNorm1d(after)]
        self.layers = nn.Sequential(*rows, nn.Linear(widths[-1], latent_channels))

    @property
    def activations(self) -> int:
        """Channels of all activations together."""
        first = self.layers[0]
        assert isinstance(first, nn.Linear)
        return first.in_features - self.latent_channels * (1 + WAVES)

    def forward(self, features: Sequence[Tensor], noise: Tensor) -> Tensor:
        """Activations (b, c_i, h_i, w_i) and the noise level (b, channels, h, w) -> (b, channels, h, w), in fp32.

        Raises FieldError when the activations are another model's.
        """
        size = noise.shape[-2:]
        maps = [nn.functional.interpolate(f.float(), size, mode="bilinear", align_corners=False) for f in features]
        noise = noise.float()
        waves = [torch.sin(2 * math.pi * noise * 2.0**-level) for level in range(WAVES)]
        pixels = torch.cat([*maps, noise, *waves], dim=1).movedim(1, -1)
        if pixels.shape[-1] != self.activations + self.latent_channels * (1 + WAVES):
            raise FieldError("Guidance predictor", pixels.shape[-1], f"it reads {self.activations} channels of the model's layers, "
                             "and these have another number", fix="Choose the model it was trained on")
        return self.layers(pixels.flatten(0, 2)).unflatten(0, pixels.shape[:3]).movedim(-1, 1)


def predictor(state: Mapping[str, Any], name: str = "the predictor", latent_channels: int = 4) -> EdgePredictor:
    """The predictor in either published form: its tensors flat, or under "model_state_dict". Raises ModelFileError."""
    inner = state.get("model_state_dict", state)
    tensors = {k.removeprefix("model_state_dict."): v for k, v in inner.items() if isinstance(v, Tensor)}
    tensors = {k: v for k, v in tensors.items() if k.startswith("layers.")}
    first = tensors.get("layers.0.weight")
    if first is None or first.ndim != 2 or first.shape[1] <= latent_channels * (1 + WAVES):
        raise ModelFileError(name, "this is no latent guidance predictor")
    made = EdgePredictor(first.shape[1] - latent_channels * (1 + WAVES), latent_channels)
    try:
        made.load_state_dict(tensors)
    except RuntimeError:
        raise ModelFileError(name, "its layers are not those of a latent guidance predictor") from None
    return made.eval().requires_grad_(False)


def hooks_for(predictor: EdgePredictor, named: str = "") -> Hooks:
    """The hook set of a predictor; 9280 channels fit two sets, so a side-car or the user may name one. Raises FieldError."""
    if named and named not in HOOKS:
        raise FieldError("Activations", named, "not found", ", ".join(HOOKS))
    return HOOKS[named or ("every block" if predictor.activations == 7040 else "paper")]


@contextmanager
def watching(unet: nn.Module, hooks: Hooks) -> Iterator[Callable[[], list[Tensor]]]:
    """Yields a function that gives the activations of the last pass, in order. Raises FieldError for another UNet."""
    seen: dict[str, Tensor] = {}

    def keep(name: str, _module: nn.Module, _args: Any, output: Any) -> None:
        seen[name] = output if isinstance(output, Tensor) else output[0]

    handles = []
    try:
        for name in hooks.modules:
            try:
                handles.append(unet.get_submodule(name).register_forward_hook(partial(keep, name)))
            except AttributeError:
                raise FieldError("Model", name, "the predictor reads a layer which this model does not have",
                                 fix="Choose the model it was trained on") from None
        yield lambda: [seen[name] for name in hooks.modules]
    finally:
        for handle in handles:
            handle.remove()
        seen.clear()


class SketchGuidance:
    """Use round a sampling run as a context manager and pass `on_step` on; with `beta` 0 the run is as without it.

    target: (1, channels, h, w) latent of the drawing as the predictor was taught (light lines on dark), VAE-scaled.
    beta: length of the correction over the length of the step; about 1, 1.6 is strong.   part: guided share of the steps.
    """

    call_args: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, pipe: Any, predictor: EdgePredictor, target: Tensor, beta: float = 1.0, part: float = 0.5,
                 hooks: Hooks | None = None) -> None:
        self._pipe, self._predictor, self._target = pipe, predictor, target
        self._beta, self._part, self._hooks = beta, part, hooks or hooks_for(predictor)
        self._seen: tuple[dict[str, Any], float] | None = None

    def __enter__(self) -> SketchGuidance:
        self._handle = self._pipe.unet.register_forward_pre_hook(self._keep, with_kwargs=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.remove()
        self._seen = None

    def _keep(self, _module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        named = dict(zip(("sample", "timestep", "encoder_hidden_states"), args, strict=False)) | kwargs     # AND names them all
        one = torch.ones(1, device=self._pipe.unet.device)
        # Asked before the step, the scheduler tells what the latents were multiplied by for the UNet.
        self._seen = named, float(self._pipe.scheduler.scale_model_input(one, named["timestep"]))

    def on_step(self, pipe: Any, step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """`tensors["latents"]` corrected in the guided part of the run; `step` counts from 0."""
        if self._beta == 0 or self._seen is None or step > self._part * pipe.num_timesteps:
            return tensors
        after = tensors["latents"]
        before, gradient = self._gradient(len(after))
        tensors["latents"] = after - correction(before.to(after), after, gradient.to(after), self._beta)
        return tensors

    def loss(self) -> float:
        """Mean square distance of the predicted edges to the drawing's, at the pass that was made last."""
        with torch.no_grad():
            assert self._seen is not None
            return float(self._judged(len(self._seen[0]["sample"]) // (2 if self._pipe.do_classifier_free_guidance else 1))[1])

    def _gradient(self, pictures: int) -> tuple[Tensor, Tensor]:
        """The latents before the step, and the gradient of the predictor's loss at them (up to a factor a picture)."""
        with torch.enable_grad():
            x, loss, scale = self._judged(pictures)
            # A sum, so that a picture's gradient does not depend on its neighbours; the factor keeps half precision from underflow.
            return x.detach() / scale, torch.autograd.grad(loss * self._target.numel() * 1e3, x)[0]

    def _judged(self, pictures: int) -> tuple[Tensor, Tensor, float]:
        """What the UNet saw in the last pass, the predictor's loss there, and what the latents were multiplied by.

        pictures: of the batch. The rows of the negative prompt come first and those of the prompt last; of several prompts (AND)
        the last one is looked at, for what is drawn is the same for all.
        """
        assert self._seen is not None
        named, scale = self._seen
        rows = named["sample"].shape[0]
        of_one = {key: _rows_of(value, rows, pictures, last=self._hooks.prompted) for key, value in named.items()}
        with watching(self._pipe.unet, self._hooks) as activations:
            x = of_one["sample"].detach().requires_grad_(True)
            out = self._pipe.unet.forward(**{**of_one, "sample": x})
            answer = (out[0] if isinstance(out, tuple) else out.sample).detach()
            noise = noise_level(self._pipe.scheduler, x.detach(), answer, float(named["timestep"]))
            found = self._predictor(activations(), noise)
            return x, ((found - self._target.to(found)) ** 2).mean(), scale


def correction(before: Tensor, after: Tensor, gradient: Tensor, beta: float) -> Tensor:
    """What to take from `after`: along the gradient, `beta` times as long as the step, for every picture by itself."""
    def length(x: Tensor) -> Tensor:
        return x.float().flatten(1).norm(dim=1)[:, None, None, None]

    along = gradient.float() / (length(gradient) + 1e-8)
    return (beta * length(after - before) * along).to(after.dtype)


def noise_level(scheduler: Any, x: Tensor, answer: Tensor, timestep: float) -> Tensor:
    """sqrt(1-ᾱ)·ε, the noise in x as the UNet sees it (variance-preserving), from its answer of any prediction type."""
    table = scheduler.alphas_cumprod
    low = min(int(timestep), len(table) - 1)
    high = min(low + 1, len(table) - 1)
    alpha = float(table[low]) + (float(table[high]) - float(table[low])) * (timestep - low)
    signal, noise = alpha**0.5, (1 - alpha) ** 0.5
    kind = scheduler.config.get("prediction_type", "epsilon")
    if kind == "v_prediction":
        return noise * (signal * answer + noise * x)
    return x - signal * answer if kind == "sample" else noise * answer


def _rows_of(value: Any, rows: int, pictures: int, last: bool) -> Any:
    """Of whatever has `rows` rows those of the last prompt, or of the first; dictionaries and lists likewise."""
    if isinstance(value, dict):
        return {k: _rows_of(v, rows, pictures, last) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_rows_of(v, rows, pictures, last) for v in value)
    if isinstance(value, Tensor) and value.ndim > 0 and value.shape[0] == rows:
        return value[-pictures:] if last else value[:pictures]
    return value
