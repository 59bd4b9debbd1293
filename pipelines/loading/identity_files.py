"""The identity adapters on the disk: PhotoMaker and IP-Adapter files, which model they are for, what is missing. No torch.

A .safetensors tells by its header, a pickle by what the library had looked up in it.
The embedded model's own adapter lies in `identity/` inside its folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pipelines.families import Detected
from pipelines.families.identity import IP_ADAPTER, PHOTOMAKER, PHOTOMAKER_2, detect_identity
from pipelines.loading.header import PICKLES, read_header
from pipelines.loading.library import AUTOMATIC, Library, ModelFile
from pipelines.spec.errors import FieldError, ModelFileError, unknown

LABEL = "Identity adapter"
KIND, ENCODER_KIND, OWN_FOLDER = "ip-adapter", "text encoder", "identity"
MISSING: Mapping[str, str] = MappingProxyType({
    "sdxl": "Put photomaker-v1.bin or .safetensors (TencentARC/PhotoMaker, Apache-2.0) into models/photomaker, "
            "or ip-adapter_sdxl.safetensors (h94/IP-Adapter, Apache-2.0) into models/ipadapter and its image encoder into "
            "models/clip_vision",
    "sd15": "PhotoMaker knows Stable Diffusion XL only. Put ip-adapter_sd15.safetensors (h94/IP-Adapter, Apache-2.0) into "
            "models/ipadapter and its image encoder into models/clip_vision",
    "mini": "Its own comes with the project in models/mini/identity; `python -m pipelines.training.mini identity` trains one anew",
})


@dataclass(frozen=True)
class IdentityFile:
    """One adapter. way: PHOTOMAKER or IP_ADAPTER.   family: it was made for.   needs_vectors: of every face, beside its photo."""

    name: str
    path: Path
    way: str
    family: str
    needs_vectors: bool = False


def identities(library: Library, family: str = "") -> list[IdentityFile]:
    """All of them, or those for one family; what wants more than photos last, of the others PhotoMaker first."""
    found = [*_listed(library), *_own(library)]
    fitting = (one for one in found if not family or one.family == family)
    return sorted(fitting, key=lambda one: (one.needs_vectors, one.way != PHOTOMAKER, one.name.lower()))


def find_identity(library: Library, model: ModelFile, name: str) -> IdentityFile:
    """The adapter of that name, or with Automatic the first that fits `model`.

    Raises FieldError: none fits (with what goes where), an unknown name, one of another family.
    """
    family = model.family
    fitting = identities(library, family.name)
    if name == AUTOMATIC:
        if not fitting:
            raise FieldError(LABEL, "none", f"nothing here knows faces for {family.label}", fix=missing(family.name))
        return fitting[0]
    found = next((f for f in identities(library) if f.name.lower() == name.lower()), None)
    if found is None:
        raise unknown(LABEL, name, [AUTOMATIC, *(f.name for f in fitting)])
    if found.family != family.name:
        raise FieldError(LABEL, name, f"it was made for another family than {family.label}",
                         ", ".join(f.name for f in fitting) or "none is here", missing(family.name) if not fitting else "")
    return found


def missing(family: str) -> str:
    """Which file goes where, for a family without an adapter."""
    return MISSING.get(family, "Choose a Stable Diffusion XL model")


def image_encoder(library: Library, width: int) -> Path:
    """The CLIP image tower that gives vectors or patches `width` wide. Raises FieldError naming what is missing."""
    for path in _encoders(library):
        if width in _widths(path):
            return path
    what = {1024: "CLIP-ViT-H-14", 1280: "CLIP-ViT-H-14", 1664: "CLIP-ViT-bigG-14"}.get(width, f"one that is {width} wide")
    raise FieldError("Image encoder", "none", f"the IP-Adapter reads pictures through {what}, which is not here",
                     fix="Put its model.safetensors, named after it, into models/clip_vision")


def _listed(library: Library) -> Iterator[IdentityFile]:
    for file in library.of_kind(KIND):
        if file.path.suffix.lower() in PICKLES:
            yield from _described(file.name, file.path, file.detected)
        elif not file.is_folder:
            yield from _by_header(file.name, file.path)


def _own(library: Library) -> Iterator[IdentityFile]:
    for model in library.models():
        if model.is_folder:
            for path in sorted((model.path / OWN_FOLDER).glob("*.safetensors")):
                yield from _by_header(path.stem, path)


def _by_header(name: str, path: Path) -> Iterator[IdentityFile]:
    """By the header; nothing for a file that is broken."""
    try:
        yield from _described(name, path, detect_identity(read_header(path, name).shapes))
    except ModelFileError:
        return


def _described(name: str, path: Path, found: Detected) -> Iterator[IdentityFile]:
    """Nothing for a file that is no adapter of ours."""
    if found.variant in (PHOTOMAKER, PHOTOMAKER_2, IP_ADAPTER):
        second = found.variant == PHOTOMAKER_2
        yield IdentityFile(name, path, PHOTOMAKER if second else found.variant, found.family, second)


def _encoders(library: Library) -> Iterator[Path]:
    for file in library.of_kind(ENCODER_KIND):
        if not file.is_folder and file.path.suffix.lower() == ".safetensors":
            yield file.path


def _widths(path: Path) -> set[int]:
    """Of a CLIP image tower: its hidden width and that of its vector; nothing for another file."""
    try:
        shapes = read_header(path).shapes
    except ModelFileError:
        return set()
    tower, vector = shapes.get("vision_model.embeddings.class_embedding"), shapes.get("visual_projection.weight")
    return {tower[0], vector[0]} if tower and vector else set()
