"""`python -m pipelines.training.mini STAGE --minutes N --work DIR`: the makers' command line. `all` runs every stage in order."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import torch

from pipelines.training import single_file
from pipelines.training.mini import (
    adopt,
    aesthetic,
    base,
    card,
    clip,
    control_score,
    controlnet,
    estimators,
    export,
    glimpse,
    identity,
    latents,
    probe,
    score,
    sheet,
    sketch,
    text,
    upscaler,
    vae,
)
from pipelines.training.mini.conditions import CONDITIONS
from pipelines.training.mini.crew import Crew
from pipelines.training.mini.pictures import renders, to_picture
from pipelines.training.mini.pictures import sheet as page
from pipelines.training.mini.run import Plan
from pipelines.training.mini.world.scene import FIRST, GROWN, LIVELY, WIDE, Curriculum

FAMILY = Path(__file__).parents[3] / "models" / "mini"
WORLDS: Mapping[str, Curriculum] = MappingProxyType({"first": FIRST, "grown": GROWN, "lively": LIVELY, "wide": WIDE})


def parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    made = argparse.ArgumentParser(prog="python -m pipelines.training.mini", description=__doc__)
    made.add_argument("stage", choices=(*STAGES, "all"))
    made.add_argument("--minutes", type=float, default=30, help="wall clock of the stage; a resumed stage counts what it has had")
    made.add_argument("--work", type=Path, default=Path.home() / ".cache" / "atelier-mini", help="checkpoints, logs, latents")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    made.add_argument("--threads", type=int, default=2)
    made.add_argument("--hands", type=int, default=max(1, (os.cpu_count() or 2) - 2) if torch.cuda.is_available() else 0,
                      help="processes that draw for a GPU; 0: the learner draws for itself")
    made.add_argument("--former", type=Path, default=None, help="an autoencoder whose channels `vae` keeps as its first ones")
    made.add_argument("--batch", type=int, default=0, help="0 takes the stage's own")
    made.add_argument("--chunks", type=int, nargs=2, default=(0, 20), help="range of latent chunks of 1000 pictures")
    made.add_argument("--crew", type=int, default=1, help="processes that train the base together")
    made.add_argument("--rank", type=int, default=0, help="which of them this is")
    made.add_argument("--peak", type=float, default=0, help="largest learning rate; 0 takes the stage's own")
    made.add_argument("--lean", type=float, default=1.0, help="of `base`: above 1 cleaner latents come more often")
    made.add_argument("--world", choices=tuple(WORLDS), default="grown", help="curriculum of latents and captions")
    made.add_argument("--kind", choices=tuple(CONDITIONS), default="canny", help="condition of `controlnet`")
    made.add_argument("--like", choices=("", *CONDITIONS), default="", help="a trained kind that `controlnet` begins with")
    made.add_argument("--out", type=Path, default=None)
    made.add_argument("--count", type=int, default=400, help="pictures that `score` reads")
    made.add_argument("--cfg", type=float, default=7.0)
    return made


def plan(given: argparse.Namespace, batch: int, peak: float) -> Plan:
    """The stage's plan with its own batch and learning rate."""
    return Plan(given.work, given.minutes, given.seed, given.device, given.batch or batch, peak, lean=given.lean, hands=given.hands)


def show_world(given: argparse.Namespace) -> None:
    """A sheet of 64 renders, to look at."""
    pictures = [to_picture(p) for p in renders(range(given.seed, given.seed + 64), FIRST)]
    page(pictures, 8).save(given.out or given.work / "world.png")


def show_sheet(given: argparse.Namespace) -> None:
    """The contact sheet of the exported family, or its first eight prompts while training."""
    if given.out:
        sheet.save_sheet(given.work / "export", sheet.all_prompts(), given.out, 8, given.cfg)
    else:
        sheet.save_sheet(given.work / "export", list(sheet.FIRST_PROMPTS), given.work / "painted.png", 4, given.cfg)


def world_of(given: argparse.Namespace) -> Curriculum:
    """The curriculum that was asked for."""
    return WORLDS[given.world]


def train_vae(given: argparse.Namespace, decoder_only: bool = False) -> None:
    """The autoencoder or its decoder, alone or in a crew."""
    todo = plan(given, 32 if given.hands else 6, given.peak or (1e-3 if decoder_only else 2e-3))
    vae.train(todo, Crew(todo, given.rank, given.crew), decoder_only, given.former)


def train_base(given: argparse.Namespace) -> None:
    """The UNet, alone or in a crew."""
    todo = plan(given, 384 if given.device == "cuda" else 16, given.peak or 1e-3)
    base.train(todo, Crew(todo, given.rank, given.crew))


def fill_latents(given: argparse.Namespace) -> None:
    """The cache; on a GPU drawn by many hands, with the control pictures, for there drawing is what takes long."""
    kinds = tuple(CONDITIONS) if given.hands else ()
    latents.fill_by(given.hands, plan(given, 20, 0), range(*given.chunks), world_of(given), kinds)


def train_controlnet(given: argparse.Namespace) -> None:
    """One ControlNet on the finished base."""
    controlnet.train(plan(given, 64 if given.device == "cuda" else 8, given.peak or 1e-3), given.kind, world_of(given), given.like)


def write_all(given: argparse.Namespace) -> None:
    """The base model, and beside it every other part that has been trained."""
    folder, todo = given.out or given.work / "export", plan(given, 1, 0)
    export.export(todo, folder)
    upscaler.write(todo, folder / "upscaler")
    for kind in CONDITIONS:
        if (given.work / f"controlnet-{kind}.pt").exists():
            controlnet.write(todo, kind, folder / "controlnet")
    others = {"estimators": estimators, "probe": probe, "clip": clip, "sketch": sketch, "identity": identity, "glimpse": glimpse}
    for name, part in others.items():
        if (given.work / f"{name}.pt").exists():
            part.write(todo, folder / name)
    if (given.work / "clip.pt").exists():
        aesthetic.write(todo, folder / "aesthetic")


def write_single(given: argparse.Namespace) -> None:
    """The exported base model as one file in the original layout, for programs that read only those."""
    pipeline = sheet.load(given.work / "export")
    print(single_file.write(pipeline.components, "mini", given.out or given.work / "mini.safetensors"))


def measure(given: argparse.Namespace) -> None:
    """The scores of an exported family, with its ControlNets where there are some."""
    folder, todo = given.out or given.work / "export", plan(given, 24, given.peak or 2e-3)
    score.score(todo, folder, given.count)
    if (folder / "controlnet").is_dir():
        control_score.score(todo, folder, max(8, given.count // 4))


STAGES: Mapping[str, Callable[[argparse.Namespace], None]] = MappingProxyType(
    {
        "world": show_world,
        "vae": lambda given: train_vae(given),
        "decoder": lambda given: train_vae(given, decoder_only=True),
        "text": lambda given: text.train(plan(given, 64, 1e-3)),
        "latents": fill_latents,
        "base": train_base,
        "adopt": lambda given: print(*adopt.adopt(plan(given, 1, 0), given.out or FAMILY)),
        "upscaler2": lambda given: upscaler.train(plan(given, 16, 2e-3), 2),
        "upscaler4": lambda given: upscaler.train(plan(given, 16, 2e-3), 4),
        "controlnet": train_controlnet,
        "estimators": lambda given: estimators.train(plan(given, 8, given.peak or 2e-3)),
        "clip": lambda given: clip.train(plan(given, 64, given.peak or 1e-3)),
        "identity": lambda given: identity.train(plan(given, 8, given.peak or 1e-3), world_of(given)),
        "sketch": lambda given: sketch.train(plan(given, 8, given.peak or 2e-3), world_of(given)),
        "glimpse": lambda given: glimpse.train(plan(given, 32, given.peak or 2e-3), world_of(given)),
        "probe": lambda given: probe.train(plan(given, 24, given.peak or 2e-3)),
        "export": write_all,
        "single": write_single,
        "sheet": show_sheet,
        "conditions": lambda given: control_score.show(given.work / "export", given.out or given.work / "conditions.png"),
        "score": measure,
        "controlscore": lambda given: control_score.score(plan(given, 1, 0), given.out or given.work / "export", given.count),
        "card": lambda given: card.write(plan(given, 1, 0), given.out or given.work / "export"),
    }
)
# The stages of `all` with their shares of its minutes; what depends on the base model comes after it.
WHOLE: tuple[tuple[str, float], ...] = (
    ("vae", 0.2),
    ("text", 0.06),
    ("latents", 0.0),
    ("base", 0.31),
    ("decoder", 0.08),
    *((f"controlnet --kind {kind}", 0.03) for kind in CONDITIONS),
    ("estimators", 0.03),
    ("sketch", 0.01),
    ("glimpse", 0.01),
    ("clip", 0.03),
    ("identity", 0.04),
    ("probe", 0.02),
    ("upscaler2", 0.03),
    ("upscaler4", 0.03),
    ("export", 0.0),
    ("score", 0.0),
    ("card", 0.0),
)


def run_all(given: argparse.Namespace) -> None:
    """Every stage in its own process, so that one command re-makes the family and can be stopped and repeated."""
    common = ["--work", str(given.work), "--seed", str(given.seed), "--device", given.device, "--threads", str(given.threads),
              "--hands", str(given.hands), "--chunks", *map(str, given.chunks), "--count", str(given.count)]
    for stage, share in WHOLE:
        minutes = f"{given.minutes * share:.1f}" if share else "1"
        command = [sys.executable, "-m", "pipelines.training.mini", *stage.split(), "--minutes", minutes, *common]
        subprocess.run([*command, "--world", given.world], check=True)  # noqa: S603 - our own module


def main() -> None:
    """Run one stage, or all."""
    given = parser().parse_args()
    torch.set_num_threads(given.threads)
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    given.work.mkdir(parents=True, exist_ok=True)
    if given.stage == "all":
        run_all(given)
    else:
        STAGES[given.stage](given)


if __name__ == "__main__":
    main()
