"""The k best of n: each picture is held against what it was painted by, and what cannot be judged is refused in one line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines import metadata
from pipelines.cli.flags import Order
from pipelines.cli.rank import ranking
from pipelines.ranked import ranked
from pipelines.ranking import scorer
from pipelines.spec.errors import FieldError
from pipelines.spec.request import GenerationRequest
from tabs.ranking import best_of

COLOURS = {"red": (250, 0, 0), "dark red": (120, 0, 0), "blue": (0, 0, 250)}


def painted(folder: Path, colour: str, prompt: str | None) -> Path:
    """A picture of one colour; prompt: what its file says it was painted by, None for a file that says nothing."""
    path, picture = folder / f"{colour}.png", Image.new("RGB", (8, 8), COLOURS[colour])
    if prompt is None:
        picture.save(path)
    else:
        metadata.write(picture, path, GenerationRequest(prompt=prompt), {}, "png")
    return path


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Its judges look at the red alone: by words that ask for it, and by the photos."""
    def by_words(pictures: Sequence[Image.Image], prompts: Sequence[str], _: Any) -> dict[str, list[float]]:
        reds = [float(picture.getpixel((0, 0))[0]) for picture in pictures]
        return {scorer.ALIGNMENT: [red if "red" in said else 0.0 for red, said in zip(reds, prompts, strict=True)]}

    def by_photos(pictures: Sequence[Image.Image], photos: Sequence[Image.Image], _: Any) -> list[float]:
        return [-abs(p.getpixel((0, 0))[0] - photos[0].getpixel((0, 0))[0]) for p in pictures]

    monkeypatch.setattr(scorer, "scores", by_words)
    monkeypatch.setattr(scorer, "likeness", by_photos)
    monkeypatch.setattr(scorer, "distance", lambda *_: [])
    library = type("Library", (), {"roots": (), "models": lambda self: []})()
    archive = type("Archive", (), {"root": tmp_path})()
    model = type("Model", (), {"is_folder": False, "path": tmp_path})()
    return type("Studio", (), {"library": library, "archive": archive, "model": lambda self, _: model,
                               "words": lambda self, key: key})()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [painted(tmp_path, *one) for one in (("dark red", "a red car"), ("blue", "a blue car"), ("red", "a red car"))]


def test_pictures_without_a_prompt_given_are_held_against_their_own(studio: Any, files: list[Path]) -> None:
    rows = ranked(studio, files)
    assert [row.index for row in rows] == [2, 0, 1]
    assert [row.parts[scorer.ALIGNMENT] for row in rows] == [250, 120, 0]


def test_photos_count_beside_the_words(studio: Any, files: list[Path]) -> None:
    rows = ranked(studio, files, photos=[Image.new("RGB", (8, 8), COLOURS["dark red"])])
    assert rows[0].index == 0 and set(rows[0].parts) == {scorer.ALIGNMENT, scorer.LIKENESS}


def test_pictures_that_say_nothing_need_a_prompt_or_photos(studio: Any, tmp_path: Path) -> None:
    silent = [painted(tmp_path, colour, None) for colour in ("blue", "red")]
    with pytest.raises(FieldError, match="Give a prompt or photos"):
        ranked(studio, silent)
    assert ranked(studio, silent, "a red car")[0].index == 1
    assert ranked(studio, silent, photos=[Image.new("RGB", (8, 8), COLOURS["blue"])])[0].index == 0


def test_without_a_judge_it_is_said_what_goes_where(studio: Any, files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorer, "scores", lambda *_: {})
    with pytest.raises(FieldError, match="models/ranking/clip"):
        ranked(studio, files)


def test_the_page_names_the_k_best_and_shows_the_best(studio: Any, files: list[Path]) -> None:
    told, gallery, looked_at = best_of(studio, [(str(file), None) for file in files], 2, "mini", ())
    assert told.count("<li>") == 2 and told.index("<li>red.png") < told.index("<li>dark red.png")
    assert gallery.selected_index == 2 and looked_at == "red.png"


def test_the_command_line_keeps_the_k_best(studio: Any, files: list[Path]) -> None:
    given = {"files": [str(file) for file in files], "photo": [], "keep": 2, "prompt": "", "model": ""}
    lines = [line.split("\t") for line in ranking(Order(given=given), studio)]
    assert [(line[0], Path(line[3]).name) for line in lines] == [("1", "red.png"), ("2", "dark red.png")]
