"""A diffusers folder: its configs read and checked, its weight files found. No torch, nothing is loaded."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pipelines.families import Detected, detect_folder
from pipelines.spec.errors import ModelFileError, shown

CONFIG_LIMIT = 2**20
COMPONENTS = ("unet", "vae", "text_encoder", "text_encoder_2", "scheduler")
STEMS = ("diffusion_pytorch_model", "model")
VARIANTS = ("", ".fp16", ".bf16", ".fp32")
WITH_WEIGHTS = ("unet", "vae", "text_encoder", "text_encoder_2")


def describe_folder(folder: Path, name: str) -> Detected:
    """What the folder is. Raises ModelFileError for one that cannot be used."""
    if not os.path.isfile(folder / "model_index.json"):
        raise ModelFileError(name, "this folder has no model_index.json", "Copy the whole model again.")
    code = next(iter(sorted(folder.rglob("*.py"))), None)
    if code is not None:
        raise ModelFileError(name, f"this folder brings its own program code ({shown(code.name, 40)}), which is never run",
                             "Use a model without code.")
    index = read_json(folder / "model_index.json", name)
    configs: dict[str, dict[str, Any]] = {"model_index": index}
    for component in COMPONENTS:
        named = index.get(component) or [None]
        if not isinstance(named, list):
            raise ModelFileError(name, f"model_index.json does not say what its {component} is", "Copy the whole model again.")
        if not named[0]:
            continue
        file = "scheduler_config.json" if component == "scheduler" else "config.json"
        configs[component] = read_json(folder / component / file, name)
        if component in WITH_WEIGHTS:
            _check_weights(folder / component, name)
    return detect_folder(configs)


def read_json(path: Path, name: str) -> dict[str, Any]:
    """A JSON object. Raises ModelFileError."""
    where = f"{path.parent.name}/{path.name}"
    try:
        if path.stat().st_size > CONFIG_LIMIT:
            raise ModelFileError(name, f"{where} is far too long for a config", "Copy the whole model again.")
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelFileError(name, f"{where} is missing", "Copy the whole model again.") from None
    except (OSError, ValueError, RecursionError):
        raise ModelFileError(name, f"{where} is not readable JSON", "Copy the whole model again.") from None
    if not isinstance(data, dict):
        raise ModelFileError(name, f"{where} is not a JSON object", "Copy the whole model again.")
    return data


def weights_file(component: Path) -> Path | None:
    """The weights of one component in one file, the unmarked ones first; None when there are none (or shards)."""
    for variant in VARIANTS:
        for stem in STEMS:
            path = component / f"{stem}{variant}.safetensors"
            if os.path.isfile(path):
                return path
    return None


def main_weights(folder: Path) -> Path:
    """The file that stands for the whole folder (its hash and time are the model's): the UNet's weights or first shard."""
    single = weights_file(folder / "unet")
    return single or next(iter(sorted((folder / "unet").glob("*.safetensors"))), folder / "model_index.json")


def weight_files(component: Path, name: str) -> list[Path]:
    """All weight files of a component: one, or the shards its index names. Raises ModelFileError."""
    single = weights_file(component)
    if single is not None:
        return [single]
    index = next(iter(sorted(component.glob("*.safetensors.index.json"))), None)
    if index is None:
        pickled = any(component.glob("*.bin"))
        why = f"{component.name} holds pickled weights only (.bin)" if pickled else f"{component.name} holds no weights"
        raise ModelFileError(name, why, "Get the .safetensors version of the model.")
    listed = read_json(index, name).get("weight_map")
    shards = sorted({str(v) for v in listed.values()}) if isinstance(listed, dict) else []
    files = [component / Path(shard).name for shard in shards]
    missing = next((f.name for f in files if not os.path.isfile(f)), "")
    if missing or not files:
        raise ModelFileError(name, f"{component.name} lacks its part {shown(missing, 60)}", "Copy the whole model again.")
    return files


def _check_weights(component: Path, name: str) -> None:
    weight_files(component, name)
