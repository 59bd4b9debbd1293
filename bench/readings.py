"""What the study's figures show, measured on the pictures themselves: one sentence a figure. Pixels only, no model.

A text alignment is told too where the model has a CLIP beside it (`Figure.scores`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pipelines import samplers
from pipelines.ranking.likeness import psnr
from pipelines.ranking.scorer import ALIGNMENT

if TYPE_CHECKING:
    from bench.figures import Figure


def red(picture: Image.Image) -> float:
    """Share of pixels that are plainly red, 0 to 1."""
    hue, saturation, value = (np.asarray(band, float) for band in picture.convert("HSV").split())
    return float(np.mean(((hue < 14) | (hue > 241)) & (saturation > 110) & (value > 70)))


def light(picture: Image.Image) -> float:
    """Mean luminance, 0 to 1."""
    return float(np.asarray(picture.convert("L"), float).mean()) / 255


def saturation(picture: Image.Image) -> float:
    return float(np.asarray(picture.convert("HSV").split()[1], float).mean()) / 255


def likeness(one: Image.Image, other: Image.Image) -> float:
    """PSNR, dB, at most 99."""
    found = psnr(one, other)
    return 99.0 if found is None or math.isinf(found) else found


def columns(figure: Figure, measure: object) -> list[float]:
    """Mean of a measure over the rows, for each column."""
    width, height, _ = figure.grid.shape
    return [fmean(measure(figure.picture(x, y)) for y in range(height)) for x in range(width)]     # type: ignore[operator]


def listed(values: Sequence[float], pattern: str = "{:.2f}") -> str:
    return ", ".join(pattern.format(v) for v in values)


def aligned(figure: Figure) -> str:
    """" Text alignment: …" by column, where it was scored."""
    scored = figure.scores.get(ALIGNMENT)
    if not scored:
        return ""
    width, height, _ = figure.grid.shape
    means = [fmean(scored[figure.grid.index(x, y)] for y in range(height)) for x in range(width)]
    return f" Text alignment by column: {listed(means)}."


def ladder(figure: Figure) -> str:
    reds, lights = columns(figure, red), columns(figure, light)
    return (f"What each step of the ladder adds: the share of red pixels is {reds[0]:.1%} for \"a car\" and {reds[1]:.1%} "
            f"for \"a red car\"; mean luminance is {lights[2]:.2f} in the snow and {lights[3]:.2f} at night.{aligned(figure)}")


def steps(figure: Figure) -> str:
    rows = range(figure.grid.shape[1])
    near = [fmean(likeness(figure.picture(x, y), figure.picture(figure.grid.shape[0] - 1, y)) for y in rows)
            for x in range(figure.grid.shape[0] - 1)]
    told = ", ".join(f"{shown}: {value:.1f}" for shown, value in zip(figure.shown(), near, strict=False))
    return f"The picture settles: PSNR in dB against the one of {figure.shown()[-1]} steps, by steps, is {told}."


def timing(figure: Figure) -> str:
    """By calls of the model, which are the same on every machine; seconds of a busy one would mislead."""
    steps = figure.grid.base.steps
    calls: dict[int, list[str]] = {}
    for name in figure.shown():
        calls.setdefault(samplers.callback_count(name, steps), []).append(name)
    told = "; ".join(f"{count} calls: {', '.join(names)}" for count, names in sorted(calls.items()))
    return f"What {steps} steps cost, in calls of the model, which is nearly all of the time: {told}."



def cfg(figure: Figure) -> str:
    reds, colours = columns(figure, red), columns(figure, saturation)
    shown = figure.shown()
    return (f"What CFG does to \"red\" and to colours: at {', '.join(shown)} the share of red pixels is "
            f"{listed(reds, '{:.1%}')}, mean saturation {listed(colours)}.{aligned(figure)}")


def shape(figure: Figure) -> str:
    width, height, _ = figure.grid.shape
    near = [fmean(likeness(figure.picture(x, y).resize(figure.picture(0, y).size), figure.picture(0, y)) for y in range(height))
            for x in range(1, width)]
    told = ", ".join(f"{shown}: {value:.1f}" for shown, value in zip(figure.shown()[1:], near, strict=True))
    return (f"Another frame is another picture although the seed is the same: brought to {figure.shown()[0]}, PSNR in dB against "
            f"it is {told}.")



def seeds(figure: Figure) -> str:
    width, height, _ = figure.grid.shape
    within = [likeness(figure.picture(a, y), figure.picture(b, y)) for y in range(height) for a in range(width) for b in range(a)]
    across = [likeness(figure.picture(x, a), figure.picture(x, b)) for x in range(width) for a in range(height) for b in range(a)]
    return (f"What decides more, prompt or seed: two seeds of one prompt are {fmean(within):.1f} dB apart (PSNR), two prompts "
            f"of one seed {fmean(across):.1f} dB; more dB is more alike.")


def negative(figure: Figure) -> str:
    told = [f"{shown or 'none'}: {fmean(map(light, figure.row(y))):.2f}" for y, shown in enumerate(figure.shown(1))]
    return f"What is forbidden goes away (night is dark, snow is light): mean luminance by negative prompt is {'; '.join(told)}."


def denoising(figure: Figure) -> str:
    near = [likeness(picture, figure.picture(0)) for picture in figure.row()]
    told = ", ".join(f"{shown}: {value:.1f}" for shown, value in list(zip(figure.shown(), near, strict=True))[1:])
    return f"From the picture it started from (strength 0, kept as it is) it moves away step by step; PSNR in dB: {told}."


def sampler_steps(figure: Figure) -> str:
    width, height, _ = figure.grid.shape
    rows = []
    for y, name in enumerate(figure.shown(1)):
        near = [likeness(figure.picture(x, y), figure.picture(width - 1, y)) for x in range(width - 1)]
        rows.append(f"{name} {listed(near, '{:.1f}')}")
    return f"PSNR in dB at {', '.join(figure.shown()[:-1])} steps against {figure.shown()[-1]}: {'; '.join(rows)}."
