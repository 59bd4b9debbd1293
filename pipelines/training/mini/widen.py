"""Carries a run with few latent channels over into one with more, and begins as good as the old one was."""

from __future__ import annotations

import torch
from torch import nn

from pipelines.training.mini.pictures import renders
from pipelines.training.mini.run import Plan, keep, recall
from pipelines.training.mini.vae import CHANNELS, WORLD, build


def averaged(state: dict, names: list[str]) -> dict[str, torch.Tensor]:
    """The weights of a checkpoint with its moving average put in; `names` are the averaged parameters in order."""
    return {**state["model"], **dict(zip(names, state["mean"], strict=True))}


def corner(fresh: torch.Tensor, old: torch.Tensor) -> torch.Tensor:
    """Zeros in the shape of `fresh` with `old` in the corner of lowest indices."""
    made = torch.zeros_like(fresh)
    made[tuple(slice(0, n) for n in old.shape)] = old
    return made


@torch.no_grad()
def widen_vae(old: dict[str, torch.Tensor]) -> nn.Module:
    """An autoencoder of CHANNELS latents that decodes what the old one did: the decoder still ignores the new ones."""
    model = build()
    start, few = model.state_dict(), old["decoder.conv_in.weight"].shape[1]
    found = {name: value if value.shape == start[name].shape else corner(start[name], value) for name, value in old.items()}
    # New encoder outputs stay random; the 1x1 convolution hands them on as the new means.
    for name in ("encoder.conv_out.weight", "encoder.conv_out.bias"):
        found[name][2 * few :] = start[name][2 * few :]
    before = torch.zeros_like(start["quant_conv.weight"])
    bias = torch.zeros_like(start["quant_conv.bias"])
    before[:few, : 2 * few], bias[:few] = old["quant_conv.weight"][:few], old["quant_conv.bias"][:few]
    for k in range(few, CHANNELS):
        before[k, k + few] = 1
        found["post_quant_conv.weight"][k, k] = 1
    bias[CHANNELS:] = -6
    found["quant_conv.weight"], found["quant_conv.bias"] = before, bias
    model.load_state_dict(found)
    seen = model.encode(renders(range(16), WORLD)).latent_dist.mean.transpose(0, 1).flatten(1)
    for k in range(few, CHANNELS):  # each new latent begins with zero mean and unit variance
        model.quant_conv.weight[k] /= seen[k].std()
        model.quant_conv.bias[k] = -seen[k].mean() / seen[k].std()
    return model


def widen(plan: Plan) -> None:
    """Reads `vae.pt`, `decoder.pt` and `base.pt` of the old run in `<work>/eight` and writes starts for `vae` and `base`."""
    from pipelines.training.mini import base  # noqa: PLC0415 - base needs the autoencoder's channel count first

    folder = plan.work / "eight"
    state, later = recall(folder / "vae.pt"), recall(folder / "decoder.pt")
    names = [name for name, _ in build().named_parameters()]
    old = averaged(state, names)
    if later:
        tail = [name for name in names if name.startswith(("decoder.", "post_quant_conv."))]
        old |= averaged(later, tail)
    keep(plan.work / "start-vae.pt", widen_vae(old).state_dict())
    model, painted = base.build(), recall(folder / "base.pt")
    held = averaged(painted, [name for name, _ in model.named_parameters()])
    start = model.state_dict()
    keep(plan.work / "start-base.pt", {k: v if v.shape == start[k].shape else corner(start[k], v) for k, v in held.items()})
