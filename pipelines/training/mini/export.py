"""Writes the family as a diffusers folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from diffusers import PNDMScheduler, StableDiffusionPipeline

from pipelines.training.mini import base, latents, text, vae
from pipelines.training.mini.run import Plan, recall


def assemble(plan: Plan) -> StableDiffusionPipeline:
    """The pipeline from the newest checkpoints of a run."""
    coder = vae.finished(plan)
    norm = recall(plan.work / "statistics.pt")
    if norm:
        coder = latents.fold(coder, norm)
    scheduler = PNDMScheduler(skip_prk_steps=True, **{k: v for k, v in base.SCHEDULE.items() if k != "clip_sample"})
    return StableDiffusionPipeline(
        vae=coder,
        text_encoder=text.finished(plan),
        tokenizer=text.tokenizer(plan),
        unet=base.finished(plan),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def export(plan: Plan, folder: Path) -> None:
    """Write the fp16 folder beside the target, then exchange them, so that readers never see half of it."""
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    assemble(plan).to(torch.float16).save_pretrained(fresh, safe_serialization=True)
    for name in ("vocab.json", "merges.txt", "special_tokens_map.json"):  # transformers 5 writes tokenizer.json alone
        shutil.copyfile(plan.work / "tokenizer" / name, fresh / "tokenizer" / name)
    for file in fresh.rglob("*.safetensors"):
        file.chmod(0o644)
    for part in sorted(fresh.iterdir()):
        target = folder / part.name
        folder.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            shutil.rmtree(target)
        part.replace(target)
    shutil.rmtree(fresh)
