"""Does a picture one starts from become what one asked for? Held-out renders of mini's world, their attributes known.

A garment or the sky is painted anew (its mask comes from the renderer) and read again: by the probe where
`models/mini/probe` holds one, and always by colour, against the render of the scene that was asked for. The strength's end
points are measured on the same renders. `python -m bench pictures`; `python -m bench.pictures KEEP [PROBE]` keeps what was painted.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageFilter

from bench.edges import edge_f1
from bench.measure import ROOT, Figure
from pipelines.settings import checked
from pipelines.spec.events import Event, Note
from pipelines.spec.request import GenerationRequest

if TYPE_CHECKING:
    from pipelines.training.mini.world.scene import Scene

GARMENTS, SKIES = 10, 10
PROBE = ROOT / "models" / "mini" / "probe"
FIRST = 9_000       # of the held-out seeds: those of the other scores begin at 0
LEAST = 0.03        # share of the picture that a mask must cover, or there is nothing to read
GROWN = 5           # px of the filter that closes the renderer's antialiased borders
REQUEST = {"model": "mini", "steps": 25, "cfg_scale": 7.0, "sampler": "DPM++ 2M", "schedule": "Karras", "width": 256, "height": 256}
BLUR = 4


@dataclass(frozen=True)
class Change:
    """before, after: the same scene but for one attribute.   mask: L, white where that shows.   words: of the scene after."""

    attribute: str
    before: Scene
    after: Scene
    mask: Image.Image
    words: str

    @property
    def wanted(self) -> str:
        from pipelines.training.mini.world.labels import labels

        return labels(self.after)[self.attribute]


def changes() -> list[Change]:
    """Garments of another colour, then skies of another hour; always the same ones."""
    from pipelines.training.mini.pictures import HELD_OUT
    from pipelines.training.mini.world.scene import Curriculum, sample

    dressed = Curriculum(people=1.0, nothing=0.0, framings=(0.4, 0.6, 0.0), wander=0.6)
    outside = Curriculum(people=0.0, nothing=0.3, wander=0.6)
    found: list[Change] = []
    for mix, make, most in ((dressed, garment, GARMENTS), (outside, sky, SKIES)):
        kept: list[Change] = []
        seed = HELD_OUT + FIRST
        while len(kept) < most:
            made = make(sample(seed, mix), Random(seed))
            kept += [made] if made and np.asarray(made.mask).mean() / 255 >= LEAST else []
            seed += 1
        found += kept
    return found


def garment(scene: Scene, rng: Random) -> Change:
    """The top in a colour as far from its own as the palette goes; the mask is where the two renders differ."""
    from pipelines.training.mini.score import rich_prompt
    from pipelines.training.mini.world.draw import draw
    from pipelines.training.mini.world.palette import COLOURS

    person = scene.people[0]
    far = sorted(COLOURS, key=lambda name: -_apart(COLOURS[name], COLOURS[person.top_colour]))[:4]
    after = replace(scene, people=(replace(person, top_colour=rng.choice(far)),))
    return Change("top colour", scene, after, _mask(_difference(draw(scene), draw(after)) > 12), rich_prompt(after, rng))


def sky(scene: Scene, rng: Random) -> Change | None:
    """Night for day and day for night; the mask is what lies farthest. None where no sky is."""
    from pipelines.training.mini.score import prompt
    from pipelines.training.mini.world.truth import truth

    if scene.place == "room":
        return None
    after = replace(scene, time="day" if scene.time in ("night", "sunset") else rng.choice(("night", "sunset")))
    return Change("time", scene, after, _mask(truth(scene).depth <= 0), prompt(after, rng))


def _apart(one: Sequence[int], other: Sequence[int]) -> float:
    return float(np.linalg.norm(np.subtract(one, other)))


def _difference(one: Image.Image, other: Image.Image) -> np.ndarray:
    return np.abs(np.asarray(one, int) - np.asarray(other, int)).max(-1)


def _mask(white: np.ndarray) -> Image.Image:
    return Image.fromarray(white.astype(np.uint8) * 255).filter(ImageFilter.MaxFilter(GROWN))


class Bench:
    """A studio whose pictures start from renders."""

    def __init__(self, folder: Path) -> None:
        from extensions.loader import load
        from pipelines.studio import Studio

        settings = checked({"data_dir": folder})
        self.studio = Studio(settings, load(settings))
        self.studio.library.scan()
        self.said: list[str] = []

    def painted(self, picture: Image.Image, words: str, seed: int, **parts: Mapping[str, Any]) -> Image.Image:
        keep = self.studio.inputs.keep
        named = {key: {k: keep(v) if isinstance(v, Image.Image) else v for k, v in part.items()} for key, part in parts.items()}
        named["init"] = {"image": keep(picture)} | named.get("init", {})
        request = GenerationRequest.parse({**REQUEST, "prompt": words, "seed": seed, **named})
        self.said.clear()
        [made] = self.studio.engine.run(self.studio.check(request), self._hear)
        return made.image

    def _hear(self, event: Event) -> None:
        if isinstance(event, Note):
            self.said.append(event.text)


@dataclass(frozen=True)
class Inpainted:
    """One change painted. outside: whether every pixel beyond the blurred mask is the render's."""

    change: Change
    render: Image.Image
    result: Image.Image
    outside: bool

    @property
    def by_colour(self) -> bool:
        """Whether under the mask the result is nearer to the render that was asked for than to the one that was there."""
        from pipelines.training.mini.world.draw import draw

        inside = np.asarray(self.change.mask) > 0
        wanted, there, made = (np.asarray(p, float)[inside] for p in (draw(self.change.after), self.render, self.result))
        return bool(np.linalg.norm(made - wanted, axis=-1).mean() < np.linalg.norm(made - there, axis=-1).mean())


def inpainted(bench: Bench, todo: Sequence[Change]) -> list[Inpainted]:
    from pipelines.training.mini.world.draw import draw

    rows = []
    for seed, change in enumerate(todo):
        render = draw(change.before)
        made = bench.painted(render, change.words, seed, init={"denoising_strength": 1.0, "exact_steps": True},
                             inpaint={"mask": change.mask, "masked_content": "fill", "mask_blur": BLUR})
        kept = np.asarray(change.mask.filter(ImageFilter.GaussianBlur(BLUR))) == 0
        rows.append(Inpainted(change, render, made, not _difference(render, made)[kept].any()))
    return rows


def read_by(folder: Path, rows: Sequence[Inpainted]) -> list[bool] | None:
    """Whether the probe reads what was asked for, picture by picture; None without a probe."""
    from pipelines.training.mini import probe
    from pipelines.training.mini.world.labels import VALUES

    if not (folder / probe.FILE).is_file():
        return None
    logits = probe.read(probe.opened(folder), [row.result for row in rows])
    return [VALUES[row.change.attribute][int(logits[probe.READ.index(row.change.attribute)][at].argmax())] == row.change.wanted
            for at, row in enumerate(rows)]


def strengths(bench: Bench, todo: Sequence[Change]) -> dict[float, list[float]]:
    """Edge F1 of each render with what img2img makes of it from its own words, by strength."""
    from pipelines.training.mini.score import prompt, rich_prompt
    from pipelines.training.mini.world.draw import draw

    found: dict[float, list[float]] = {0.2: [], 0.8: []}
    for seed, scene in enumerate(change.before for change in todo):
        words = (rich_prompt if scene.people else prompt)(scene, Random(seed))
        for strength, row in found.items():
            row.append(edge_f1(draw(scene), bench.painted(draw(scene), words, seed, init={"denoising_strength": strength})))
    return found


def unchanged(bench: Bench, change: Change) -> bool:
    """Whether strength 0 gives the picture back and says so."""
    from pipelines.training.mini.world.draw import draw

    made = bench.painted(draw(change.before), change.words, 1, init={"denoising_strength": 0})
    return not _difference(draw(change.before), made).any() and any("nothing would change" in line for line in bench.said)


def pictures(keep: Path | None = None, probe: Path = PROBE) -> list[Figure]:
    """Shares are given as those that failed, so that smaller is better as everywhere in `bench`."""
    with tempfile.TemporaryDirectory() as folder:
        bench, todo = Bench(Path(folder)), changes()
        rows = inpainted(bench, todo)
        if keep is not None:
            _kept(rows, keep)
        coloured = [row.by_colour for row in rows]
        read = read_by(probe, rows)
        layout = strengths(bench, todo)
        same = unchanged(bench, todo[0])
    n = len(rows)
    figures = [
        Figure("inpaint", f"attribute not changed, by colour (of {n})", coloured.count(False), "pictures", n // 5,
               {"garments": coloured[:GARMENTS], "skies": coloured[GARMENTS:]}),
        Figure("inpaint", "pictures with a changed pixel outside the mask", [r.outside for r in rows].count(False), "pictures", 0),
        Figure("img2img", "1 - edge F1 at strength 0.2", 1 - float(np.mean(layout[0.2])), "", 0.3, {"f1": layout[0.2]}),
        Figure("img2img", "edge F1 at strength 0.8", float(np.mean(layout[0.8])), "", 0.5, {"f1": layout[0.8]}),
        Figure("img2img", "strength 0 changes a pixel or does not say that it would not", float(not same), "", 0)]
    if read is None:
        print(f"no probe in {probe}: attributes are judged by colour alone", file=sys.stderr)
        return figures
    return [*figures, Figure("inpaint", f"attribute not changed, by the probe (of {n})", read.count(False), "pictures", n // 5,
                             {"garments": read[:GARMENTS], "skies": read[GARMENTS:]})]


def _kept(rows: Sequence[Inpainted], folder: Path) -> None:
    """One sheet: render, mask, result, the render that was asked for, in a row for each."""
    from pipelines.training.mini.world.draw import draw

    sheet = Image.new("RGB", (8 * 256, -(-len(rows) // 2) * 256))
    for at, row in enumerate(rows):
        left, top = at % 2 * 1024, at // 2 * 256
        for column, picture in enumerate((row.render, row.change.mask.convert("RGB"), row.result, draw(row.change.after))):
            sheet.paste(picture, (left + column * 256, top))
    folder.mkdir(parents=True, exist_ok=True)
    sheet.save(folder / "inpainted.png")


if __name__ == "__main__":
    from pipelines.loading.environment import prepare_environment

    prepare_environment()
    for told in pictures(*(Path(word) for word in sys.argv[1:3])):
        print(told)
