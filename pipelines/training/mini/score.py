"""Measures how well the family paints what it is told: networks that were taught on renders read its pictures.

The probe reads all attributes but the pose, which follows from the key points that the estimators find.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from torch.nn import functional as F

from pipelines.tasks.picture_book import PictureBook, body
from pipelines.training.mini import estimators, sheet
from pipelines.training.mini import probe as judge
from pipelines.training.mini.pictures import HELD_OUT, renders, to_picture, to_tensor
from pipelines.training.mini.posture import posture
from pipelines.training.mini.probe import READ, Probe, rights, shown, targets
from pipelines.training.mini.run import Plan
from pipelines.training.mini.world.labels import VALUES, labels
from pipelines.training.mini.world.scene import Curriculum, Scene, sample
from pipelines.training.mini.world.words import PERSON_WORDS, PLACE_WORDS, THING_WORDS, TIME_WORDS

PLAIN = READ[:4]
WORLD = Curriculum(wander=0.6, several=0.0, nothing=0.08)
RICH = Curriculum(people=0.6, nothing=0.0, several=0.6, odd=0.1, framings=(0.0, 0.5, 0.5), poses=(0.2, 0.2, 0.2, 0.2, 0.2))
SAME = "a red car, in a meadow, by day"  # what diversity is measured on
ARMS = slice(2, 8)  # right and left shoulder, elbow, wrist
Row = dict[str, float]
Readers = tuple[Probe, PictureBook]


def setting(scene: Scene, rng: Random) -> str:
    """Place and hour in words that leave no doubt."""
    place = rng.choice(PLACE_WORDS[scene.place if scene.place != "mountains" else f"mountains {scene.ground}"])
    return f"{place}, {rng.choice([w for w in TIME_WORDS[scene.time] if 'evening' not in w])}"


def prompt(scene: Scene, rng: Random) -> str:
    """A caption that states subject, colour, place and hour, and nothing else."""
    truth = labels(scene)
    if scene.people:
        return f"a {rng.choice(PERSON_WORDS[scene.people[0].kind])}, {setting(scene, rng)}"
    if scene.things:
        return f"a {truth['colour']} {rng.choice(THING_WORDS[truth['subject']])[0]}, {setting(scene, rng)}"
    return setting(scene, rng)


def rich_prompt(scene: Scene, rng: Random) -> str:
    """A caption that also states count, pose and the colours of hair, top and trousers."""
    if not scene.people:
        truth = labels(scene)
        one, many = THING_WORDS[truth["subject"]][0]
        count = {1: f"one {truth['colour']} {one}", 2: f"two {truth['colour']} {many}", 3: f"three {truth['colour']} {many}"}
        return f"{count[len(scene.things)]}, {setting(scene, rng)}"
    person = scene.people[0]
    hair = "bald head" if person.hair == "bald" else f"{person.hair_colour} hair"
    worn = [f"{person.top_colour} {person.top}"] + [f"{person.bottom_colour} {person.bottom}"] * (person.top != "dress")
    return ", ".join((f"a {person.kind} with {hair}", *worn, person.pose, scene.framing, setting(scene, rng)))


@torch.no_grad()
def through(pipeline: StableDiffusionPipeline, scenes: list[int], mix: Curriculum) -> list[Image.Image]:
    """Renders as the autoencoder gives them back: what a perfect UNet would paint."""
    vae, found = pipeline.vae, []
    for k in range(0, len(scenes), 8):
        pixels = renders(scenes[k : k + 8], mix).to(vae.device)
        found += [to_picture(p) for p in vae.decode(vae.encode(pixels).latent_dist.mean).sample]
    return found


def told(readers: Readers, pictures: list[Image.Image], scenes: list[Scene]) -> Row:
    """Shares of attributes read rightly from pictures of 256x256, among the scenes that have them and show them."""
    probe, network = readers
    row = rights(judge.read(probe, pictures), targets(scenes))
    posed = [(picture, shown(scene)["pose"]) for picture, scene in zip(pictures, scenes, strict=True) if "pose" in shown(scene)]
    row["pose"] = sum(pose_of(network, picture) == pose for picture, pose in posed) / len(posed) if posed else float("nan")
    return row


@torch.no_grad()
def pose_of(network: PictureBook, picture: Image.Image) -> str | None:
    """The pose of the one person in a picture; arms are taken where they are likeliest, for the prompt promised some."""
    points = network(to_tensor(picture)[None] / 2 + 0.5).points[0]
    points[ARMS, -1] = -torch.inf
    return posture(body(points, picture.width // 4))


def adherence(readers: Readers, pipeline: StableDiffusionPipeline, count: int) -> dict[str, Row]:
    """Shares of attributes read rightly, of renders and of pictures painted from prompts that state them."""
    table: dict[str, Row] = {}
    for name, mix, words, kept in (("plain", WORLD, prompt, PLAIN), ("rich", RICH, rich_prompt, READ)):
        seeds = list(range(HELD_OUT, HELD_OUT + count))
        scenes, rng = [sample(seed, mix) for seed in seeds], Random(1)
        said = [words(scene, rng) for scene in scenes]
        drawn = [to_picture(pixels) for pixels in renders(seeds, mix)]
        rows = {"renders": drawn, "renders through the autoencoder": through(pipeline, seeds, mix)}
        for cfg in (7.0, 1.0):
            rows[f"CFG {cfg:g}"] = sheet.paint(pipeline, said, cfg=cfg)
        for row, pictures in rows.items():
            table[f"{name}: {row}"] = {key: value for key, value in told(readers, pictures, scenes).items() if key in kept}
    return table


def negation(probe: Probe, pipeline: StableDiffusionPipeline, count: int) -> float:
    """How much rarer an hour becomes when the negative prompt names it: 0 not at all, 1 it never comes back."""
    rng, at = Random(2), READ.index("time")
    scenes = [sample(seed, WORLD) for seed in range(HELD_OUT, HELD_OUT + count)]
    said = [prompt(scene, rng).rsplit(", ", 1)[0] for scene in scenes]  # without the hour
    before = judge.read(probe, sheet.paint(pipeline, said))[at].argmax(1)
    unwanted = [TIME_WORDS[VALUES["time"][int(k)]][0] for k in before]
    after = judge.read(probe, sheet.paint(pipeline, said, negative=unwanted))[at].argmax(1)
    return 1 - float((after == before).float().mean())


def diversity(pipeline: StableDiffusionPipeline, count: int = 16) -> float:
    """Layout variance of pictures of one prompt, as a share of that of renders of such scenes."""
    truth = {"subject": "car", "colour": "red", "place": "meadow", "time": "day", "count": "1"}
    alike = (s for s in range(HELD_OUT, HELD_OUT + 100_000) if truth.items() <= labels(sample(s, WORLD)).items())
    true = renders([next(alike) for _ in range(count)], WORLD)
    made = torch.stack([to_tensor(p) for p in sheet.paint(pipeline, [SAME] * count)])
    spread = [float(F.adaptive_avg_pool2d(pixels, 32).var(0).mean()) for pixels in (made, true)]
    return spread[0] / spread[1]


def score(plan: Plan, folder: Path, count: int = 400) -> dict[str, Row]:
    """All of the base model's scores over `count` held-out scenes; printed, and as `<work>/score.json`."""
    probe, pipeline = judge.finished(plan), sheet.load(folder).to(plan.device)
    table = adherence((probe, estimators.finished(plan)), pipeline, count)
    table["others"] = {"negative prompt": negation(probe, pipeline, max(8, count // 4)), "diversity": diversity(pipeline)}
    (plan.work / "score.json").write_text(json.dumps(table, indent=2))
    for name, row in table.items():
        print(f"{name:40}", "  ".join(f"{k} {v:.1%}" for k, v in row.items()), flush=True)
    return table
