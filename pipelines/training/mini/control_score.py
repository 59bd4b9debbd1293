"""Measures whether pictures follow a ControlNet's condition, with the estimators and edge detectors that the studio offers."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline
from PIL import Image

from pipelines.patches.control import strengths
from pipelines.spec.parts import CONTROL_LEADS
from pipelines.training.mini import estimators, sheet
from pipelines.training.mini.conditions import CONDITIONS, condition
from pipelines.training.mini.pictures import HELD_OUT
from pipelines.training.mini.run import Plan
from pipelines.training.mini.score import prompt, through
from pipelines.training.mini.world.draw import record
from pipelines.training.mini.world.scene import Curriculum, Scene, sample
from pipelines.training.mini.world.truth import outline

REACH = 3  # pixels that a line may stand aside
WORLD = Curriculum(wander=1.0, several=0.2, nothing=0.1, poses=(0.2,) * 5)
PEOPLE = Curriculum(people=1.0, nothing=0.0, framings=(0.0, 0.5, 0.5), poses=(0.2,) * 5)


class Leading(ControlNetModel):
    """A ControlNet in the studio's mode *ControlNet is more important*: it steers the second half of its rows, which are asked
    the prompt, and each layer less than the one below it."""

    def forward(self, sample: torch.Tensor, *args: Any, **more: Any) -> tuple[list[torch.Tensor], torch.Tensor]:
        down, middle = super().forward(sample, *args, **more | {"return_dict": False})
        asked = (torch.arange(len(sample), device=sample.device) >= len(sample) // 2).to(sample.dtype)[:, None, None, None]
        scales = strengths(len(down) + 1, CONTROL_LEADS)
        *above, last = (one * scale * asked for one, scale in zip([*down, middle], scales, strict=True))
        return above, last


def guided(folder: Path, kind: str, net: type[ControlNetModel] = Leading) -> StableDiffusionControlNetPipeline:
    """The exported family with one of its ControlNets, in float32; as a plain `ControlNetModel` it is balanced."""
    plain = sheet.load(folder)
    control = net.from_pretrained(folder / "controlnet" / kind, dtype=torch.float32)
    made = StableDiffusionControlNetPipeline(**plain.components, controlnet=control, requires_safety_checker=False)
    made.set_progress_bar_config(disable=True)
    return made


def paint(pipeline: StableDiffusionControlNetPipeline, prompts: list[str], conditions: list[Image.Image],
          steps: int = 25) -> list[Image.Image]:
    """One 256x256 picture of each prompt and condition, CFG 7, with seeds in order."""
    pictures: list[Image.Image] = []
    for start in range(0, len(prompts), 8):
        rows = slice(start, start + 8)
        dice = [torch.Generator().manual_seed(start + k) for k in range(len(prompts[rows]))]
        told = {"num_inference_steps": steps, "guidance_scale": 7.0, "height": 256, "width": 256}
        pictures += pipeline(prompts[rows], image=conditions[rows], generator=dice, **told).images
    return pictures


def lines(picture: Image.Image) -> torch.Tensor:
    """(h, w) edges of a picture as Canny finds them with the studio's thresholds."""
    return torch.from_numpy(cv2.Canny(np.asarray(picture), 100, 200) > 0)


def follows(kind: str, scene: Scene, picture: Image.Image, network: estimators.PictureBook) -> float:
    """How well a picture keeps to the scene's condition: F1 of edges, rank correlation, degrees, or share of key points."""
    if kind in ("canny", "scribble"):
        true = condition("canny", scene)[..., 0] if kind == "canny" else outline(record(scene))
        return estimators.f1(lines(picture), torch.from_numpy(np.asarray(true) > 0), REACH)
    pixels = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        seen = network(pixels)
    true = estimators.stacked([estimators.lesson(scene)], "cpu")
    if kind == "depth":
        return rank_correlation(seen.depth.flatten().numpy(), true.depth.flatten().numpy())
    if kind == "normal":
        return estimators.angle(seen.normals, true.normals)
    return estimators.pck(estimators.body(seen.points[0], scene.width // 4), true.points[0]) or 0.0


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's: the correlation of ranks, equal values sharing theirs."""
    ranks = []
    for values in (first, second):
        _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
        ranks.append((np.cumsum(counts) - (counts - 1) / 2)[index])
    return float(np.corrcoef(*ranks)[0, 1])


def score(plan: Plan, folder: Path, count: int = 24) -> dict[str, dict[str, float]]:
    """Each ControlNet of the folder: with it, balanced, without it; of renders through the autoencoder: the most there can be."""
    network, table = estimators.finished(plan), {}
    for kind in (k for k in CONDITIONS if (folder / "controlnet" / k).is_dir()):
        mix = PEOPLE if kind == "pose" else WORLD
        seeds = list(range(HELD_OUT, HELD_OUT + count))
        scenes, rng = [sample(seed, mix) for seed in seeds], Random(3)
        said = [prompt(scene, rng) for scene in scenes]
        pipeline = guided(folder, kind)
        conditions = [Image.fromarray(condition(kind, scene)) for scene in scenes]
        rows = {
            "with": paint(pipeline, said, conditions),
            "balanced": paint(guided(folder, kind, ControlNetModel), said, conditions),
            "without": sheet.paint(sheet.load(folder), said),
            "renders through the autoencoder": through(pipeline, seeds, mix),
        }
        table[kind] = {
            name: float(np.mean([follows(kind, *pair, network) for pair in zip(scenes, pictures, strict=True)]))
            for name, pictures in rows.items()
        }
        print(f"{kind:10}", "  ".join(f"{k} {v:.3f}" for k, v in table[kind].items()), flush=True)
    (plan.work / "control.json").write_text(json.dumps(table, indent=2))
    return table


def show(folder: Path, out: Path) -> None:
    """A page with a row for each ControlNet: four held-out conditions, each beside what is painted by it; nothing is picked."""
    from pipelines.training.mini.pictures import sheet as page

    pictures = []
    for kind in (k for k in CONDITIONS if (folder / "controlnet" / k).is_dir()):
        scenes, rng = [sample(HELD_OUT + k, PEOPLE if kind == "pose" else WORLD) for k in range(4)], Random(3)
        conditions = [Image.fromarray(condition(kind, scene)) for scene in scenes]
        painted = paint(guided(folder, kind), [prompt(scene, rng) for scene in scenes], conditions)
        pictures += [picture for pair in zip(conditions, painted, strict=True) for picture in pair]
    made = page(pictures, 8)
    made.resize((made.width * 5 // 8, made.height * 5 // 8), Image.Resampling.LANCZOS).save(out, optimize=True)
