"""Teaches the identity adapter: PhotoMaker's ID encoder at mini's width, from several pictures of a person to one elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from pipelines.patches.photomaker.encoder import MINI, IdEncoder
from pipelines.patches.photomaker.likeness import Wish, likeness
from pipelines.patches.photomaker.state import Adapter
from pipelines.training.mini import base, clip, sheet, text
from pipelines.training.mini.latents import Cache
from pipelines.training.mini.loop import Habit, Training, ripe
from pipelines.training.mini.pictures import HELD_OUT
from pipelines.training.mini.run import Plan, recall
from pipelines.training.mini.score import setting
from pipelines.training.mini.world.draw import draw
from pipelines.training.mini.world.scene import FIRST, Curriculum, Person, Scene, sample

SIZES = replace(MINI, vision=replace(MINI.vision, layers=4))  # mini-clip's tower, which it begins with
FILE = "mini-photomaker.safetensors"
MOST = 3  # photos of one person in a lesson
WHO = ("kind", "skin", "hair", "hair_colour", "glasses", "beard", "hat")  # what makes a person the same one; clothes do not
ALBUM = Curriculum(people=1.0, nothing=0.0, framings=(0.7, 0.3, 0.0))
STRANGERS = Curriculum(people=1.0, nothing=0.0, framings=(0.0, 1.0, 0.0))


def build(plan: Plan) -> IdEncoder:
    """A fresh encoder whose vision tower is mini-clip's, where that has been taught."""
    encoder = IdEncoder(SIZES)
    if recall(plan.work / "clip.pt"):
        encoder.vision_model.load_state_dict(clip.finished(plan).vision_model.state_dict())
    return encoder.requires_grad_(True)


def photo(person: Person, seed: int) -> Scene:
    """The same person at another place, in other clothes and another pose."""
    scene = sample(seed, ALBUM)
    return replace(scene, people=(replace(scene.people[0], **{name: getattr(person, name) for name in WHO}),))


def photos(person: Person, rng: Random, count: int) -> torch.Tensor:
    """(count, 3, 128, 128) in -1..1 as mini-clip reads pictures."""
    drawn = [clip.small(photo(person, rng.randrange(HELD_OUT))) for _ in range(count)]
    return torch.stack(drawn).permute(0, 3, 1, 2).float() / 127.5 - 1


def told(scene: Scene, rng: Random) -> str:
    """A prompt that says who (by the class word alone), where and when."""
    return f"a {scene.people[0].kind}, {setting(scene, rng)}"


def repeated(ids: torch.Tensor, copies: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, 77) ids whose class word, the third token, stands `copies` times, and the mask of its places."""
    many = torch.cat((ids[:, :3], ids[:, 2:3].expand(-1, copies - 1), ids[:, 3 : ids.shape[1] - copies + 1]), 1)
    mask = torch.zeros_like(many, dtype=torch.bool)
    mask[:, 2 : 2 + copies] = True
    return many, mask


def train(plan: Plan, mix: Curriculum = FIRST) -> None:
    """Train (or resume) for the plan's minutes on cached latents of scenes with a person; writes `identity.pt`."""
    torch.manual_seed(plan.seed)
    words, reader, unet = text.tokenizer(plan), text.finished(plan).to(plan.device), base.finished(plan).to(plan.device)
    run = Training(plan, "identity", build(plan), None, Habit(0.995))
    noise = base.levels(plan.device)
    cache = Cache(plan.work / "latents", lambda seed: bool(sample(seed, mix).people))
    if not cache.refresh():
        raise FileNotFoundError(plan.work / "latents")
    while run.goes_on():
        seeds, clean = cache.batch(run.rng, plan.batch)
        picked, copies = [sample(int(seed), mix) for seed in seeds], run.rng.randint(1, MOST)
        seen = torch.stack([photos(s.people[0], run.rng, copies) for s in picked]).to(plan.device)
        ids, mask = repeated(text.encode(words, [told(s, run.rng) for s in picked]), copies)
        with torch.no_grad():
            states = reader(ids.to(plan.device)).last_hidden_state
        fused = run.model(seen, states, mask.to(plan.device))
        target = clean.float().to(plan.device, memory_format=torch.channels_last)
        run.learn(base.learn(unet, target, fused, noise))


def finished(plan: Plan) -> nn.Module:
    """The averaged encoder. Raises FileNotFoundError where it has not been trained."""
    return ripe(build(plan), plan.work / "identity.pt")


def score(plan: Plan, folder: Path, count: int = 24) -> float:
    """AUC: how surely a picture painted from a person's photos is nearer (by mini-clip) to a new photo of them than of others."""
    seer, pipeline, rng = clip.opened(plan), sheet.load(folder), Random(6)
    scenes = [sample(seed, STRANGERS) for seed in range(HELD_OUT, HELD_OUT + count)]
    known = Adapter("mini", finished(plan), {})
    painted: list[Image.Image] = []
    for number, scene in enumerate(scenes):
        wish = Wish(told(scene, rng).replace(",", " img,", 1), steps=25)
        dice = torch.Generator().manual_seed(number)
        with likeness(pipeline, known, photos(scene.people[0], rng, MOST), wish) as on:
            size = {"height": 256, "width": 256, "num_inference_steps": 25, "guidance_scale": 5.0}
            made = pipeline(
                **on.call_args,
                **size,
                generator=dice,
                callback_on_step_end=on.on_step,
                callback_on_step_end_tensor_inputs=["latents", "prompt_embeds"],
            )
        painted += made.images
    new = seer.images([draw(photo(scene.people[0], HELD_OUT + 77 + k)) for k, scene in enumerate(scenes)])
    return auc(seer.images(painted) @ new.T)


def auc(alike: torch.Tensor) -> float:
    """Share of pairs (same, other) of an (n, n) table in which the same person's entry, on the diagonal, is the larger."""
    same, other = alike.diagonal(), alike[~torch.eye(len(alike), dtype=torch.bool)]
    return float((same[:, None] > other[None]).float().mean())


def write(plan: Plan, folder: Path) -> Path:
    """`mini-photomaker.safetensors` in half precision, without a LoRA part."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {f"id_encoder.{k}": v.half().contiguous() for k, v in finished(plan).state_dict().items() if "position_ids" not in k}
    save_file(state, folder / FILE, metadata={"format": "pt", "vision_heads": str(SIZES.vision.heads)})
    (folder / FILE).chmod(0o644)
    return folder / FILE
