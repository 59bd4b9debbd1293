"""`python -m pipelines.training.mini STAGE --minutes N --work DIR`: the makers' command line."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from pipelines.training.mini import base, export, latents, text, vae
from pipelines.training.mini.crew import Crew
from pipelines.training.mini.run import Plan


def main() -> None:
    """Run one stage."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.training.mini")
    parser.add_argument("stage", choices=("vae", "decoder", "text", "latents", "base", "export", "sheet"))
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--work", type=Path, default=Path.home() / ".cache" / "atelier-mini")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--chunks", type=int, nargs=2, default=(0, 20), help="range of latent chunks of 1000 pictures")
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--cfg", type=float, default=7.0)
    parser.add_argument("--crew", type=int, default=1, help="processes that train the base together")
    parser.add_argument("--rank", type=int, default=0, help="which of them this is")
    parser.add_argument("--batch", type=int, default=16)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    given.work.mkdir(parents=True, exist_ok=True)
    if given.stage == "text":
        text.train(Plan(given.work, given.minutes, given.seed, given.device, batch=64, peak=1e-3))
        return
    plan = Plan(given.work, given.minutes, given.seed, given.device, given.batch, peak=1e-3 if given.stage == "base" else 2e-3)
    if given.stage == "base":
        base.train(plan, Crew(plan, given.rank, given.crew))
    if given.stage == "latents":
        latents.fill(plan, range(*given.chunks))
    if given.stage == "export":
        export.export(plan, given.out or given.work / "export")
    if given.stage == "sheet":
        export.paint(given.work / "export", export.PROMPTS, given.out or given.work / "painted.png", cfg=given.cfg)
    if given.stage in ("base", "latents", "export", "sheet"):
        return
    vae.train(plan, decoder_only=given.stage == "decoder")


if __name__ == "__main__":
    main()
