"""Is it the same person? Photos of people of mini's world through the studio's own engine, judged by mini-clip and mini's probe.

`python -m bench likeness` prints the rows; `python -m bench.likeness 8 sheet.png` measures eight persons and keeps a sheet of
them: a photo, the words alone, then every style strength. Needs `models/mini/identity` and `models/mini/clip`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from bench.measure import Figure
from bench.own_studio import model_name, own_studio, painted, told

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.studio import Studio

COUNT = 60
PHOTOS, NEW = 3, 6              # of a person: what the adapter sees, and others that its pictures are compared with
STRENGTHS = (0.0, 20.0, 40.0, 60.0, 80.0)       # style strength: five merge steps of 16
USUAL = 20.0
RUN = {"steps": 16, "cfg_scale": 5.0, "sampler": "DPM++ 2M", "schedule": "Karras"}
SAME = 0.9                      # area under the curve
LOST = 0.1                      # of the pictures may lose the class word that words alone would show
MISSING = "An identity adapter and mini-clip are needed in models/mini/identity and models/mini/clip: nothing to measure."


@dataclass(frozen=True)
class Sitter:
    """A held-out person: photos the adapter is given, others it never sees, and a prompt about them elsewhere."""

    seed: int
    kind: str
    hair_colour: str
    photos: Sequence[Image.Image]
    others: Sequence[Image.Image]
    setting: str

    @classmethod
    def of(cls, number: int, rng: Random) -> Sitter:
        """Sitters are never bald, so that each has a colour of hair to be known by."""
        from pipelines.training.mini.identity import ALBUM, photo
        from pipelines.training.mini.pictures import HELD_OUT
        from pipelines.training.mini.score import setting
        from pipelines.training.mini.world.draw import draw
        from pipelines.training.mini.world.scene import sample

        seeds = (HELD_OUT + 1000 * (number + 1) + k for k in range(1000))
        scene = next(s for s in (sample(seed, ALBUM) for seed in seeds) if s.people[0].hair != "bald")
        person = scene.people[0]
        pictures = [draw(photo(person, HELD_OUT + rng.randrange(10**6))) for _ in range(PHOTOS + NEW)]
        return cls(number, person.kind, person.hair_colour, pictures[:PHOTOS], pictures[PHOTOS:], setting(scene, rng))

    def request(self, studio: Studio, style_strength: float | None) -> dict[str, Any]:
        """A picture of them elsewhere; None paints the words alone."""
        trigger = "" if style_strength is None else " img"
        worn = {} if style_strength is None else {"identity": {
            "photos": [studio.inputs.lend(photo) for photo in self.photos], "style_strength": style_strength}}
        return {**RUN, "prompt": f"a {self.kind}{trigger}, {self.setting}", "seed": self.seed, **worn}


def likeness() -> list[Figure]:
    """All rows, over sixty persons: twenty-four left every row within its error."""
    with own_studio() as studio:
        sitting = Sitting.opened(studio, COUNT)
        return sitting.figures() if sitting else []


class Sitting:
    """Paints every sitter by words alone and at every style strength, and keeps the pictures in rows."""

    def __init__(self, studio: Studio, clip: Any, count: int) -> None:
        rng = Random(8)
        self.studio, self.clip = studio, clip
        self.sitters = [Sitter.of(number, rng) for number in range(count)]
        self.rows: dict[float | None, list[Image.Image]] = {
            strength: [painted(studio, sitter.request(studio, strength)) for sitter in self.sitters]
            for strength in (None, *STRENGTHS)}

    @classmethod
    def opened(cls, studio: Studio, count: int) -> Sitting | None:
        """None, and one line, where the models are missing."""
        from pipelines.loading.identity_files import identities
        from pipelines.ranking.clip import Clip
        from pipelines.ranking.scorer import found

        folder, _ = found([studio.model(model_name()).path])
        if folder is None or not identities(studio.library, "mini"):
            print(MISSING)
            return None
        return cls(studio, Clip.open(folder), count)

    def figures(self) -> list[Figure]:
        return [*self.same_person(), self.class_word(), *self.hair(), *self.style()]

    def vectors(self, pictures: Sequence[Image.Image]) -> NDArray[np.float64]:
        """(n, width) mini-clip's, of which what all persons share is taken away, each of length 1."""
        return centred(self.clip.images(pictures).numpy().astype(float))

    def known(self) -> NDArray[np.float64]:
        """(n, width) what the sitters' other photos have in common."""
        return centred(np.stack([self.clip.images(s.others).numpy().astype(float).mean(0) for s in self.sitters]))

    def same_person(self) -> list[Figure]:
        """Area under the curve: how surely a picture is nearer to its own person's other photos than to another's."""
        known = self.known()
        areas = {name: area(self.vectors(pictures) @ known.T) for name, pictures in (
            ("with", self.rows[USUAL]), ("words alone", self.rows[None]), ("a photo itself", [s.photos[0] for s in self.sitters]))}
        told("same person, area under the curve", areas)
        return [Figure("likeness", f"same person over {len(self.sitters)}: 1 - area under the curve", 1 - areas["with"], "",
                       round(1 - SAME, 6), areas)]

    def class_word(self) -> Figure:
        """Share of pictures in which mini-clip sees the prompt's class word, among five."""
        from pipelines.training.mini.world.scene import PERSONS

        words = self.clip.texts([f"a {kind}" for kind in PERSONS])
        shares = {}
        for name, pictures in (("with", self.rows[USUAL]), ("words alone", self.rows[None]),
                               ("a photo itself", [s.photos[0] for s in self.sitters])):
            seen = (self.clip.images(pictures) @ words.T).argmax(1).tolist()
            shares[name] = float(np.mean([PERSONS[k] == s.kind for k, s in zip(seen, self.sitters, strict=True)]))
        told("class word seen", shares)
        lost = shares["words alone"] - shares["with"]
        return Figure("likeness", "class word: share of pictures that lose it to the likeness", lost, "", LOST, shares)

    def hair(self) -> list[Figure]:
        """Another judge, where it is there: the probe reads the colour of the hair."""
        files = list((self.studio.model(model_name()).path / "probe").glob("*.safetensors"))
        if not files:
            return []
        from pipelines.training.mini import probe
        from pipelines.training.mini.world.labels import VALUES

        judge, at, colours = probe.opened(files[0].parent), probe.READ.index("hair colour"), VALUES["hair colour"]
        shares = {}
        for name, pictures in (("with", self.rows[USUAL]), ("words alone", self.rows[None])):
            seen = probe.read(judge, pictures)[at].argmax(1).tolist()
            shares[name] = float(np.mean([colours[k] == s.hair_colour for k, s in zip(seen, self.sitters, strict=True)]))
        told("colour of the hair, by the probe", shares)
        chance = shares["words alone"] / max(shares["with"], 1e-6)
        return [Figure("likeness", "colour of the hair is the person's: words alone / with", chance, "", 0.5, shares)]

    def style(self) -> list[Figure]:
        """Style strength trades likeness for what the words alone would paint."""
        known, plain = self.known(), self.rows[None]
        alike = {f"{s:g}": (self.vectors(self.rows[s]) * known).sum(1) for s in STRENGTHS}
        apart = {f"{s:g}": distances(self.rows[s], plain) for s in STRENGTHS}
        figures = []
        for what, rows in (("the likeness", alike), ("the distance from the words' own picture", apart)):
            means = {name: float(row.mean()) for name, row in rows.items()}
            told(f"{what} by style strength", means)
            figures.append(Figure("likeness", f"style strength: largest rise of {what}, less its standard error",
                                  rise(list(rows.values())), "", 0.0, means))
        return figures

    def sheet(self) -> Image.Image:
        """A row for each sitter: a photo, the words alone, every style strength."""
        columns = [[s.photos[0] for s in self.sitters], *self.rows.values()]
        page = Image.new("RGB", (164 * len(columns), 164 * len(self.sitters)), "white")
        for x, column in enumerate(columns):
            for y, picture in enumerate(column):
                page.paste(picture.resize((160, 160), Image.Resampling.LANCZOS), (164 * x, 164 * y))
        return page


def centred(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, width) without their mean, each brought to length 1."""
    away = vectors - vectors.mean(0)
    return away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)


def area(alike: NDArray[np.float64]) -> float:
    """Share of the pairs (same, other) of an (n, n) table in which the same person's entry, on the diagonal, is the larger."""
    same, other = alike.diagonal(), alike[~np.eye(len(alike), dtype=bool)]
    return float((same[:, None] > other[None]).mean())


def distances(some: Sequence[Image.Image], others: Sequence[Image.Image]) -> NDArray[np.float64]:
    """(n,) mean absolute differences of pictures, 0-255."""
    return np.array([np.abs(np.asarray(a, float) - np.asarray(b, float)).mean() for a, b in zip(some, others, strict=True)])


def rise(rows: Sequence[NDArray[np.float64]]) -> float:
    """Of the mean over persons from one row to the next, the largest, less the standard error of that difference.

    Not above 0 where rows only fall, as far as so many persons can tell.
    """
    steps = [after - before for before, after in pairwise(rows)]
    return float(max(step.mean() - step.std(ddof=1) / len(step) ** 0.5 for step in steps))


if __name__ == "__main__":
    with own_studio() as own:
        if made := Sitting.opened(own, int(sys.argv[1])):
            for row in made.figures():
                print(row)
            made.sheet().save(Path(sys.argv[2]))
