"""Scores pictures against their prompts with whatever models there are: text alignment by a CLIP, an aesthetic mark on it.

They lie beside the checkpoint (`<model folder>/clip`, `*aesthetic*.safetensors` there or in `aesthetic/`) or, for any model, in
`models/ranking/`.
Knows no grid. Without a CLIP there are no scores, and nothing is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.patches.photomaker.rules import without_trigger
from pipelines.prompt.parse import parts
from pipelines.prompt.tree import at_step
from pipelines.spec.errors import ModelFileError

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipelines.ranking.aesthetic import AestheticHead
    from pipelines.ranking.clip import Clip

ALIGNMENT, AESTHETIC, LIKENESS = "Text alignment", "Aesthetic", "Likeness to the photos"
DISTANCE = "LPIPS to the photos"        # less is better
CLASS_WORDS = ("man", "woman", "boy", "girl", "baby")
BATCH = 16
FOLDER = "ranking"
LONG_RUN = 1000         # steps, so that what begins later has not begun at the first


def found(places: Iterable[Path]) -> tuple[Path | None, Path | None]:
    """The CLIP's folder and the aesthetic head's file: the first of each in `places` (a model's folder, `models/ranking`)."""
    clip = head = None
    for place in places:
        clip = clip or next((p for p in (place / "clip", place) if (p / "preprocessor_config.json").is_file()), None)
        heads = sorted(p for folder in (place, place / "aesthetic", place / "clip") for p in folder.glob("*aesthetic*.safetensors"))
        head = head or (heads[0] if heads else None)
    return clip, head


def scores(pictures: Sequence[Image], prompts: Sequence[str], places: Sequence[Path]) -> dict[str, list[float]]:
    """By the name of the score, one a picture: cosine of picture and words (-1 to 1), mark (about 1 to 10). {} without models.

    Raises ModelFileError for a model that is damaged.
    """
    folder, file = found(places)
    if folder is None:
        return {}
    clip = _clip(folder, _stamp(folder / "model.safetensors"))
    head = _head(file, _stamp(file)) if file else None
    result: dict[str, list[float]] = {name: [] for name in (ALIGNMENT, *([AESTHETIC] if head else []))}
    for start in range(0, len(pictures), BATCH):
        seen = clip.images(pictures[start:start + BATCH])
        said = clip.texts([words(prompt) for prompt in prompts[start:start + BATCH]])
        result[ALIGNMENT] += (seen * said).sum(dim=1).tolist()
        if head:
            result[AESTHETIC] += head.marks(seen)
    return result


def likeness(pictures: Sequence[Image], photos: Sequence[Image], places: Sequence[Path]) -> list[float]:
    """How near each picture is to the photos: the mean cosine of their CLIP vectors (-1 to 1). [] without a CLIP."""
    from pipelines.ranking.clip import image_alignment

    folder, _ = found(places)
    if folder is None:
        return []
    clip = _clip(folder, _stamp(folder / "model.safetensors"))
    return image_alignment(clip.images(pictures), clip.images(photos))


def distance(pictures: Sequence[Image], photos: Sequence[Image], places: Sequence[Path]) -> list[float]:
    """How far each picture is from the photos by LPIPS, on average. [] where its files are not; raises ModelFileError."""
    from pipelines.ranking import lpips

    files = lpips.found(places)
    return lpips.opened(*files).distances(pictures, photos) if files else []


def class_word(photos: Sequence[Image], places: Sequence[Path]) -> str:
    """What the photos show, of CLASS_WORDS: the one whose words are nearest to all of them. "" without a CLIP or photos."""
    folder, _ = found(places)
    if folder is None or not photos:
        return ""
    clip = _clip(folder, _stamp(folder / "model.safetensors"))
    near = clip.images(photos) @ clip.texts([f"a photo of a {word}" for word in CLASS_WORDS]).T
    return CLASS_WORDS[int(near.mean(dim=0).argmax())]


def words(prompt: str) -> str:
    """What the prompt says at the first step, without brackets, weights, LoRA tags and trigger; of an AND all parts."""
    said = ["".join(" " if span.text is None else span.text for span in at_step(part, 0, LONG_RUN)) for part in parts(prompt)]
    return " ".join(without_trigger(" ".join(said)).split())


def _stamp(file: Path | None) -> int:
    return file.stat().st_mtime_ns if file and file.is_file() else 0


@lru_cache(maxsize=1)
def _clip(folder: Path, _changed: int) -> Clip:
    from pipelines.ranking.clip import Clip

    return Clip.open(folder)


@lru_cache(maxsize=1)
def _head(file: Path, _changed: int) -> AestheticHead:
    from safetensors.torch import load_file

    from pipelines.ranking.aesthetic import aesthetic_head

    try:
        return aesthetic_head(load_file(file), file.stem)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelFileError(file.name, f"cannot be read ({type(error).__name__})") from None
