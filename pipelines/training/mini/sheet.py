"""The contact sheet: eight subjects at eight places and hours, painted by the real pipeline with seeds in order."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from PIL import Image

from pipelines.training.mini.pictures import sheet

SUBJECTS = (
    "a red car",
    "a white cat",
    "a yellow house",
    "a black dog",
    "a young lady with pink hair, cowboy shot, denim jacket, black jeans",
    "a boy with brown hair, red sweater, blue jeans, full figure",
    "a green tree",
    "a blue bird",
)
SETTINGS = (
    "in the snow",
    "at night, in a meadow",
    "on the beach at sunset",
    "evening, street, Tokyo, cold neon lights",
    "in the desert by day",
    "in the park in the morning",
    "with snowy mountains behind, at sunset",
    "in a cosy room",
)
FIRST_PROMPTS = (
    "a red car, in the snow",
    "a photo of a white cat at night",
    "snowy mountains behind a green meadow at sunset",
    "a young lady with pink hair, cowboy shot, evening, street, Tokyo, cold neon lights, denim jacket, black jeans",
    "a blue car on the beach by day",
    "a black dog in a park at sunset",
    "a yellow house in the mountains",
    "a boy with brown hair, red sweater, in the snow",
)


def all_prompts() -> list[str]:
    """The 64 prompts of the sheet, row by row."""
    return [f"{subject}, {setting}" for subject in SUBJECTS for setting in SETTINGS]


def load(folder: Path) -> StableDiffusionPipeline:
    """The exported family in float32 with 25-step DPM++ 2M karras in mind."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config, use_karras_sigmas=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def paint(
    pipeline: StableDiffusionPipeline, prompts: list[str], cfg: float = 7.0, steps: int = 25, negative: list[str] | None = None
) -> list[Image.Image]:
    """One 256x256 picture of each prompt with seeds 0, 1, 2 and so on: nothing is picked."""
    pictures: list[Image.Image] = []
    for start in range(0, len(prompts), 8):
        part, rows = prompts[start : start + 8], slice(start, start + 8)
        dice = [torch.Generator().manual_seed(start + k) for k in range(len(part))]
        size = {"height": 256, "width": 256, "guidance_scale": cfg, "num_inference_steps": steps}
        pictures += pipeline(part, negative_prompt=negative and negative[rows], generator=dice, **size).images
    return pictures


def save_sheet(folder: Path, prompts: list[str], out: Path, columns: int, cfg: float = 7.0) -> None:
    """Paint the prompts and write one picture of them all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    page = sheet(paint(load(folder), prompts, cfg), columns)
    if columns > 4:  # a sheet of 64 would be four megabytes in the repository
        page = page.resize((columns * 160, page.height * 160 // 256), Image.Resampling.LANCZOS)
    page.save(out, optimize=True)
