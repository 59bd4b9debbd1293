"""Mini-clip: a vision tower that learns to agree with the frozen text tower about renders and their captions (CLIPModel layout)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from types import MappingProxyType

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer, CLIPVisionConfig

from pipelines.ranking.clip import Clip
from pipelines.training.mini import text
from pipelines.training.mini.estimators import LESSONS
from pipelines.training.mini.loop import Habit, Training, ripe
from pipelines.training.mini.pictures import HELD_OUT, Pool, softened
from pipelines.training.mini.probe import shown
from pipelines.training.mini.run import Plan, log, quick
from pipelines.training.mini.world.captions import caption
from pipelines.training.mini.world.draw import draw
from pipelines.training.mini.world.labels import VALUES, labels
from pipelines.training.mini.world.scene import PERSONS, PLACES, THINGS, TIMES, Curriculum, Scene, sample
from pipelines.training.mini.world.words import PLACE_WORDS, TIME_WORDS

SIDE, PATCH, WIDTH = 128, 16, 192
POOL, FRESH = 4000, 16
TEST = Curriculum(nothing=0.0, several=0.0)
# Short phrases of which one is true of a picture: with them the tower learns in minutes what pairs alone teach in hours.
PHRASES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "subject": {kind: f"a {kind}" for kind in (*PERSONS, *THINGS)},
        "place": {place: PLACE_WORDS["mountains meadow" if place == "mountains" else place][0] for place in PLACES},
        "time": {time: TIME_WORDS[time][0] for time in TIMES},
        "hair colour": {colour: f"{colour} hair" for colour in VALUES["hair colour"]},
        "hair": {hair: "a bald head" if hair == "bald" else f"{hair} hair" for hair in VALUES["hair"]},
        "skin": {skin: f"{skin} skin" for skin in VALUES["skin"] if skin != "fair"},  # captions do not name what is usual
    }
)


def build(plan: Plan) -> CLIPModel:
    """A random vision tower beside the taught text tower, which is frozen; its projection and the temperature learn."""
    tower = text.finished(plan)
    vision = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=4,
        num_attention_heads=6,
        image_size=SIDE,
        patch_size=PATCH,
    )
    model = CLIPModel(CLIPConfig(text_config=tower.config.to_dict(), vision_config=vision.to_dict(), projection_dim=WIDTH))
    model.text_model.load_state_dict(tower.state_dict())
    model.text_model.requires_grad_(False)
    return model


def processor() -> CLIPImageProcessor:
    """Pictures as the tower reads them: the middle square at 128 pixels, each channel in -1..1."""
    return CLIPImageProcessor(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )


def small(scene: Scene) -> torch.Tensor:
    """(128, 128, 3) bytes of a scene."""
    return torch.from_numpy(np.asarray(draw(scene).resize((SIDE, SIDE), Image.Resampling.BICUBIC)).copy())


@torch.no_grad()
def spoken(model: CLIPModel, words: CLIPTokenizer) -> dict[str, torch.Tensor]:
    """What the text tower, which does not learn, says of the phrases: by the attribute, (values, width)."""
    tower, device = model.text_model, model.logit_scale.device
    return {name: tower(text.encode(words, list(said.values())).to(device)).pooler_output for name, said in PHRASES.items()}


def chosen(model: CLIPModel, said: Mapping[str, torch.Tensor], seen: torch.Tensor, scenes: Sequence[Scene]) -> torch.Tensor:
    """Mean cross-entropy of the right phrase of every attribute that a picture shows."""
    true, losses = [shown(scene) for scene in scenes], []
    for name, states in said.items():
        known = list(PHRASES[name])
        goal = torch.tensor([known.index(row[name]) if row.get(name) in known else -1 for row in true], device=seen.device)
        logits = seen @ F.normalize(model.text_projection(states), dim=-1).T * model.logit_scale.exp()
        if (goal >= 0).any():
            weight = 3.0 if name == "subject" else 1.0  # shapes are learned last, colours by themselves
            losses.append(weight * F.cross_entropy(logits, goal, ignore_index=-1, label_smoothing=0.02))
    return torch.stack(losses).mean()


def train(plan: Plan) -> None:
    """Train (or resume) for the plan's minutes with CLIP's symmetric loss (2103.00020) and phrases; writes `clip.pt`."""
    torch.manual_seed(plan.seed)
    words, model = text.tokenizer(plan), build(plan)
    said = spoken(model.to(plan.device), words)
    run = Training(plan, "clip", model, None, Habit(0.995, 0.05))

    def lesson(seed: int) -> tuple[torch.Tensor, Scene]:
        scene = sample(seed, LESSONS)
        return small(scene), scene

    pool = Pool(lesson, run.rng, POOL, FRESH)
    while run.goes_on():
        rows = pool.batch(plan.batch)
        pixels = torch.stack([p for p, _ in rows]).to(plan.device).permute(0, 3, 1, 2).float() / 127.5 - 1
        ids = text.encode(words, [caption(scene, run.rng).text for _, scene in rows]).to(plan.device)
        ids = ids[:, : int((ids == words.eos_token_id).int().argmax(1).max()) + 1]  # the tower is causal: padding says nothing
        with quick(plan.device):  # trains as well in half the time
            made = run.model(input_ids=ids, pixel_values=softened(pixels))
        seen = made.image_embeds.float()
        logits = seen @ made.text_embeds.float().T * run.model.logit_scale.exp()
        right = torch.arange(len(rows), device=logits.device)
        pairs = (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2
        phrases = chosen(run.model, said, seen, [scene for _, scene in rows])
        run.learn(pairs + phrases, phrases=phrases, right=(logits.argmax(1) == right).float().mean())
        with torch.no_grad():
            run.model.logit_scale.clamp_(max=4.6)  # CLIP's own limit, a factor of 100
    log(plan, "clip", step=run.step, **score(opened(plan)))


def finished(plan: Plan) -> CLIPModel:
    """The averaged model. Raises FileNotFoundError where it has not been trained."""
    return ripe(build(plan), plan.work / "clip.pt")


def opened(plan: Plan) -> Clip:
    """The model as the ranking room uses it."""
    return Clip(finished(plan), text.tokenizer(plan), processor())


def score(clip: Clip, count: int = 200) -> dict[str, float]:
    """On held-out renders: share whose subject word is chosen among thirteen, and whose caption among thirty-two."""
    rng, scenes = Random(4), [sample(seed, TEST) for seed in range(HELD_OUT, HELD_OUT + count)]
    seen, kinds = clip.images([draw(s) for s in scenes]), [*PERSONS, *THINGS]
    guessed = (seen @ clip.texts([f"a {kind}" for kind in kinds]).T).argmax(1).tolist()
    subject = [kinds[k] == labels(scene)["subject"] for k, scene in zip(guessed, scenes, strict=True)]
    said = clip.texts([caption(scene, rng).text for scene in scenes])
    found: Sequence[bool] = [
        bool((seen[k : k + 32] @ said[k : k + 32].T).argmax(1)[row] == row) for k in range(0, count - 31, 32) for row in range(32)
    ]
    return {"subject": sum(subject) / len(subject), "retrieval": sum(found) / len(found)}


def write(plan: Plan, folder: Path) -> Path:
    """A folder that `CLIPModel`, `CLIPTokenizer` and `CLIPImageProcessor` open, in half precision."""
    made = opened(plan)
    made.model.half().save_pretrained(folder, safe_serialization=True)
    made.tokenizer.save_pretrained(folder)
    made.processor.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    return folder
