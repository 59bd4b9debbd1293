"""`python -m bench.figures DATA_DIR`: the study's figures re-made on mini, with one measured sentence each, into the docs.

Every figure is a ready-made experiment of `presets/experiments`. What is painted stays in DATA_DIR: the same words again
paint only what is missing. The pictures go to docs/pictures/experiments, the sentences between the marks in docs/experiments.md.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

for threads in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):      # before torch is imported
    os.environ.setdefault(threads, "1")
from pipelines.loading.environment import prepare_environment  # noqa: E402

prepare_environment()
from PIL import Image  # noqa: E402

from bench import readings  # noqa: E402
from bench.measure import ROOT  # noqa: E402
from pipelines import contact_sheet, experiments  # noqa: E402
from pipelines.grid import Grid  # noqa: E402
from pipelines.grid.ready import Ready, ready  # noqa: E402
from pipelines.settings import checked  # noqa: E402
from pipelines.spec.events import Event, Note  # noqa: E402
from pipelines.spec.request import GenerationRequest  # noqa: E402
from pipelines.studio import Studio  # noqa: E402

PAGE = ROOT / "docs" / "experiments.md"
PICTURES = ROOT / "docs" / "pictures" / "experiments"
BEGIN, END = "<!-- figures: written by python -m bench.figures -->", "<!-- end of figures -->"
SEED = 11
MOST_PIXELS = 1_300_000         # of one sheet, so that all of them together are a few megabytes at most


@dataclass(frozen=True)
class Figure:
    """One experiment painted: its grid, the files of its cells by index, and their scores by name."""

    chosen: Ready
    grid: Grid
    files: Mapping[int, Path]
    scores: experiments.Scores

    def picture(self, x: int, y: int = 0) -> Image.Image:
        return Image.open(self.files[self.grid.index(x, y)]).convert("RGB")

    def row(self, y: int = 0) -> list[Image.Image]:
        return [self.picture(x, y) for x in range(self.grid.shape[0])]

    def shown(self, axis: int = 0) -> list[str]:
        return [value.shown for value in self.grid.axes[axis].values]


SAID: Mapping[str, Callable[[Figure], str]] = {
    "ladder": readings.ladder, "steps": readings.steps, "timing": readings.timing, "cfg": readings.cfg, "shape": readings.shape,
    "seeds": readings.seeds, "negative": readings.negative, "denoising": readings.denoising,
    "sampler_steps": readings.sampler_steps}


def main(folder: str) -> int:
    settings = checked({"data_dir": Path(folder)})
    from extensions.loader import load

    studio = Studio(settings, load(settings))
    studio.library.scan()
    made_on = f"Painted by mini {studio.model('mini').short_hash()}; seed {SEED} where no axis sets another.\n"
    blocks = [made_on]
    for chosen in ready():
        if chosen.name in SAID:
            blocks.append(block(studio, painted(studio, chosen)))
            print(blocks[-1], flush=True)
            _written(blocks)        # after each, so that what is there is shown when this is stopped
    return 0


def _written(blocks: Sequence[str]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    head, tail = text.partition(BEGIN)[0], text.partition(END)[2]
    PAGE.write_text(f"{head}{BEGIN}\n\n" + "\n".join(blocks) + f"\n{END}{tail}", encoding="utf-8")


def painted(studio: Studio, chosen: Ready) -> Figure:
    """Raises StudioError when a cell cannot be painted."""
    base = GenerationRequest.parse({**studio.model("mini").family.default_request, "model": "mini", "seed": SEED})
    base = experiments.filled(studio, base, chosen)
    axes = [(key, text or experiments.kind_of(studio, key).fill(base)) for key, text in chosen.axes]
    grid = experiments.grid_of(studio, base, axes)
    job = f"figure-{chosen.name}-{studio.model('mini').short_hash()}"
    experiments.paint(studio, grid, _said, job, frozenset(studio.archive.of_job(job)))
    names = studio.archive.of_job(job)
    files = {index: studio.archive.open(name) for index, name in names.items()}
    return Figure(chosen, grid, files, experiments.scores(studio, grid, names))


def _said(event: Event) -> None:
    if isinstance(event, Note):
        print(event.text, file=sys.stderr, flush=True)


def block(studio: Studio, figure: Figure) -> str:
    """The sheet as a JPEG beside the page, and what it shows."""
    data = io.BytesIO()
    contact_sheet.draw(figure.grid, figure.files.get, data, MOST_PIXELS)
    PICTURES.mkdir(parents=True, exist_ok=True)
    file = PICTURES / f"{figure.chosen.name}.jpg"
    Image.open(data).save(file, "JPEG", quality=82)
    title = studio.words(figure.chosen.word)
    return (f"### {title} (figure {figure.chosen.figures} of the study)\n\n![{title}](pictures/experiments/{file.name})\n\n"
            f"{SAID[figure.chosen.name](figure)}\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))


