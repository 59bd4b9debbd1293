"""The model card: figures out of the run's logs, the loss curves as a picture, and what the family can and cannot do."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from types import MappingProxyType

import torch
from PIL import Image, ImageDraw

from pipelines.training.mini import sheet
from pipelines.training.mini.latents import CHUNK
from pipelines.training.mini.run import Plan
from pipelines.training.mini.vae import finished, psnr

TEMPLATE = Path(__file__).with_name("card.md")
HISTORY = Path(__file__).with_name("history.json")  # what earlier runs gave, of which only the weights are left (see adopt)
CURVES = (  # of this run; earlier ones left figures only
    ("vae", "loss", (58, 112, 196)),
    ("decoder", "loss", (78, 158, 84)),
    ("base", "loss", (218, 58, 52)),
    ("text", "loss", (134, 88, 182)),
)


PARTS = MappingProxyType(
    {
        "controlnet": "`ControlNetModel`, stem of five levels for factor 16",
        "upscaler": "SRVGGNetCompact x2 and x4",
        "estimators": "depth, normals, key points of one person, outlines: a U-Net of 0.6 M (`pipelines/tasks/picture_book.py`)",
        "clip": "`CLIPModel`: a vision tower of 4 layers of 192 on patches of 16 at 128 pixels, beside the text tower",
        "aesthetic": "a linear head over mini-clip's picture vectors",
        "identity": "PhotoMaker's ID encoder at mini's widths, in its key layout",
        "sketch": "the latent edge predictor, in the published key layout",
        "glimpse": "`AutoencoderTiny` (its decoder alone is taught): previews of a quarter of the width",
        "probe": "reads subject, colour, place, hour ... from pictures; tests and scores use it, the studio does not",
    }
)
LATER = ("controlnet-", "estimators", "clip", "aesthetic", "identity", "sketch", "glimpse", "probe")
CONTROL = """What pictures painted with a ControlNet keep of its condition, without it, and renders through the autoencoder
(F1 of edges within 3 pixels for canny and scribble, rank correlation for depth, mean angle in degrees for normals, share of
key points within 5 % of the figure's height for pose):"""


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


def final(log: list[dict], name: str, form: str = "{:.3f}") -> str:
    """The last value of that name in a log."""
    found = [x[name] for x in log if name in x]
    return form.format(found[-1]) if found else "none"


def reached(log: list[dict]) -> str:
    """The scores that a stage wrote at its end, else its last loss."""
    scores = next((row for row in reversed(log) if not {"loss", "minutes"} & row.keys()), {})
    told = [f"{name} {value:.3g}" for name, value in scores.items() if name != "step"]
    return ", ".join(told) or f"loss {final(log, 'loss')}"


def span(plan: Plan, stage: str) -> str:
    """How long a stage took: in earlier runs, then in this one."""
    log, before = lines(plan, stage), earlier(stage)
    told = [f"{before['steps']:,} steps in {before['minutes']} minutes"] if before else []
    if any("minutes" in row for row in log):
        told.append(f"{final(log, 'step', '{:,}')} steps in {final(log, 'minutes', '{:.0f}')} minutes")
    return ", then ".join(told) or "fitted at once"


def earlier(stage: str) -> dict:
    """Steps, minutes and result of a stage in earlier runs; empty where there was none."""
    return json.loads(HISTORY.read_text()).get(stage, {})


def result(plan: Plan, stage: str) -> str:
    """What a stage reached last."""
    log = lines(plan, stage)
    return reached(log) if log else earlier(stage)["result"]


def table(rows: dict[str, dict[str, float]], form: str) -> str:
    """A Markdown table of rows by name; what a row has no value for stays empty."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    head = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    return "\n".join(
        [
            *head,
            *(
                f"| {name} | " + " | ".join(form.format(row[n]) if n in row else "" for n in names) + " |"
                for name, row in rows.items()
            ),
        ]
    )


def read(path: Path) -> dict[str, dict[str, float]]:
    """A file of scores; empty where there is none."""
    return json.loads(path.read_text()) if path.exists() else {}


def scores(plan: Plan) -> str:
    """The tables of the base model's scores."""
    found = read(plan.work / "score.json")
    parts = [{k.removeprefix(name): row for k, row in found.items() if k.startswith(name)} for name in ("plain: ", "rich: ")]
    titled = [f"{title} prompts:\n\n{table(part, '{:.0%}')}" for title, part in zip(("Plain", "Rich"), parts, strict=True) if part]
    others = ", ".join(f"{name} {value:.0%}" for name, value in found.get("others", {}).items())
    return "\n\n".join([*titled, others]) or "Not measured."


def parts(folder: Path) -> str:
    """A line for every part beside the pipeline."""
    held = sorted(p.parent for p in folder.glob("*/**/*.safetensors"))
    named = {p.relative_to(folder).as_posix() for p in held} - {"vae", "text_encoder", "unet"}
    return "\n".join(
        f"| `{name}` | {PARTS.get(name.split('/')[0], '')} | {megabytes(folder / name):.1f} MB |" for name in sorted(named)
    )


def megabytes(folder: Path) -> float:
    """Size of all weights in a folder."""
    return sum(f.stat().st_size for f in folder.rglob("*.safetensors")) / 1e6


def figures(plan: Plan, folder: Path) -> dict[str, str]:
    """Everything the template asks for."""
    stages = {p.stem for p in plan.work.glob("*.jsonl")} | set(json.loads(HISTORY.read_text()))
    later = sorted(stage for stage in stages if stage.startswith(LATER))
    control = read(plan.work / "control.json")
    return {
        "vae": span(plan, "vae"),
        "psnr": f"{psnr(finished(plan), plan, 'card', 48):.1f}",
        "base": span(plan, "base"),
        "base_result": result(plan, "base"),
        "pictures": f"{len(list((plan.work / 'latents').glob('*.pt'))) * CHUNK:,}",
        "stages": "\n".join(f"| {s} | {span(plan, s)} | {result(plan, s)} |" for s in later),
        "parts": parts(folder),
        "seconds": f"{seconds(folder):.1f}",
        "megabytes": f"{megabytes(folder):.1f}",
        "scores": scores(plan),
        "control": f"{CONTROL}\n\n{table(control, '{:.2f}')}" if control else "",
        "threads": str(torch.get_num_threads()),
    }


def write(plan: Plan, folder: Path) -> None:
    """README.md and the loss curve into the exported folder."""
    (folder / "README.md").write_text(TEMPLATE.read_text().format(**figures(plan, folder)))
    curve(plan).save(folder / "training.png", optimize=True)
