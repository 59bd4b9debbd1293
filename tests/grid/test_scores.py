"""Scores of cells: text alignment comes by itself when a CLIP lies beside the model, into table and page."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from types import SimpleNamespace

from PIL import Image

from pipelines import contact_sheet, experiments
from pipelines.metadata import read, write
from pipelines.ranking.scorer import ALIGNMENT
from tests.grid.test_sheet import grid
from tests.prompt.conftest import tokenizer
from tests.ranking.test_ranking import folder

__all__ = ["folder", "tokenizer"]


def test_a_clip_beside_the_model_scores_every_cell(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mini").mkdir()
    archive = SimpleNamespace(open=lambda file: tmp_path / file, read=lambda file: read(tmp_path / file))
    studio = SimpleNamespace(archive=archive, model=lambda name: SimpleNamespace(path=tmp_path / "mini"),
                             settings=SimpleNamespace(model_roots=()))
    made, files = grid(seed="1-2"), {0: "a.png", 1: "b.png"}
    for index, file in files.items():
        write(Image.effect_noise((64, 64), 90 + index).convert("RGB"), tmp_path / file, made.cell(index), {"seconds": 2.5})
    assert experiments.scores(studio, made, files) == {experiments.SECONDS: {0: 2.5, 1: 2.5}}
    shutil.copytree(folder, tmp_path / "mini" / "clip")
    told = experiments.scores(studio, made, files)
    assert told[ALIGNMENT].keys() == {0, 1} and all(-1 <= value <= 1 for value in told[ALIGNMENT].values())
    table, page = io.BytesIO(), io.BytesIO()
    contact_sheet.table(made, lambda index: tmp_path / files[index], table, {}, told)
    contact_sheet.page(made, lambda index: tmp_path / files[index], page, told)
    assert ALIGNMENT.encode() in table.getvalue().splitlines()[0] and ALIGNMENT.encode() in page.getvalue()
