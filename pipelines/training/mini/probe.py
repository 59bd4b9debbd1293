"""The probe that reads a picture's attributes: taught on renders, it then judges what the family paints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from pipelines.training.mini.loop import Habit, Training, ripe
from pipelines.training.mini.pictures import HELD_OUT, Pool, renders, softened, to_tensor
from pipelines.training.mini.run import Plan, log
from pipelines.training.mini.world.draw import draw
from pipelines.training.mini.world.labels import VALUES, labels
from pipelines.training.mini.world.scene import Curriculum, Scene, sample

READ = ("subject", "colour", "place", "time", "count", "hair colour", "top colour", "bottom colour", "pose")
# Persons differ by small things (bows, ear-rings, freckles, a jaw), so most lessons show one.
LESSONS = Curriculum(people=0.6, nothing=0.05, wander=0.7, several=0.25, odd=0.2, poses=(0.3, 0.2, 0.2, 0.15, 0.15))
POOL, FRESH = 1500, 5
FILE = "mini-probe.safetensors"


class Probe(nn.Module):
    """Strided convolutions, mean and maximum over places, one linear reading of each attribute; (n, 3, 256, 256) to logits."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after, stride in ((3, 24, 2), (24, 48, 2), (48, 64, 2), (64, 64, 1), (64, 96, 2), (96, 96, 1), (96, 160, 2)):
            layers += [nn.Conv2d(before, after, 3, stride, 1), nn.GroupNorm(8, after), nn.SiLU()]
        self.body = nn.Sequential(*layers)
        self.sizes = [len(VALUES[name]) for name in READ]
        self.reading = nn.Linear(160 * 6, sum(self.sizes))

    def forward(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        seen = self.body(pixels)
        parts = (seen.amax((2, 3)), F.adaptive_avg_pool2d(seen, (4, 1)).flatten(1), seen.mean((2, 3)))
        return list(self.reading(torch.cat(parts, 1)).split(self.sizes, 1))


def targets(scenes: list[Scene]) -> torch.Tensor:
    """(n, attributes) indices, -1 where a scene has no such attribute or its picture does not show it."""
    rows = [shown(scene) for scene in scenes]
    return torch.tensor([[VALUES[name].index(row[name]) if name in row else -1 for name in READ] for row in rows])


def shown(scene: Scene) -> Mapping[str, str]:
    """The labels that the picture can tell: a portrait shows neither trousers nor what the arms do."""
    hidden = {"close-up": ("bottom", "bottom colour", "pose")}.get(scene.framing, ())
    bald = scene.people and scene.people[0].hair == "bald"
    return MappingProxyType({k: v for k, v in labels(scene).items() if k not in hidden and not (bald and k == "hair colour")})


def rights(logits: list[torch.Tensor], goal: torch.Tensor) -> dict[str, float]:
    """Share read rightly of each attribute, among those that have it."""
    found = {}
    for name, guess, true in zip(READ, logits, goal.T, strict=True):
        held = true >= 0
        found[name] = float((guess.argmax(1).cpu()[held] == true[held]).float().mean()) if held.any() else float("nan")
    return found


def train(plan: Plan) -> None:
    """Teach (or go on teaching) the probe for the plan's minutes; writes `probe.pt` and logs what it reads from new renders."""
    torch.manual_seed(plan.seed)
    run = Training(plan, "probe", Probe().to(memory_format=torch.channels_last), None, Habit(0.99, 0.02))

    def lesson(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        scene = sample(seed, LESSONS)
        return torch.from_numpy(np.asarray(draw(scene)).copy()), targets([scene])[0]

    pool = Pool(lesson, run.rng, POOL, FRESH)
    while run.goes_on():
        rows = pool.batch(plan.batch)
        pixels = torch.stack([p for p, _ in rows]).to(plan.device).permute(0, 3, 1, 2).float() / 127.5 - 1
        goal = torch.stack([g for _, g in rows]).to(plan.device)
        logits = run.model(softened(pixels).contiguous(memory_format=torch.channels_last))
        parts = [
            F.cross_entropy(a, b, ignore_index=-1, label_smoothing=0.02)
            for a, b in zip(logits, goal.T, strict=True)
            if (b >= 0).any()
        ]
        run.learn(sum(parts))
    log(plan, "probe", step=run.step, **own(finished(plan), list(range(HELD_OUT + 5000, HELD_OUT + 5200)), LESSONS))


def finished(plan: Plan) -> Probe:
    """The taught probe. Raises FileNotFoundError where there is none."""
    return ripe(Probe(), plan.work / "probe.pt")


def write(plan: Plan, folder: Path) -> Path:
    """`mini-probe.safetensors` in half precision: tests read with it what the committed model paints."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {k: v.half().contiguous() for k, v in finished(plan).state_dict().items()}
    save_file(weights, folder / FILE, metadata={"format": "pt"})
    (folder / FILE).chmod(0o644)
    return folder / FILE


def opened(folder: Path) -> Probe:
    """The probe of an exported family."""
    probe = Probe()
    probe.load_state_dict(load_file(folder / FILE))
    return probe.eval().requires_grad_(False)


@torch.no_grad()
def own(probe: Probe, seeds: list[int], mix: Curriculum) -> dict[str, float]:
    """What the probe reads rightly from renders themselves: the most that a painted picture can reach."""
    logits = [probe(renders(seeds[k : k + 20], mix)) for k in range(0, len(seeds), 20)]
    return rights([torch.cat(parts) for parts in zip(*logits, strict=True)], targets([sample(s, mix) for s in seeds]))


@torch.no_grad()
def read(probe: Probe, pictures: list) -> list[torch.Tensor]:
    """The logits for PIL pictures of 256x256."""
    return probe(torch.stack([to_tensor(p) for p in pictures]))
