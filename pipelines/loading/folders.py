"""Which folder holds which kind of model, under AUTOMATIC1111's and ComfyUI's names, and a walk that cannot run in circles.

Knows no headers and no families: it finds candidates. `library.py` asks what they are. Whether something is there is asked
of `os.path`: pathlib raises where a folder may not be looked into, a drive is gone or a name is too long.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.loading.folder import main_weights
from pipelines.loading.header import GGUF, PARTIAL, PICKLES

KIND_OF_FOLDER = {
    "stable-diffusion": "checkpoint", "checkpoints": "checkpoint", "diffusion_models": "checkpoint", "unet": "checkpoint",
    "diffusers": "checkpoint",
    "lora": "lora", "lycoris": "lora", "loras": "lora",
    "vae": "vae",
    "controlnet": "controlnet", "t2i_adapter": "controlnet",
    "embeddings": "embedding",
    "esrgan": "upscaler", "realesrgan": "upscaler", "swinir": "upscaler", "dat": "upscaler", "upscale_models": "upscaler",
    "hat": "upscaler", "span": "upscaler", "upscaler": "upscaler",
    "text_encoder": "text encoder", "text_encoders": "text encoder", "clip": "text encoder", "clip_vision": "text encoder",
    "ipadapter": "ip-adapter", "photomaker": "ip-adapter", "instantid": "ip-adapter",
    "gfpgan": "face restorer", "codeformer": "face restorer", "restoreformer": "face restorer",
    "facerestore_models": "face restorer",
    "animatediff_models": "motion module",
}
# Folders that hold no models of ours, or far too many files.
PASSED_OVER = {"__pycache__", "node_modules", "venv", "vae_approx", "configs", "hypernetworks", "style_models", "gligen",
               "karlo", "blip", "deepbooru", "torch_deepdanbooru", "localizations", "annotators", "sketch"}
GENERIC_STEMS = {"diffusion_pytorch_model", "model", "pytorch_lora_weights", "diffusion_pytorch_model.fp16", "model.fp16"}
SUFFIXES = (".safetensors", GGUF, *PICKLES)
OF_EXTENSION = Path("extensions", "sd-webui-controlnet", "models")      # where that extension keeps them by default


@dataclass(frozen=True)
class Candidate:
    """A file or diffusers folder that may be a model. `expected` is the kind its place demands, "" anywhere else.

    name: path below its kind's folder without suffix, "anime/foo"; `root` is the folder the user named.
    problem: set when the entry cannot be a model at all (no read permission, a pipe).
    """

    path: Path
    name: str
    root: Path
    expected: str
    is_folder: bool
    size: int
    mtime_ns: int
    problem: str = ""


def walk(root: Path) -> Iterator[Candidate]:
    """Every candidate below `root`: a `models` folder, a studio's folder that holds one, or one kind's folder."""
    start = [root / "models", root / "embeddings"] if os.path.isdir(root / "models") else [root]
    seen: set[tuple[int, int]] = set()      # a folder is entered once, by whichever name comes first
    for folder in start:
        yield from _walk(folder, root, KIND_OF_FOLDER.get(folder.name.lower(), ""), (), seen)
    if os.path.isdir(root / OF_EXTENSION):
        yield from _walk(root / OF_EXTENSION, root, "controlnet", (), seen)


def _walk(folder: Path, root: Path, kind: str, group: Sequence[str], seen: set[tuple[int, int]]) -> Iterator[Candidate]:
    try:
        state = folder.stat()
        if (state.st_dev, state.st_ino) in seen:
            return
        seen.add((state.st_dev, state.st_ino))
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return      # gone, not readable, or a link in a circle: nothing to list
    names = {entry.name for entry in entries}
    if "model_index.json" in names or ("unet" in names and os.path.isfile(folder / "unet" / "config.json")):
        yield _folder(folder, root, kind, group, state)
        if "controlnet" in names:       # ControlNets that came with the model, as mini's do
            yield from _walk(folder / "controlnet", root, "controlnet", ("/".join(group) or folder.name,), seen)
        return
    for entry in entries:
        path = folder / entry.name
        if _is_dir(entry):
            if entry.name.startswith(".") or entry.name.lower() in PASSED_OVER:
                continue
            known = KIND_OF_FOLDER.get(entry.name.lower())
            yield from _walk(path, root, known or kind, () if known else (*group, entry.name), seen)
        elif _is_model_name(entry.name):
            yield _file(entry, path, root, kind, group)


def _folder(folder: Path, root: Path, kind: str, group: Sequence[str], state: os.stat_result) -> Candidate:
    """A diffusers folder. Its version is that of its main weights; its size that of all of them."""
    name = "/".join(group) or folder.name
    try:
        size = sum(f.stat().st_size for f in folder.glob("*/*.safetensors"))
        newest = main_weights(folder).stat().st_mtime_ns
    except OSError:
        size, newest = 0, state.st_mtime_ns
    return Candidate(folder, name, root, kind or "checkpoint", True, size, newest)


def _file(entry: os.DirEntry[str], path: Path, root: Path, kind: str, group: Sequence[str]) -> Candidate:
    stem = path.stem if path.suffix.lower() in SUFFIXES else path.name
    name = "/".join(group) if stem in GENERIC_STEMS and group else "/".join((*group, stem))
    try:
        state = entry.stat()
    except OSError as error:
        return Candidate(path, name, root, kind, False, 0, 0, f"cannot be opened ({error.strerror})")
    problem = "" if stat.S_ISREG(state.st_mode) else "this is not a file"
    return Candidate(path, name, root, kind, False, state.st_size, state.st_mtime_ns, problem)


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_model_name(name: str) -> bool:
    """A model's suffix, or that of an unfinished download of one."""
    lowered = name.lower()
    if lowered.startswith("."):
        return False
    for suffix in PARTIAL:
        lowered = lowered.removesuffix(suffix)
    return lowered.endswith(SUFFIXES)
