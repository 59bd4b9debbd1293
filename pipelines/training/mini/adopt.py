"""Begins a run from the weights that ship: a work folder whose checkpoints are the exported family, for training to go on with.

The exported autoencoder's latents are normalised already, so the run's statistics are zero and one. Optimisers begin anew, and
the clock of every stage at zero.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file

from pipelines.training.mini import base, clip, controlnet, estimators, glimpse, identity, probe, sketch, text, upscaler, vae
from pipelines.training.mini.conditions import CONDITIONS
from pipelines.training.mini.run import Plan, keep

ENDS = ("conv_in.", "conv_out.", "decoder.layers.", "encoder.layers.")  # of networks that read or write latents

Part = tuple[str, Path, Callable[[], torch.nn.Module]]


def adopt(plan: Plan, family: Path) -> list[str]:
    """Write a checkpoint for every part of the family that lies there, and return their stages; what the run has already stays.

    Raises ValueError where a file does not fit the model that this code builds.
    """
    plan.work.mkdir(parents=True, exist_ok=True)
    if not (plan.work / "tokenizer").exists():
        shutil.copytree(family / "tokenizer", plan.work / "tokenizer")
    if not (plan.work / "statistics.pt").exists():
        keep(plan.work / "statistics.pt", {"mean": torch.zeros(vae.CHANNELS), "std": torch.ones(vae.CHANNELS)})
    return [stage for stage, place, build in parts(plan, family) if taken(plan.work / f"{stage}.pt", place, build)]


def parts(plan: Plan, family: Path) -> Iterator[Part]:
    """(stage, its weights, its model), in the order in which they build on each other."""
    yield "vae", family / "vae", vae.build
    yield "text", family / "text_encoder", lambda: text.both(text.tokenizer(plan))
    yield "base", family / "unet", base.build
    for kind in CONDITIONS:
        yield f"controlnet-{kind}", family / "controlnet" / kind, lambda: controlnet.build(base.finished(plan))
    yield "clip", family / "clip", lambda: clip.build(plan)
    yield "estimators", family / "estimators", estimators.PictureBook
    yield "probe", family / "probe", probe.Probe
    yield "glimpse", family / "glimpse", glimpse.build
    yield "sketch", family / "sketch", lambda: sketch.build(sketch.width())
    yield "identity", family / "identity", lambda: identity.build(plan)
    yield "upscaler2", family / "upscaler" / "mini-x2.safetensors", lambda: upscaler.build(2)
    yield "upscaler4", family / "upscaler" / "mini-x4.safetensors", lambda: upscaler.build(4)


def widened(state: dict[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The first and last convolution for more latent channels than the family has: the new ones begin at zero, unheard.

    Only what is too narrow changes; the autoencoder itself must be taught anew (`vae --former`).
    """
    made = dict(state)
    for name, value in state.items():
        goal = wanted.get(name)
        if name.startswith(ENDS) and goal is not None and goal.shape != value.shape:
            made[name] = torch.zeros(goal.shape)
            made[name][tuple(slice(0, size) for size in value.shape)] = value
    return made


def taken(path: Path, place: Path, build: Callable[[], torch.nn.Module]) -> bool:
    """Write one stage's checkpoint; False where it exists already or the family lacks the part."""
    files = sorted(place.glob("*.safetensors")) if place.is_dir() else [place]
    if path.exists() or not files or not files[0].exists():
        return False
    model = build()
    state = {name.removeprefix("id_encoder."): value.float() for name, value in load_file(files[0]).items()}
    if path.stem.startswith("upscaler"):  # one that ships may be shallower than what is built today
        state = upscaler.deepened(state, upscaler.DEPTH[int(path.stem[-1])])
    state = widened(state, model.state_dict())
    whole = model["text"] if isinstance(model, torch.nn.ModuleDict) else model  # the text encoder's reader does not ship
    missing, extra = whole.load_state_dict(state, strict=False)
    wanting = [name for name in missing if not name.endswith("position_ids")]
    if extra or wanting:
        raise ValueError(f"{place}: does not fit {path.stem}: without {wanting[:3]}, with unknown {extra[:3]}")
    live = [p.detach().clone() for p in model.parameters() if p.requires_grad]
    keep(path, {"model": model.state_dict(), "mean": live, "optimiser": None, "step": 0, "spent": 0.0})
    return True
