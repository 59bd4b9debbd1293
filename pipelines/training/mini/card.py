"""The model card: figures out of the run's logs, the loss curves as a picture, and what the family can and cannot do."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import torch
from PIL import Image, ImageDraw

from pipelines.training.mini import sheet
from pipelines.training.mini.latents import CHUNK
from pipelines.training.mini.run import Plan, recall
from pipelines.training.mini.score import READ
from pipelines.training.mini.vae import finished, psnr

TEMPLATE = Path(__file__).with_name("card.md")
CURVES = (
    ("vae", "loss", (58, 112, 196)),
    ("decoder", "loss", (78, 158, 84)),
    ("base", "loss", (218, 58, 52)),
    ("text", "loss", (134, 88, 182)),
)


def lines(plan: Plan, stage: str) -> list[dict]:
    """The log of a stage."""
    path = plan.work / f"{stage}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def curve(plan: Plan) -> Image.Image:
    """Losses over steps, each on its own logarithmic scale from its largest to its smallest value. 840x360 pixels."""
    picture = Image.new("RGB", (840, 360), "white")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((50, 20, 820, 320), outline=(200, 200, 205))
    for row, (stage, name, tone) in enumerate(CURVES):
        points = [(x["step"], x[name]) for x in lines(plan, stage) if name in x]
        if len(points) < 2:
            continue
        last, high, low = points[-1][0], math.log(max(y for _, y in points)), math.log(min(y for _, y in points))
        path = [(50 + 770 * x / last, 24 + 292 * (high - math.log(y)) / (high - low + 1e-9)) for x, y in points]
        draw.line(path, fill=tone, width=2, joint="curve")
        draw.text((60 + 190 * row, 330), f"{stage}: {points[0][1]:.3f} to {points[-1][1]:.3f} in {last} steps", fill=tone)
    return picture


def seconds(folder: Path) -> float:
    """Wall clock of one warm 256x256 picture, 25 steps, CFG 7."""
    pipeline = sheet.load(folder)
    sheet.paint(pipeline, ["warm up"], steps=2)
    start = time.perf_counter()
    sheet.paint(pipeline, ["a red car, in the snow"])
    return time.perf_counter() - start


def figures(plan: Plan, folder: Path) -> dict[str, str]:
    """Everything the template asks for."""
    vae_log, decoder_log, base_log, text_log = (lines(plan, s) for s in ("vae", "decoder", "base", "text"))

    def final(log: list[dict], name: str, form: str = "{:.3f}") -> str:
        found = [x[name] for x in log if name in x]
        return form.format(found[-1]) if found else "none"

    def span(log: list[dict]) -> str:
        return f"{final(log, 'step', '{}')} steps in {final(log, 'minutes', '{:.0f}')} minutes"

    scores = plan.work / "score.json"
    read = json.loads(scores.read_text()) if scores.exists() else {}
    table = "\n".join(f"| {name} | " + " | ".join(f"{row[k]:.0%}" for k in READ) + " |" for name, row in read.items())
    chunks = len(list((plan.work / "latents").glob("*.pt")))
    return {
        "vae": span(vae_log),
        "vae_loss": final(vae_log, "loss"),
        "psnr_joint": final(vae_log, "psnr", "{:.1f}"),
        "decoder": span(decoder_log) if decoder_log else "not continued",
        "psnr": f"{psnr(finished(plan), plan, 'card', 48):.1f}",
        "text": f"{final(text_log, 'step', '{}')} steps",
        "text_right": final(text_log, "right", "{:.1%}"),
        "base": span(base_log),
        "base_loss": final(base_log, "loss"),
        "pictures": f"{chunks * CHUNK:,}",
        "seconds": f"{seconds(folder):.1f}",
        "megabytes": f"{sum(f.stat().st_size for f in folder.rglob('*.safetensors')) / 1e6:.1f}",
        "scores": table or "| not measured | | | | |",
        "threads": str(torch.get_num_threads()),
        "norm": ", ".join(f"{x:.2f}" for x in (recall(plan.work / "statistics.pt") or {"std": torch.ones(8)})["std"].tolist()),
    }


def write(plan: Plan, folder: Path) -> None:
    """README.md and the loss curve into the exported folder."""
    (folder / "README.md").write_text(TEMPLATE.read_text().format(**figures(plan, folder)))
    curve(plan).save(folder / "training.png", optimize=True)
