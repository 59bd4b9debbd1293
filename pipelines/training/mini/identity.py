"""Teaches the identity adapter: PhotoMaker's ID encoder at mini's width, from several pictures of a person to one elsewhere.

Two lessons. At first the class word's state shall say what a description of the person says at its end: a quick one, for the
UNet is not asked. Then the frozen UNet's own error judges, mostly round the head, as PhotoMaker's masked loss does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F
from transformers import CLIPTextModel, CLIPTokenizer

from pipelines.patches.photomaker.encoder import MINI, IdEncoder
from pipelines.training.mini import base, clip, text
from pipelines.training.mini.latents import Cache
from pipelines.training.mini.loop import Habit, Training, ripe
from pipelines.training.mini.pictures import HELD_OUT, Pool, softened
from pipelines.training.mini.run import Plan, quick, recall
from pipelines.training.mini.score import setting
from pipelines.training.mini.world.scene import FIRST, Curriculum, Person, Scene, sample

SIZES = replace(MINI, vision=replace(MINI.vision, layers=4))  # mini-clip's tower, which it begins with
FILE = "mini-photomaker.safetensors"
MOST = 3  # photos of one person in a lesson
WHO = ("kind", "skin", "hair", "hair_colour", "glasses", "beard", "hat")  # what makes a person the same one; clothes do not
ALBUM = Curriculum(people=1.0, nothing=0.0, framings=(0.7, 0.3, 0.0))
BEFORE = ("a", "a", "a", "one", "a photo of a", "a picture of a", "portrait of a")
POOL, FRESH = 800, 3
FIRST_PART = 0.35  # of the time: words alone judge
MANY = 6  # photos in a lesson by words, for each picture of the batch: without the UNet they are cheap
ANCHOR = 0.02  # of the words' loss while the UNet judges
AWAY, REACH = 0.15, 0.8  # weight of what is not the head; half of the square round it, in heads


@dataclass(frozen=True)
class Lesson:
    """A picture of somebody (its latent), and photos of the same one elsewhere, (MOST, 128, 128, 3) bytes."""

    scene: Scene
    clean: torch.Tensor
    album: torch.Tensor


def build(plan: Plan) -> IdEncoder:
    """A fresh encoder that sees as mini-clip does, where that has been taught."""
    encoder = IdEncoder(SIZES)
    if recall(plan.work / "clip.pt"):
        seer = clip.finished(plan)
        encoder.vision_model.load_state_dict(seer.vision_model.state_dict())
        encoder.visual_projection.load_state_dict(seer.visual_projection.state_dict())
    return encoder.requires_grad_(True)


def photo(person: Person, seed: int) -> Scene:
    """The same person at another place, in other clothes and another pose."""
    scene = sample(seed, ALBUM)
    return replace(scene, people=(replace(scene.people[0], **{name: getattr(person, name) for name in WHO}),))


def album(person: Person, rng: Random, count: int) -> torch.Tensor:
    """(count, 128, 128, 3) bytes: photos of a person."""
    return torch.stack([clip.small(photo(person, rng.randrange(HELD_OUT))) for _ in range(count)])


def pixels(album: torch.Tensor) -> torch.Tensor:
    """(..., 128, 128, 3) bytes -> (..., 3, 128, 128) in -1..1, as the towers read pictures."""
    return album.movedim(-1, -3).float() / 127.5 - 1


def described(person: Person) -> str:
    """All that makes the person who they are, in the captions' words."""
    bald = "a bald head" if person.kind != "baby" else ""
    parts = [bald if person.hair == "bald" else f"{person.hair} {person.hair_colour} hair"]
    parts += ["glasses"] * person.glasses + ["a beard"] * person.beard
    parts += [f"a {person.hat} hat"] if person.hat else []
    parts += [f"{person.skin} skin"] if person.skin != "fair" else []  # captions do not name what is usual
    said = " and ".join(part for part in parts if part)
    return f"a {person.kind} with {said}" if said else f"a {person.kind}"


def before(person: Person, rng: Random) -> str:
    """A prompt up to its class word."""
    return f"{rng.choice(BEFORE)} {person.kind}"


def repeated(words: CLIPTokenizer, heads: Sequence[str], rests: Sequence[str], copies: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, 77) ids of the prompts `head + rest`, the head's last token `copies` times over, and the mask of its places."""
    rows, mask = [], torch.zeros(len(heads), text.TOKENS, dtype=torch.bool)
    for number, (head, rest) in enumerate(zip(heads, rests, strict=True)):
        ids = words(head, add_special_tokens=False).input_ids
        begun = [words.bos_token_id, *ids, *ids[-1:] * (copies - 1)]
        row = [*begun, *words(rest, add_special_tokens=False).input_ids][: text.TOKENS - 1]
        rows.append(row + [words.eos_token_id] * (text.TOKENS - len(row)))
        mask[number, len(begun) - copies : len(begun)] = True
    return torch.tensor(rows), mask


def attention_to_heads(scenes: Sequence[Scene], size: tuple[int, int]) -> torch.Tensor:
    """(n, 1, h, w) weights of mean 1: the square round each person's head counts, the rest little."""
    high, wide = size
    y, x = (torch.arange(high) + 0.5)[:, None] / high, (torch.arange(wide) + 0.5)[None] / wide
    maps = []
    for scene in scenes:
        person = scene.people[0]
        reach = REACH * person.head
        near_y = (y - person.crown - 0.54 * person.head).abs() < reach
        near_x = (x - person.x).abs() < reach * scene.height / scene.width
        maps.append(torch.where(near_y & near_x, 1.0, AWAY))
    found = torch.stack(maps)[:, None]
    return found / found.mean((1, 2, 3), keepdim=True)


class School:
    """Lessons from the latent cache, kept in memory with their albums, and what the words say of them."""

    def __init__(self, plan: Plan, rng: Random, mix: Curriculum) -> None:
        def wanted(seed: int) -> bool:
            scene = sample(seed, mix)
            return bool(scene.people) and scene.framing != "full figure"  # whose head is three latent pixels

        self.rng, self.mix, self.device = rng, mix, plan.device
        self.words: CLIPTokenizer = text.tokenizer(plan)
        self.reader: CLIPTextModel = text.finished(plan).to(plan.device)
        cache = Cache(plan.work, wanted)
        cache.refresh()
        self.seeds, self.clean, *_ = cache.square()
        self.pool = Pool(self.make, rng, POOL, FRESH)

    def make(self, number: int) -> Lesson:
        """The lesson of one cached picture."""
        row = number % len(self.seeds)
        scene = sample(int(self.seeds[row]), self.mix)
        return Lesson(scene, self.clean[row], album(scene.people[0], self.rng, MOST))

    def lessons(self, count: int, copies: int) -> tuple[list[Lesson], torch.Tensor]:
        """`count` of them, and `copies` photos of each: (count, copies, 3, 128, 128)."""
        rows = self.pool.batch(count)
        seen = torch.stack([row.album[torch.randperm(MOST)[:copies]] for row in rows])
        return rows, softened(pixels(seen).flatten(0, 1)).unflatten(0, seen.shape[:2]).to(self.device)

    @torch.no_grad()
    def states(self, rows: Sequence[Lesson], rests: Sequence[str], copies: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, 77, 192) text states of the prompts with their class words repeated, and the mask of those."""
        heads = [before(row.scene.people[0], self.rng) for row in rows]
        ids, mask = repeated(self.words, heads, rests, copies)
        short = ids if any(rests) else ids[:, : int(mask.nonzero()[:, 1].max()) + 1]  # the tower is causal
        return self.reader(short.to(self.device)).last_hidden_state, mask[:, : short.shape[1]].to(self.device)

    @torch.no_grad()
    def descriptions(self, rows: Sequence[Lesson]) -> torch.Tensor:
        """(n, 192) what the text tower says at the end of the persons' descriptions."""
        ids = text.encode(self.words, [described(row.scene.people[0]) for row in rows])
        at = (ids == self.words.eos_token_id).int().argmax(1)
        return self.reader(ids[:, : int(at.max()) + 1].to(self.device)).last_hidden_state[torch.arange(len(ids)), at]


def by_words(model: IdEncoder, school: School, photos: int) -> torch.Tensor:
    """How far the fused class words are from the persons' descriptions."""
    copies = school.rng.randint(1, MOST)
    rows, seen = school.lessons(photos // copies, copies)
    states, mask = school.states(rows, [""] * len(rows), copies)
    return away(fused(model, seen, states, mask)[mask], school.descriptions(rows), copies)


def fused(model: IdEncoder, seen: torch.Tensor, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The states with the photos in them; the tower reads these in half precision, which trains as well in half the time."""
    with quick(seen.device.type):
        ids = model.identity(seen)
    return model.fuse_module(states, ids.float(), mask)


def away(found: torch.Tensor, goal: torch.Tensor, copies: int) -> torch.Tensor:
    """Mean square distance of (n·copies, d) class words to (n, d) descriptions."""
    return F.mse_loss(found, goal.repeat_interleave(copies, 0))


def by_unet(model: IdEncoder, school: School, unet: nn.Module, noise: tuple[torch.Tensor, torch.Tensor], count: int) -> tuple:
    """The UNet's error with the fused words, mostly round the heads, and the words' own loss."""
    copies = school.rng.randint(1, MOST)
    rows, seen = school.lessons(count, copies)
    states, mask = school.states(rows, [f", {setting(row.scene, school.rng)}" for row in rows], copies)
    made = fused(model, seen, states, mask)
    clean = torch.stack([row.clean for row in rows]).float()
    where = attention_to_heads([row.scene for row in rows], tuple(clean.shape[2:])).to(school.device)
    target = clean.to(school.device, memory_format=torch.channels_last)
    return base.learn(unet, target, made, noise, where), away(made[mask], school.descriptions(rows), copies)


def train(plan: Plan, mix: Curriculum = FIRST) -> None:
    """Train (or resume) for the plan's minutes on cached latents of scenes with a person; writes `identity.pt`."""
    torch.manual_seed(plan.seed)
    unet = base.finished(plan).to(plan.device)
    base.plain_attention(unet, plan.device)
    run = Training(plan, "identity", build(plan), None, Habit(0.997))
    school, noise = School(plan, run.rng, mix), base.levels(plan.device)
    while run.goes_on():
        if run.clock.share < FIRST_PART:
            told = by_words(run.model, school, MANY * plan.batch)
            run.learn(told, told=told, unet=torch.zeros(()))
        else:
            judged, told = by_unet(run.model, school, unet, noise, plan.batch)
            run.learn(judged + ANCHOR * told, told=told, unet=judged)


def finished(plan: Plan) -> nn.Module:
    """The averaged encoder. Raises FileNotFoundError where it has not been trained."""
    return ripe(build(plan), plan.work / "identity.pt")


def write(plan: Plan, folder: Path) -> Path:
    """`mini-photomaker.safetensors` in half precision, without a LoRA part."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {f"id_encoder.{k}": v.half().contiguous() for k, v in finished(plan).state_dict().items() if "position_ids" not in k}
    save_file(state, folder / FILE, metadata={"format": "pt", "vision_heads": str(SIZES.vision.heads)})
    (folder / FILE).chmod(0o644)
    return folder / FILE
