"""Does (x:1.3) raise and [x] lower x's share of the picture? Prompts with two colours that compete for one thing, on mini.

"a red blue car, in the snow": how much of it is red, beside how much is blue; then with (red:1.3), then with [red], from the
same noise. The share is counted in pixels by hue, and read by the probe where `models/mini/probe` holds one.
`python -m bench emphasis`; `python -m bench.emphasis COUNT KEEP` takes fewer prompts and keeps the pictures.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from itertools import permutations, product
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from bench.measure import ROOT, Figure
from bench.own_studio import model_name, own_studio, told
from pipelines.spec.errors import StudioError
from pipelines.spec.request import GenerationRequest

if TYPE_CHECKING:
    from pipelines.studio import Studio

PROBE = ROOT / "models" / "mini" / "probe"
REQUEST = {"steps": 12, "cfg_scale": 7.0, "sampler": "DPM++ 2M", "schedule": "Karras", "width": 256, "height": 256}
HUES = {"red": 0, "yellow": 45, "green": 125, "blue": 215, "purple": 270}      # degrees, of mini's paints
NEAR = 22               # degrees either side
VIVID = 0.35            # saturation and value from which a pixel has a colour at all
THINGS = ("car", "house", "boat", "flower", "bird")
FORMS = {"plain": "{x}", "(x:1.3)": "({x}:1.3)", "[x]": "[{x}]"}
SEED = 4000
Shares = dict[str, list[float]]
"""By form, of every prompt: 0 when nothing is of x's colour, 1 when nothing is of the other's, 0.5 when neither is there."""


def emphasis(count: int = 100, keep: Path | None = None) -> list[Figure]:
    """Over the first `count` of a hundred prompts; pictures go to `keep`."""
    prompts = [(x, other, thing) for thing, (x, other) in product(THINGS, permutations(HUES, 2))][:count]
    with own_studio() as studio:
        pictures = {form: painted(studio, [_prompt(mark, *one) for one in prompts]) for form, mark in FORMS.items()}
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        for form, made in pictures.items():
            for number, picture in enumerate(made):
                picture.save(keep / f"{number:03d} {'-'.join(prompts[number])} {form.replace(':', ' ')}.png")
    found = {"pixels": {form: [by_hue(picture, *one[:2]) for picture, one in zip(made, prompts, strict=True)]
                        for form, made in pictures.items()}}
    read = by_probe(pictures, prompts)
    return [figure for name, shares in (found | ({"the probe": read} if read else {})).items() for figure in _figures(name, shares)]


def _prompt(mark: str, x: str, other: str, thing: str) -> str:
    return f"a {mark.format(x=x)} {other} {thing}, in the snow"


def painted(studio: Studio, prompts: Sequence[str]) -> list[Image.Image]:
    """A picture for each, cells of a batch sampled together; the n-th prompt always from the n-th noise."""
    requests = [studio.check(GenerationRequest.parse({**REQUEST, "model": model_name(), "prompt": prompt, "seed": SEED + n}))
                for n, prompt in enumerate(prompts)]

    def failed(_index: int, error: StudioError) -> None:
        raise error

    made = {one.index: one.image for one in studio.engine.run_cells(range(len(requests)), requests.__getitem__,
                                                                    lambda event: None, failed, exact=False)}
    return [made[n] for n in range(len(requests))]


def by_hue(picture: Image.Image, x: str, other: str) -> float:
    """Pixels of x's hue among those of either."""
    hue, saturation, value = np.moveaxis(np.asarray(picture.convert("HSV"), np.float32), -1, 0)
    coloured = (saturation >= VIVID * 255) & (value >= VIVID * 255)

    def pixels(name: str) -> int:
        away = np.abs((hue * 360 / 256 - HUES[name] + 180) % 360 - 180)
        return int((coloured & (away <= NEAR)).sum())

    mine, theirs = pixels(x), pixels(other)
    return mine / (mine + theirs) if mine + theirs else 0.5


def by_probe(pictures: Mapping[str, Sequence[Image.Image]], prompts: Sequence[tuple[str, str, str]]) -> Shares | None:
    """The probe's belief in x among its belief in either; None without a probe."""
    from pipelines.training.mini import probe
    from pipelines.training.mini.world.labels import VALUES

    if not (PROBE / probe.FILE).is_file():
        print(f"no probe in {PROBE}: shares are counted by hue alone", file=sys.stderr)
        return None
    judge, at, shares = probe.opened(PROBE), probe.READ.index("colour"), {}
    for form, made in pictures.items():
        belief: Any = probe.read(judge, list(made))[at].softmax(1)
        pairs = [[float(row[VALUES["colour"].index(name)]) for name in one[:2]] for row, one in zip(belief, prompts, strict=True)]
        shares[form] = [mine / max(mine + theirs, 1e-9) for mine, theirs in pairs]
    return shares


def _figures(name: str, shares: Shares) -> list[Figure]:
    """What x loses where it should win: below zero is right. Ties stand beside the mean."""
    plain, strong, weak = shares.values()
    told(f"x's share, by {name}", {form: fmean(values) for form, values in shares.items()})
    figures = []
    for form, lower, higher in (("(x:1.3) raises", plain, strong), ("[x] lowers", weak, plain)):
        differences = [high - low for low, high in zip(lower, higher, strict=True)]
        right, wrong = sum(d > 1e-3 for d in differences), sum(d < -1e-3 for d in differences)
        what = f"{form} x's share by {name}, of {len(differences)} prompts: {right} as it should, {wrong} the other way; mean, less"
        figures.append(Figure("emphasis", what, -fmean(differences), "", 0.0, shares))
    return figures


if __name__ == "__main__":
    for figure in emphasis(int(sys.argv[1]), Path(sys.argv[2])):
        print(figure)
