"""The model families and the one question asked of them: whose is this file? No torch, no files: shapes and JSON come in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipelines.families.family import Detected, Family, Folder, Shapes, TextEncoder
from pipelines.families.mini import MINI
from pipelines.families.prediction import told
from pipelines.families.sd2 import SD2
from pipelines.families.sd15 import SD15
from pipelines.families.sdxl import SDXL
from pipelines.families.signature import SUPPORTED, classify
from pipelines.spec.errors import shown
from pipelines.spec.registry import Registry

__all__ = ["FAMILIES", "Detected", "Family", "TextEncoder", "detect_file", "detect_folder"]

FAMILIES: Registry[Family] = Registry("Model family", [MINI, SD15, SD2, SDXL])


def detect_file(shapes: Shapes, metadata: Mapping[str, str], stem: str, side_car: Mapping[str, Any]) -> Detected:
    """What a single file is, from its header, its name and the side-car beside it (see `prediction.py`)."""
    for family in FAMILIES:
        found = family.detect(shapes)
        if found is not None:
            return replace(found, prediction=told(found, shapes, metadata, stem, side_car), zero_snr="ztsnr" in shapes)
    return classify(shapes)


def detect_folder(folder: Folder) -> Detected:
    """What a diffusers folder is, from its configs; the scheduler's says the prediction type."""
    scheduler = folder.get("scheduler", {})
    for family in FAMILIES:
        found = family.detect_folder(folder)
        if found is not None:
            prediction = scheduler.get("prediction_type") or found.prediction
            if not isinstance(prediction, str):
                return replace(found, problem="its scheduler does not say what the model predicts",
                               fix="Copy the whole model again.")
            return replace(found, prediction=prediction, zero_snr=bool(scheduler.get("rescale_betas_zero_snr")))
    name = shown(folder["model_index"].get("_class_name", "unknown"))
    return Detected("checkpoint", problem=f"this is a {name} folder, which this version cannot run", fix=SUPPORTED)
