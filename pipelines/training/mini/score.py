"""Measures adherence: a probe learns to read subject, colour, place and hour from renders, then reads what the family painted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from random import Random

import torch
from diffusers import StableDiffusionPipeline
from torch import nn
from torch.nn import functional as F

from pipelines.training.mini import sheet
from pipelines.training.mini.pictures import HELD_OUT, renders, to_tensor
from pipelines.training.mini.run import Clock, Plan, adamw, keep, log, recall
from pipelines.training.mini.world.labels import VALUES, labels
from pipelines.training.mini.world.scene import Curriculum, Scene, sample
from pipelines.training.mini.world.words import PERSON_WORDS, PLACE_WORDS, THING_WORDS, TIME_WORDS

READ = ("subject", "colour", "place", "time")
SIDE = 128  # pixels the probe looks at
WORLD = Curriculum(wander=0.6, several=0.0, nothing=0.08)


class Probe(nn.Module):
    """Five strided convolutions and one linear reading for each attribute; (n, 3, 128, 128) to a list of logits."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 16, 32, 64, 96, 128)
        layers: list[nn.Module] = []
        for before, after in zip(widths[:-1], widths[1:], strict=True):
            layers += [nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(4, after), nn.SiLU()]
        self.body = nn.Sequential(*layers)
        self.sizes = [len(VALUES[name]) for name in READ]
        self.reading = nn.Linear(128 * 16, sum(self.sizes))

    def forward(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        return list(self.reading(self.body(F.interpolate(pixels, SIDE, mode="area")).flatten(1)).split(self.sizes, 1))


def targets(scenes: list[Scene]) -> torch.Tensor:
    """(n, 4) indices, -1 where a scene has no such attribute."""
    rows = [labels(scene) for scene in scenes]
    return torch.tensor([[VALUES[name].index(row[name]) if name in row else -1 for name in READ] for row in rows])


def rights(logits: list[torch.Tensor], goal: torch.Tensor) -> dict[str, float]:
    """Share read rightly of each attribute, among those that have it."""
    found = {}
    for name, guess, true in zip(READ, logits, goal.T, strict=True):
        held = true >= 0
        found[name] = float((guess.argmax(1).cpu()[held] == true[held]).float().mean()) if held.any() else float("nan")
    return found


def train_probe(plan: Plan) -> Probe:
    """The probe, trained for the plan's minutes on renders or taken from the work folder."""
    torch.manual_seed(plan.seed)
    probe, state = Probe().to(plan.device), recall(plan.work / "probe.pt")
    if state:
        probe.load_state_dict(state)
        return probe.eval()
    optimiser, clock, rng, step = adamw(probe), Clock(plan), Random(plan.seed + 5), 0
    while clock.share < 1:
        for group in optimiser.param_groups:
            group["lr"] = clock.rate(step)
        seeds = [rng.randrange(HELD_OUT) for _ in range(plan.batch)]
        pixels, goal = renders(seeds, WORLD).to(plan.device), targets([sample(s, WORLD) for s in seeds]).to(plan.device)
        # A generated picture is softer than a render; the probe must not read sharpness.
        pixels = F.avg_pool2d(pixels, 2) + torch.randn(1, device=plan.device).abs() * 0.1 * torch.randn_like(
            F.avg_pool2d(pixels, 2)
        )
        loss = sum(F.cross_entropy(a, b, ignore_index=-1) for a, b in zip(probe(pixels), goal.T, strict=True))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        step += 1
        if step % 100 == 0:
            log(plan, "probe", step=step, loss=float(loss.detach()))
    keep(plan.work / "probe.pt", probe.state_dict())
    return probe.eval()


def prompt(scene: Scene, rng: Random) -> str:
    """A caption that states all four attributes and nothing else."""
    truth = labels(scene)
    place = rng.choice(PLACE_WORDS[scene.place if scene.place != "mountains" else f"mountains {scene.ground}"])
    time = rng.choice([w for w in TIME_WORDS[scene.time] if "evening" not in w])
    if scene.people:
        return f"a {rng.choice(PERSON_WORDS[scene.people[0].kind])}, {place}, {time}"
    if scene.things:
        return f"a {truth['colour']} {rng.choice(THING_WORDS[truth['subject']])[0]}, {place}, {time}"
    return f"{place}, {time}"


@torch.no_grad()
def read(probe: Probe, pipeline: StableDiffusionPipeline, scenes: list[Scene], cfg: float) -> dict[str, float]:
    """Adherence of one picture for each scene's prompt."""
    rng = Random(1)
    pictures = sheet.paint(pipeline, [prompt(scene, rng) for scene in scenes], cfg=cfg)
    logits = probe(torch.stack([to_tensor(p) for p in pictures]).to(next(probe.parameters()).device))
    return rights(logits, targets(scenes))


def score(plan: Plan, folder: Path, count: int = 400) -> Mapping[str, Mapping[str, float]]:
    """Adherence at CFG 7 and 1 over `count` held-out scenes, and the probe's own score on renders; also as score.json."""
    probe, pipeline = train_probe(plan), sheet.load(folder).to(plan.device)
    seeds = list(range(HELD_OUT, HELD_OUT + count))
    scenes = [sample(seed, WORLD) for seed in seeds]
    with torch.no_grad():
        own = rights(probe(renders(seeds, WORLD).to(plan.device)), targets(scenes))
    table = {"renders": own, "CFG 7": read(probe, pipeline, scenes, 7.0), "CFG 1": read(probe, pipeline, scenes, 1.0)}
    (plan.work / "score.json").write_text(json.dumps(table, indent=2))
    for name, row in table.items():
        print(f"{name:8}", "  ".join(f"{k} {v:.1%}" for k, v in row.items()), flush=True)
    return table
