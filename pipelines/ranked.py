"""Finished pictures in the order of their worth: by their words, an aesthetic mark, and photos they shall be like."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.images import open_image
from pipelines.ranking import scorer
from pipelines.ranking.combine import Ranked, rank
from pipelines.spec.errors import FieldError

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipelines.studio import Studio

MISSING = ("Put a CLIP model (config.json, model.safetensors, tokenizer, preprocessor_config.json) into models/ranking/clip, "
           "or use mini's own in models/mini/clip")


def ranked(studio: Studio, files: Sequence[Path], prompt: str = "", model: str = "", photos: Sequence[Image] = ()) -> list[Ranked]:
    """The pictures, best first. Without a prompt their own count.

    Raises FieldError where no model can judge, ImageFileError for what is no picture.
    """
    pictures = [open_image(path) for path in files]
    places = places_of(studio, model)
    prompts = [prompt or _own_prompt(path) for path in files]
    scores = scorer.scores(pictures, prompts, places)
    if photos and (far := scorer.distance(pictures, photos, places)):
        scores[scorer.DISTANCE] = far
    if not scores:
        raise FieldError("Ranking", "none", "no model is here that can judge pictures", fix=MISSING)
    if not any(prompts):
        scores.pop(scorer.ALIGNMENT, None)
    if photos and (near := scorer.likeness(pictures, photos, places)):
        scores[scorer.LIKENESS] = near
    if not scores:
        raise FieldError("Ranking", "none", "the pictures do not say what they were painted by, and there are no photos",
                         fix="Give a prompt or photos to judge them by")
    return rank(scores, {scorer.DISTANCE: -1.0} if scorer.DISTANCE in scores else None)


def places_of(studio: Studio, model: str = "") -> list[Path]:
    """Where models that judge may lie: beside the checkpoint, in `models/ranking`, beside the embedded model."""
    chosen = [studio.model(model)] if model else []
    folders = [file.path for file in (*chosen, *studio.library.models()) if file.is_folder]
    general = [path for root in studio.library.roots for path in (root / scorer.FOLDER, root / "models" / scorer.FOLDER)]
    return [*folders[:1], *general, *folders[1:]] if chosen and chosen[0].is_folder else [*general, *folders]


def _own_prompt(path: Path) -> str:
    from pipelines.metadata import read

    return str(read(path).request.get("prompt", ""))
