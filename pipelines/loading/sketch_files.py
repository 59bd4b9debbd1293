"""What is on the disk to follow a drawing with, for one model: ControlNets that read lines, and guidance predictors. No torch.

A predictor lies in `sketch/` inside its model's own folder, or in `models/sketch/` with a side-car (same name, .json)
{"family": "sd15", "hooks": "sketch2img"}. Without a side-car it is taken for Stable Diffusion 1.x, as the published ones are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.drawing.ways import Available
from pipelines.loading.controls import controls
from pipelines.loading.facts import Facts
from pipelines.loading.library import Library, ModelFile
from pipelines.loading.model_file import read_side_car

if TYPE_CHECKING:
    from pipelines.patches.sketch_guidance import EdgePredictor, Hooks

FOLDER = "sketch"
SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
READS_LINES = ("Scribble", "Lineart", "SoftEdge", "Canny")      # the most suited first
READS_COLOURS = ("Tile", "Recolor")


@dataclass(frozen=True)
class Predictor:
    """A predictor's file. hooks: the name of the activations it was trained on; "" where the file's width tells."""

    path: Path
    hooks: str = ""
    facts: Facts | None = None      # of the library, which keeps conversions

    @property
    def name(self) -> str:
        return self.path.stem

    def open(self, unet: Any) -> tuple[EdgePredictor, Hooks]:
        """The network and what it reads of `unet`. Raises ModelFileError, and FieldError for hooks nobody knows."""
        from pipelines.loading.adapter_file import read_adapter
        from pipelines.patches.sketch_guidance import hooks_for, predictor

        tensors, metadata = read_adapter(self.path, facts=self.facts)
        made = predictor(tensors, self.path.name, unet.config.in_channels)
        return made, hooks_for(made, self.hooks or metadata.get("hooks", ""))


@dataclass(frozen=True)
class Found:
    names: Available
    predictor: Predictor | None = None


def available(library: Library, model: ModelFile) -> Found:
    """What a drawing can be followed with on `model`."""
    nets = {control.control: control.name for control in reversed(controls(library, model.family))}
    lines = next((nets[kind] for kind in READS_LINES if kind in nets), "")
    colours = next((nets[kind] for kind in READS_COLOURS if kind in nets), "")
    predictor = next(_predictors(library, model), None)
    own = f"{model.path.name}/{FOLDER}/ or " if model.is_folder else ""
    return Found(Available(
        lines, colours, predictor.name if predictor else "",
        f"Put a scribble or lineart ControlNet for {model.family.label} into models/ControlNet",
        f"Put a guidance predictor trained on this model into {own}models/{FOLDER}/; "
        "one can be trained: python -m pipelines.training.sketch --help"), predictor)


def _predictors(library: Library, model: ModelFile) -> Iterator[Predictor]:
    """Those that fit, the model's own first."""
    if model.is_folder:
        own = "mini" if model.family.name == "mini" else ""
        yield from (Predictor(path, str(read_side_car(path).get("hooks", own)), library.facts)
                    for path in _files(model.path / FOLDER))
    for path in (path for root in library.roots for place in (root, root / "models") for path in _files(place / FOLDER)):
        told = read_side_car(path)
        if told.get("family", "sd15") == model.family.name:
            yield Predictor(path, str(told.get("hooks", "")), library.facts)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError:
        return []
