"""LoRA and embedding files of the library: found by name, checked against a model before anything runs, read when used.

No torch until tensors are read. What a file is for is judged by the width of the text its layers listen to, compared with
the model's own: no table of families, so it holds for any model.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.families import detect_file
from pipelines.families.architecture import text_config
from pipelines.families.signature import home, misplaced
from pipelines.loading.folder import read_json
from pipelines.loading.header import Header, read_header
from pipelines.loading.library import Library, ModelFile
from pipelines.loading.pickled import safetensors_of
from pipelines.prompt.inversion import mentioned, unfit
from pipelines.prompt.networks import networks, tag_of
from pipelines.spec.errors import FieldError, ModelFileError

if TYPE_CHECKING:
    from torch import Tensor

    from pipelines.patches.lora import Lora
    from pipelines.prompt.inversion import Inversion

LISTENS = re.compile(r"attn2(\.processor)?[._]to_[kv]")
INNER = re.compile(r"(lora_down\.weight|lora_A(\.default)?\.weight|lora\.down\.weight|hada_w1_b|_lora\.down\.weight)$")
FAMILY_OF_WIDTH = {768: "Stable Diffusion 1.x", 1024: "Stable Diffusion 2.x", 2048: "Stable Diffusion XL"}
TEMPLATE = re.compile(r"[{}]|__\w")
EMBEDDING_LIMIT = 64 * 2**20        # bytes; the largest real ones have a few hundred vectors
VECTORS = 1000


@dataclass(frozen=True)
class Chosen:
    """One LoRA of a prompt."""

    file: ModelFile
    te: float
    unet: float


def chosen(prompt: str, library: Library) -> tuple[Chosen, ...]:
    """The LoRAs `prompt` names. Raises FieldError (unknown name: the nearest; bad number) and ModelFileError."""
    return tuple(Chosen(find(n.name, library), n.te, n.unet) for n in networks(prompt))


def find(name: str, library: Library) -> ModelFile:
    """The LoRA of that name: its file's, else the one it was trained under, by which AUTOMATIC1111 calls it. Raises FieldError."""
    try:
        return library.find_kind("LoRA", "lora", name)
    except FieldError:
        alike = [file for file in library.of_kind("lora") if _head(file, "ss_output_name").lower() == name.lower()]
        if len(alike) != 1:
            raise
        return alike[0]


def called(prompt: str, library: Library) -> tuple[str, ...]:
    """Names by which `prompt` may call LoRAs: those of the files, and what it names that is another name of one of them."""
    names = {file.name: None for file in library.of_kind("lora")}
    with suppress(FieldError):
        for network in networks(prompt):
            with suppress(FieldError, ModelFileError):
                find(network.name, library)
                names[network.name] = None
    return tuple(names)


def at_home(prompt: str, hashes: str, library: Library) -> str:
    """`prompt` of another program with its LoRAs under their names here, where `hashes` ("name: 12 digits, …") tell which.

    Only what kohya wrote into the heads of our files is compared: to hash them all would take minutes.
    """
    for name, _, digest in (part.strip().rpartition(": ") for part in hashes.split(",")):
        tag = tag_of(prompt, name)
        if not tag or not digest or name in called(tag, library):
            continue
        alike = [file.name for file in library.of_kind("lora") if _head(file, "sshs_model_hash")[:12] == digest.lower()]
        if alike:
            kind, _, rest = tag.partition(":")
            strengths = rest.partition(":")[2]
            prompt = prompt.replace(tag, f"{kind}:{alike[0]}:{strengths}" if strengths else f"{kind}:{alike[0]}>")
    return prompt


def _head(file: ModelFile, key: str) -> str:
    """One entry of the file's own notes; "" without it, and for a file that cannot be read."""
    try:
        return read_header(file.path, file.name).metadata.get(key, "")
    except ModelFileError:
        return ""


def check(prompt: str, model: ModelFile, library: Library) -> list[FieldError]:
    """Why the LoRAs of `prompt` cannot be used with `model`; from headers alone.

    Raises as `chosen` does, and ModelFileError for a file that is no LoRA.

    A template (`{a|b}`, `__name__`) is looked at when its pictures are drawn: which tags it will hold is not known yet.
    """
    if "<" not in prompt or TEMPLATE.search(prompt):
        return []
    refusals = []
    own = context_width(model)
    for one in chosen(prompt, library):
        header = read_header(one.file.path, one.file.name)
        found = detect_file(header.shapes, header.metadata, one.file.stem, {})
        if wrong := misplaced(found, "lora"):
            raise ModelFileError(one.file.name, wrong, home(found))
        made_for = lora_width(header)
        if own and made_for and own != made_for:
            why = f"made for {_label(made_for)}; {model.name} is {_label(own, model)}"
            refusals.append(FieldError("LoRA", one.file.name, why, fix="Choose a LoRA made for this kind of model"))
    return refusals


def lora_width(header: Header) -> int:
    """Width of the text embedding the file's UNet layers read; 0 when the file has no such layer or does not show it."""
    for key, info in header.tensors.items():
        if LISTENS.search(key) and INNER.search(key) and len(info.shape) >= 2:
            return info.shape[1]
    version = header.metadata.get("ss_base_model_version", "") + header.metadata.get("modelspec.architecture", "")
    return next((width for mark, width in (("sdxl", 2048), ("xl-v1", 2048), ("sd_v2", 1024), ("diffusion-v2", 1024),
                                           ("sd_v1", 768), ("diffusion-v1", 768)) if mark in version.lower()), 0)


def context_width(model: ModelFile) -> int:
    """Width of the text embedding the model's UNet reads; 0 when that cannot be told."""
    if model.is_folder:
        width = read_json(model.path / "unet" / "config.json", model.name).get("cross_attention_dim")
        return width if isinstance(width, int) else 0
    shapes = read_header(model.path, model.name).shapes
    return next((shape[1] for key, shape in shapes.items() if key.endswith("attn2.to_k.weight")), 0)


def _label(width: int, model: ModelFile | None = None) -> str:
    if model is not None:
        return f"{model.family.label} ({width} wide)"
    return f"{FAMILY_OF_WIDTH.get(width, 'another kind of model')} ({width} wide)"


def read_lora(one: Chosen) -> Lora:
    """The file's tensors on the CPU, as stored. Raises ModelFileError when it is damaged, gone or changed."""
    from pipelines.loading.tensors import read_tensors
    from pipelines.patches.lora import Lora

    one.file.check_unchanged()
    header = read_header(one.file.path, one.file.name)
    return Lora(one.file.name, read_tensors(one.file.path, header, header.tensors, None, one.file.name), one.te, one.unet)


def hashes(found: Sequence[Chosen], embeddings: Sequence[ModelFile] = ()) -> dict[str, str]:
    """What a picture's file says of them, as AUTOMATIC1111 writes it: twelve digits by name; {} without any."""
    said = {"Lora hashes": ", ".join(f"{one.file.stem}: {tensor_hash(one.file)}" for one in found),
            "TI hashes": ", ".join(f"{file.stem}: {file.sha256()[:12]}" for file in embeddings)}
    return {key: text for key, text in said.items() if text}


def tensor_hash(file: ModelFile) -> str:
    """First 12 hex digits of the sha256 of everything behind the header (AutoV3): the same whatever the metadata says."""
    try:
        return _tensor_hash(str(file.path), file.version)
    except OSError as error:
        raise ModelFileError(file.name, f"cannot be read ({error.strerror})", "Check its permissions.") from None


@lru_cache(maxsize=256)
def _tensor_hash(path: str, _version: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        file.seek(8 + int.from_bytes(file.read(8), "little"))
        while block := file.read(2**22):
            digest.update(block)
    return digest.hexdigest()[:12]


# -- textual inversion -----------------------------------------------------------------------------------------------------


def embeddings(library: Library) -> dict[str, ModelFile]:
    """Usable embedding files by the name a prompt calls them."""
    return {file.stem: file for file in library.of_kind("embedding")}


def named_embeddings(texts: Sequence[str], library: Library) -> list[ModelFile]:
    """The embeddings `texts` name, in the library's order. Raises FieldError for a name of several files that differ."""
    named = _named(texts, library)
    for file in named:
        alike = [other for other in library.of_kind("embedding") if other.stem == file.stem]
        if len(alike) > 1 and len({other.sha256() for other in alike}) > 1:
            raise FieldError("Embedding", file.stem, f"{len(alike)} different files have that name: "
                             + ", ".join(other.name for other in alike), fix="Rename one of them")
    return named


def _named(texts: Sequence[str], library: Library) -> list[ModelFile]:
    files = embeddings(library)
    used = {name for text in texts for _, _, name in mentioned(text, tuple(files))} if files else set()
    return [file for name, file in files.items() if name in used]


def check_embeddings(texts: Sequence[str], model: ModelFile, library: Library) -> list[FieldError]:
    """Why the embeddings of `texts` cannot be used with `model`; from headers alone, templates left out as in `check`.

    Raises as `named_embeddings` does, and ModelFileError for one that cannot be read.
    """
    refusals = []
    for file in named_embeddings([text for text in texts if not TEMPLATE.search(text)], library):
        _, header, keys = _embedding_keys(file)
        had = sorted({header.tensors[key].shape[-1] for key in keys if header.tensors[key].shape})
        refusals += [unfit(file.stem, had, width) for width in encoder_widths(model) if width not in had][:1]
    return refusals


def encoder_widths(model: ModelFile) -> list[int]:
    """Width of each text encoder of the model; those that cannot be told are left out."""
    if model.is_folder:
        told = [read_json(model.path / encoder.component / "config.json", model.name).get("hidden_size")
                for encoder in model.family.encoders]
        return [width for width in told if isinstance(width, int)]
    shapes = read_header(model.path, model.name).shapes
    with suppress(KeyError, IndexError):        # a layout that loading will name
        return [text_config(model.family, encoder, shapes)["hidden_size"] for encoder in model.family.encoders]
    return []


def vectors_of(text: str, library: Library) -> dict[str, int]:
    """The embeddings `text` names, with the number of their vectors; of one that cannot be read it is 1."""
    found: dict[str, int] = {}
    for file in _named([text], library):
        try:
            _, header, keys = _embedding_keys(file)
        except ModelFileError:
            found[file.stem] = 1
        else:
            shapes = [header.tensors[key].shape for key in keys]
            found[file.stem] = max((shape[0] for shape in shapes if len(shape) > 1), default=1)
    return found


def read_embedding(file: ModelFile) -> Inversion:
    """Raises ModelFileError for a file that is none, too large, damaged, gone or changed. Pickles are read as data only."""
    from pipelines.prompt.inversion import Inversion

    file.check_unchanged()
    if file.size > EMBEDDING_LIMIT:
        raise ModelFileError(file.name, "it is far too large for an embedding", "Move it where it belongs.")
    vectors: dict[int, Tensor] = {}
    for tensor in _embedding_tensors(file):
        rows = tensor.reshape(-1, tensor.shape[-1]).float() if tensor.ndim else tensor
        if not rows.ndim or not rows.is_floating_point() or not 0 < rows.shape[0] <= VECTORS or rows.shape[1] in vectors:
            raise ModelFileError(file.name, "it is no textual inversion embedding", "Move it where it belongs.")
        vectors[rows.shape[1]] = rows
    if not vectors:
        raise ModelFileError(file.name, "it holds no vectors", "Download it again.")
    return Inversion(file.stem, vectors, f"{file.path}:{file.version}")


def _embedding_tensors(file: ModelFile) -> list[Tensor]:
    from pipelines.loading.tensors import read_tensors

    path, header, keys = _embedding_keys(file)
    return list(read_tensors(path, header, keys, None, file.name).values())


def _embedding_keys(file: ModelFile) -> tuple[Path, Header, list[str]]:
    """A1111's `string_to_param`, `emb_params`, diffusers' `<token>`, SDXL's `clip_l` and `clip_g`. Raises ModelFileError."""
    path = safetensors_of(file.path, file.name, file.facts)
    header = read_header(path, file.name)
    vectors = [key for key in header.tensors if key.startswith("string_to_param.")]     # A1111's has numbers beside them
    return path, header, vectors or list(header.tensors)
