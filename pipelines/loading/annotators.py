"""Finds and reads the weights of preprocessors. Only files on disk; pickles come converted (`pickled.py`). No torch at import."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipelines.preprocess.row import Weight
from pipelines.spec.errors import ModelFileError

# Below a models folder, or below the folder of a whole studio; ours first, then AUTOMATIC1111's extension, then ComfyUI's.
PLACES = ("annotators", "models/annotators", "ControlNet/annotators", "models/ControlNet/annotators",
          "mini/estimators", "extensions/sd-webui-controlnet/annotator/downloads", "custom_nodes/comfyui_controlnet_aux/ckpts")


def find(roots: Sequence[Path], weight: Weight) -> Path | None:
    """The file or folder, at any depth of the places for them; the same name with .safetensors goes before a pickle."""
    return next(_candidates(roots, weight), None)


def _candidates(roots: Sequence[Path], weight: Weight) -> Iterator[Path]:
    names = (weight.file,) if weight.is_folder else (f"{Path(weight.file).stem}.safetensors", weight.file)
    for folder in (root / place for root in roots for place in PLACES):
        if folder.is_dir():
            for name in names:
                for path in sorted(folder.rglob(name)):
                    if (path / "config.json").is_file() if weight.is_folder else path.is_file():
                        yield path


def read_state(path: Path) -> dict[str, Any]:
    """The tensors of a .safetensors by name, on the CPU. Raises ModelFileError."""
    from pipelines.loading.header import read_header
    from pipelines.loading.tensors import read_tensors

    header = read_header(path)
    return {key.removeprefix("module."): value
            for key, value in read_tensors(path, header, header.tensors, None, path.name).items()}


def fill(network: Any, path: Path, state: dict[str, Any] | None = None) -> Any:
    """`network` with the weights of `path` (or with `state` read from it), in evaluation mode. Raises ModelFileError."""
    try:
        network.load_state_dict(read_state(path) if state is None else state)
    except (RuntimeError, KeyError) as error:
        raise ModelFileError(path.name, "these are not the weights of this network", "Copy the right file.") from error
    return network.float().eval()
