"""Writes the family as a diffusers folder, and paints contact sheets with the real pipeline."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from diffusers import DPMSolverMultistepScheduler, PNDMScheduler, StableDiffusionPipeline

from pipelines.training.mini import base, latents, text, vae
from pipelines.training.mini.pictures import sheet
from pipelines.training.mini.run import Plan, recall

PROMPTS = (
    "a red car, in the snow",
    "a photo of a white cat at night",
    "snowy mountains behind a green meadow at sunset",
    "a young lady with pink hair, cowboy shot, evening, street, Tokyo, cold neon lights, denim jacket, black jeans",
    "a blue car on the beach by day",
    "a black dog in a park at sunset",
    "a yellow house in the mountains",
    "a boy with brown hair, red sweater, in the snow",
)


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
    for part in sorted(fresh.iterdir()):
        target = folder / part.name
        folder.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            shutil.rmtree(target)
        part.replace(target)
    shutil.rmtree(fresh)


def paint(folder: Path, prompts: tuple[str, ...], out: Path, columns: int = 4, cfg: float = 7.0) -> None:
    """One picture of each prompt, seeds 0, 1, 2 … in order, 25 steps DPM++ 2M karras."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config, use_karras_sigmas=True)
    pipeline.set_progress_bar_config(disable=True)
    pictures = []
    for start in range(0, len(prompts), 8):
        part = list(prompts[start : start + 8])
        dice = [torch.Generator().manual_seed(start + k) for k in range(len(part))]
        pictures += pipeline(part, num_inference_steps=25, guidance_scale=cfg, height=256, width=256, generator=dice).images
    sheet(pictures, columns).save(out)
