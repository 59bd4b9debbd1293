"""Does each thing stand where its region is? "A left, B right" on mini: in plain words, with AND, and with a region for each.

Two things of two colours in the snow at night, where neither sky nor ground nor trees have such colours. In place is a picture
whose left half shows more of A's colour than of B's, and the right half the other way round. `python -m bench regions`;
`python -m bench.regions COUNT SHEET` keeps the pictures: a row for each form.
"""

from __future__ import annotations

import sys
from itertools import cycle, permutations
from pathlib import Path
from statistics import fmean

import numpy as np
from PIL import Image

from bench.emphasis import HUES, NEAR, VIVID
from bench.measure import ROOT, Figure
from bench.own_studio import model_name, own_studio, painted, told

PLACE = "in the snow, night"
FORMS = {"words": "a {a} on the left and a {b} on the right, {place}",
         "AND": "a {a}, {place} AND a {b}, {place}",
         "regions": "{place} AND a {a}, {place} <region:0,0,0.5,1> AND a {b}, {place} <region:0.5,0,0.5,1>"}
THINGS = ("car", "flower", "bird", "cat")
COLOURS = ("red", "yellow", "purple")
REQUEST = {"steps": 10, "cfg_scale": 4.0, "sampler": "DPM++ 2M", "schedule": "Karras"}
SEED = 7000             # of no picture that anything was tuned on
SHOWN = 0.01            # of a half, from which a colour is there
LEAST = 0.7             # of the pictures, with regions
Thing = tuple[str, str]     # colour, what it is


def regions(count: int = 24, keep: Path | None = None, seed: int = SEED, forms: dict[str, str] = FORMS) -> list[Figure]:
    """Shares of pictures in place; the figure is that of the regions, told as what is missing."""
    colours = cycle(permutations(COLOURS, 2))
    pairs = [((x, a), (y, b)) for (a, b), (x, y) in zip([*permutations(THINGS, 2)] * 2, colours, strict=False)][:count]
    with own_studio() as studio:
        made = {form: [painted(studio, {**REQUEST, "seed": seed + n, "prompt": text.format(
            a=" ".join(a), b=" ".join(b), place=PLACE)}) for n, (a, b) in enumerate(pairs)] for form, text in forms.items()}
    if keep:
        sheet = Image.new("RGB", (count * 256, len(made) * 256))
        for y, row in enumerate(made.values()):
            for x, picture in enumerate(row):
                sheet.paste(picture, (x * 256, y * 256))
        sheet.save(keep)
    shares = {form: fmean(in_place(picture, *pair) for picture, pair in zip(row, pairs, strict=True)) for form, row in made.items()}
    told("in place by colour", shares)
    told("in place by CLIP", by_clip(made, pairs))
    what = f"pictures of {len(pairs)} with a thing out of its region ({model_name()})"
    return [Figure("regions", what, 1 - shares[[*forms][-1]], "", 1 - LEAST, shares)]


def in_place(picture: Image.Image, left: Thing, right: Thing) -> bool:
    """By the colours of its halves."""
    hue, saturation, value = np.moveaxis(np.asarray(picture.convert("HSV"), np.float32), -1, 0)
    coloured = (saturation >= VIVID * 255) & (value >= VIVID * 255)

    def share(name: str, half: slice) -> float:
        away = np.abs((hue * 360 / 256 - HUES[name] + 180) % 360 - 180)
        return float((coloured & (away <= NEAR))[:, half].mean())

    middle = picture.width // 2
    return all(share(mine, half) > max(SHOWN, share(other, half)) for mine, other, half in (
        (left[0], right[0], slice(0, middle)), (right[0], left[0], slice(middle, None))))


def by_clip(made: dict[str, list[Image.Image]], pairs: list[tuple[Thing, Thing]]) -> dict[str, float]:
    """Share of pictures whose halves mini's CLIP finds more like their own thing than like the other's."""
    from pipelines.ranking.clip import Clip

    clip, shares = Clip.open(ROOT / "models" / "mini" / "clip"), {}
    texts = [clip.texts([f"a {' '.join(thing)}, {PLACE}" for thing in pair]) for pair in pairs]
    for form, row in made.items():
        right = []
        for picture, text in zip(row, texts, strict=True):
            middle = picture.width // 2
            halves = [picture.crop((x, 0, x + middle, picture.height)).resize(picture.size) for x in (0, middle)]
            like = clip.images(halves) @ text.T
            right.append(bool(like[0, 0] + like[1, 1] > like[0, 1] + like[1, 0]))
        shares[form] = fmean(right)
    return shares


if __name__ == "__main__":
    for figure in regions(int(sys.argv[1]), Path(sys.argv[2])):
        print(figure)
