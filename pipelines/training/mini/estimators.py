"""Teaches the picture-book world's estimators: one network reads depth, normals, key points and outlines of renders."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from pipelines.tasks.picture_book import PictureBook, Seen, body
from pipelines.training.mini.loop import Habit, Training, ripe
from pipelines.training.mini.pictures import HELD_OUT, Pool, softened
from pipelines.training.mini.run import Plan, log
from pipelines.training.mini.world.draw import draw
from pipelines.training.mini.world.scene import Curriculum, Scene, sample
from pipelines.training.mini.world.truth import truth

LESSONS = Curriculum(
    people=0.6,
    nothing=0.1,
    several=0.2,
    odd=0.25,
    wander=1.0,
    layouts=100_000,
    styles=(0.7, 0.06, 0.1, 0.04, 0.1),
    poses=(0.2,) * 5,
)
TEST = Curriculum(wander=1.0, layouts=100_000, several=0.25, odd=0.25, poses=(0.2,) * 5)
POOL, FRESH = 400, 3
FILE = "mini-estimators.safetensors"
BLUR = 0.8  # cells: how far beside the place a point may be expected


class Lesson(NamedTuple):
    """A render and its truth, small in memory: bytes of (h, w, 3), of (h, w), of (h, w, 3), of (h, w); 18 places, nan if absent."""

    picture: torch.Tensor
    depth: torch.Tensor
    normals: torch.Tensor
    outline: torch.Tensor
    points: torch.Tensor


def lesson(scene: Scene) -> Lesson:
    """The lesson of a scene; about 45 ms."""
    known = truth(scene)
    people = known.key_points[0] if known.key_points else (None,) * 18
    maps = (known.depth * 255, (known.normals + 1) * 127.5, known.outline)
    return Lesson(
        torch.from_numpy(np.asarray(draw(scene)).copy()),
        *(torch.from_numpy(part.round().astype(np.uint8)) for part in maps),
        torch.tensor([at or (math.nan, math.nan) for at in people]),
    )


def stacked(lessons: list[Lesson], device: str) -> Lesson:
    """A batch: pictures (n, 3, h, w) in 0..1, depth and outline (n, 1, h, w), normals (n, 3, h, w) unit, points (n, 18, 2)."""
    picture, depth, normals, outline, points = (torch.stack(parts).to(device) for parts in zip(*lessons, strict=True))
    vectors = F.normalize(normals.permute(0, 3, 1, 2).float() / 127.5 - 1, dim=1)
    return Lesson(
        picture.permute(0, 3, 1, 2).float() / 255, depth[:, None].float() / 255, vectors, outline[:, None].float(), points
    )


def likely(points: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """(n, 18, cells + 1) probabilities: a small hill around each point's cell, or all on the last where it is absent."""
    rows, columns = size[0] // 4, size[1] // 4
    y, x = torch.arange(rows, device=points.device), torch.arange(columns, device=points.device)
    gone = points[..., 0].isnan()
    at = points.nan_to_num() / 4 - 0.5
    down = (y - at[..., 1:]) ** 2  # (n, 18, rows)
    across = (x - at[..., :1]) ** 2
    hill = -(down[..., :, None] + across[..., None, :])
    hill = (hill / (2 * BLUR**2)).flatten(2).softmax(-1) * (~gone)[..., None]
    return torch.cat((hill, gone[..., None].float()), -1)


def loss(seen: Seen, true: Lesson) -> dict[str, torch.Tensor]:
    """Each reading's loss, of about equal weight."""
    matter = true.depth > 0.02  # the sky's nearness is 0: no ratio to it can be right
    ratio = (seen.depth.clamp(min=0.01).log() - true.depth.clamp(min=0.01).log())[matter].abs().mean()
    lines = F.binary_cross_entropy_with_logits(seen.outline, true.outline, pos_weight=seen.outline.new_tensor(3.0))
    goal = likely(true.points, true.depth.shape[-2:])
    return {
        "depth": 2 * F.l1_loss(seen.depth, true.depth) + 3 * ratio,
        "normal": 4 * (1 - (seen.normals * true.normals).sum(1)).mean(),
        "outline": lines,
        "pose": -(goal * seen.points.log_softmax(-1)).sum(-1).mean() * 0.5,
    }


def train(plan: Plan) -> None:
    """Train (or resume) for the plan's minutes; writes `estimators.pt` and logs the scores on held-out renders."""
    torch.manual_seed(plan.seed)
    run = Training(plan, "estimators", PictureBook().to(memory_format=torch.channels_last), None, Habit(0.99))
    pool = Pool(lambda seed: lesson(sample(seed, LESSONS)), run.rng, POOL, FRESH)
    while run.goes_on():
        true = stacked(pool.batch(plan.batch), plan.device)
        pixels = softened(true.picture).clamp(0, 1).contiguous(memory_format=torch.channels_last)
        parts = loss(run.model(pixels), true)
        run.learn(sum(parts.values()), **parts)
    log(plan, "estimators", step=run.step, **score(finished(plan)))


def finished(plan: Plan) -> PictureBook:
    """The averaged network. Raises FileNotFoundError where it has not been trained."""
    return ripe(PictureBook(), plan.work / "estimators.pt")


@torch.no_grad()
def score(network: PictureBook, count: int = 48) -> dict[str, float]:
    """On held-out renders of every place, hour and pose: depth's share within a factor of 1.25, mean angle of normals in degrees,
    share of key points within 5 % of the figure's height, F1 of outlines within 2 pixels."""
    rows: list[dict[str, float]] = []
    for seed in range(HELD_OUT, HELD_OUT + count):
        scene = sample(seed, TEST)
        true = stacked([lesson(scene)], "cpu")
        seen = network(true.picture)
        rows.append(
            {
                "depth": within(seen.depth, true.depth),
                "normal": angle(seen.normals, true.normals),
                "outline": f1(seen.outline[0, 0].sigmoid() > 0.4, true.outline[0, 0] > 0, 2),
            }
        )
        if scene.people:
            rows[-1]["pose"] = pck(body(seen.points[0], scene.width // 4), true.points[0])
    names = ("depth", "normal", "pose", "outline")
    return {name: float(np.mean([row[name] for row in rows if row.get(name) is not None])) for name in names}


def within(made: torch.Tensor, true: torch.Tensor) -> float:
    """Share of pixels of matter (nearness above 0.02, so no sky) whose nearness is right within a factor of 1.25."""
    held = true > 0.02
    ratio = made[held].clamp(min=0.01) / true[held]
    return float((torch.maximum(ratio, 1 / ratio) < 1.25).float().mean())


def angle(made: torch.Tensor, true: torch.Tensor) -> float:
    """Mean angle between unit vectors (n, 3, h, w), in degrees."""
    return float((made * true).sum(1).clamp(-1, 1).acos().mean()) * 180 / math.pi


def pck(made: tuple[tuple[float, float] | None, ...], true: torch.Tensor, share: float = 0.05) -> float | None:
    """Share of the true points that are found within `share` of the figure's height; None where fewer than two are there."""
    there = ~true[:, 0].isnan()
    if there.sum() < 2:
        return None
    height = float(true[there, 1].max() - true[there, 1].min())
    # A portrait shows head and shoulders, a quarter of a figure: its whole height is estimated from the ears' distance.
    height = max(height, 6 * float((true[16] - true[17]).abs()[0].nan_to_num()))
    hits = [
        m is not None and math.dist(m, t.tolist()) <= share * height
        for m, t, held in zip(made, true, there.tolist(), strict=True)
        if held
    ]
    return sum(hits) / len(hits)


def f1(made: torch.Tensor, true: torch.Tensor, reach: int) -> float:
    """F1 of two (h, w) masks of lines: a pixel counts as right within `reach` pixels of the other's."""

    def near(mask: torch.Tensor) -> torch.Tensor:
        return F.max_pool2d(mask[None, None].float(), 2 * reach + 1, 1, reach)[0, 0] > 0

    if not made.any() or not true.any():
        return 0.0
    precision, recall = float(near(true)[made].float().mean()), float(near(made)[true].float().mean())
    return 2 * precision * recall / max(precision + recall, 1e-6)


def write(plan: Plan, folder: Path) -> Path:
    """`mini-estimators.safetensors` in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {k: v.half().contiguous() for k, v in finished(plan).state_dict().items()}
    path = folder / FILE
    save_file(weights, path.with_suffix(".tmp"), metadata={"format": "pt"})
    path.with_suffix(".tmp").replace(path)
    path.chmod(0o644)
    return path
