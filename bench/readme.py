"""`python -m bench.readme`: the README's pictures of mini, re-made. Seeds and persons in order; nothing is picked.

Prompts and ControlNets are the makers' own sheets; likeness and enlargement go through the studio as a user's would.
"""

from __future__ import annotations

import os
import sys

for threads in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):      # before torch is imported
    os.environ.setdefault(threads, "1")
from pipelines.loading.environment import prepare_environment  # noqa: E402

prepare_environment()
from PIL import Image  # noqa: E402

from bench.likeness import USUAL, Sitting  # noqa: E402
from bench.measure import ROOT  # noqa: E402
from bench.own_studio import own_studio, painted  # noqa: E402
from pipelines.families.mini import MINI  # noqa: E402
from pipelines.studio import Studio  # noqa: E402
from pipelines.training.mini import control_score, sheet  # noqa: E402
from pipelines.upscalers import Target  # noqa: E402
from pipelines.upscalers.making import Bench, made  # noqa: E402
from pipelines.upscalers.recipe import Recipe  # noqa: E402

PICTURES, FAMILY = ROOT / "docs" / "pictures", ROOT / "models" / "mini"
PERSONS, SIDE, GAP = 4, 160, 8
CUT = 112                       # pixels of the small picture that are shown enlarged
PROMPT = "a young lady with pink hair, cowboy shot, denim jacket, black jeans, on a beach by day"


def main() -> None:
    with own_studio() as studio:
        likeness(studio).save(PICTURES / "mini-likeness.png", optimize=True)
        enlarged(studio).save(PICTURES / "mini-upscaled.png", optimize=True)
    control_score.show(FAMILY, PICTURES / "mini-conditions.png")
    sheet.save_sheet(FAMILY, sheet.all_prompts(), PICTURES / "mini-sheet.png", 8, MINI.default_request["cfg_scale"])


def likeness(studio: Studio) -> Image.Image:
    """For each of the first persons a photo, the words alone, the words with the likeness."""
    sitting = Sitting.opened(studio, PERSONS)
    if sitting is None:
        sys.exit(1)
    columns = zip([s.photos[0] for s in sitting.sitters], sitting.rows[None], sitting.rows[USUAL], strict=True)
    page = Image.new("RGB", (PERSONS * (3 * SIDE + GAP) - GAP, SIDE), "white")
    for person, pictures in enumerate(columns):
        for place, picture in enumerate(pictures):
            small = picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            page.paste(small, (person * (3 * SIDE + GAP) + place * SIDE, 0))
    return page


def enlarged(studio: Studio) -> Image.Image:
    """The head of one picture four times as large: bicubic, and by mini's own upscaler."""
    picture = painted(studio, {"prompt": PROMPT, "seed": 3, "cfg_scale": MINI.default_request["cfg_scale"]})
    left = (picture.width - CUT) // 2
    box = (left, 0, left + CUT, CUT)
    bench = Bench(studio.upscalers, studio.engine.residency)
    large = made(picture, Recipe("mini-x4", target=Target(4)), bench, lambda event: None).picture
    pair = (picture.resize(large.size, Image.Resampling.BICUBIC), large)
    page = Image.new("RGB", (2 * 4 * CUT + GAP, 4 * CUT), "white")
    for place, whole in enumerate(pair):
        page.paste(whole.crop(tuple(4 * edge for edge in box)), (place * (4 * CUT + GAP), 0))
    return page


if __name__ == "__main__":
    main()
