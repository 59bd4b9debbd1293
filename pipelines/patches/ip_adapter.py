"""IP-Adapter (arXiv 2308.06721): a reference picture beside the prompt, through diffusers and without trace afterwards.

`recognise` tells from tensor shapes what a file is; the patch gives shared components back exactly as they were, which
diffusers' own unloading does not (it makes new attention processors and forgets a ControlNet's or a hook's).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.spec.errors import FieldError, ModelFileError

if TYPE_CHECKING:
    from torch import Tensor

FAMILIES = {768: "Stable Diffusion 1.x", 1024: "Stable Diffusion 2.x", 2048: "Stable Diffusion XL", 192: "Mini"}
IMAGE_PROJECTION, ATTENTION = "image_proj.", "ip_adapter."


@dataclass(frozen=True)
class Kind:
    """What an IP-Adapter file is.

    variant: "plain" (4 tokens of the picture's vector), "plus" (tokens of its patches), "full" (all patches).
    width: of the prompt it was made for.   image_width: of what the image encoder must give.
    """

    variant: str
    width: int
    image_width: int

    @property
    def made_for(self) -> str:
        return FAMILIES.get(self.width, f"models of width {self.width}")

    @property
    def reads_patches(self) -> bool:
        """Whether it wants the encoder's last hidden layer but one instead of its projected vector."""
        return self.variant != "plain"


def recognise(shapes: Mapping[str, tuple[int, ...]], name: str = "the IP-Adapter") -> Kind:
    """The kind of file with these tensors (`image_proj.…`, `ip_adapter.…`). Raises ModelFileError for none of ours."""
    inner = {k.removeprefix(IMAGE_PROJECTION): v for k, v in shapes.items() if k.startswith(IMAGE_PROJECTION)}
    if not inner or not any(k.startswith(ATTENTION) for k in shapes):
        raise ModelFileError(name, "this is no IP-Adapter", "Its tensors begin with image_proj. and ip_adapter.")
    if any(k.startswith("perceiver_resampler.") for k in inner) or any("_lora." in k for k in shapes):
        raise ModelFileError(name, "this is a FaceID IP-Adapter, which needs a face recogniser's vectors",
                             "Use ip-adapter or ip-adapter-plus, or PhotoMaker.")
    if "proj.3.weight" in inner:
        return Kind("full", inner["proj.3.weight"][0], inner["proj.0.weight"][0])
    if "proj.weight" in inner:
        return Kind("plain", inner["proj.weight"][0] // 4, inner["proj.weight"][1])
    if "latents" in inner and {"proj_in.weight", "proj_out.weight"} <= inner.keys():
        return Kind("plus", inner["proj_out.weight"][0], inner["proj_in.weight"][1])
    raise ModelFileError(name, "its picture projection is of a kind this version does not know",
                         "Use ip-adapter or ip-adapter-plus.")


def check_fits(unet: Any, kind: Kind, name: str) -> None:
    """Raise FieldError when adapter and model are of different families."""
    if unet.config.cross_attention_dim != kind.width:
        raise FieldError("IP-Adapter", name, f"it was made for {kind.made_for} and the chosen model is of another family",
                         kind.made_for, "Choose another adapter or model")


@contextmanager
def ip_adapter(pipe: Any, tensors: Mapping[str, Tensor], picture: Tensor, scale: float = 1.0,
               name: str = "the IP-Adapter") -> Iterator[dict[str, Any]]:
    """Call arguments for a run that looks at a reference picture.

    picture: what the image encoder gave (`look`): (2, n, image width) for "plain", (2, n, patches, image width) for the
    others; the first row is the empty picture's, for guidance. Raises FieldError and ModelFileError before it changes anything.
    """
    kind = recognise({k: tuple(v.shape) for k, v in tensors.items()}, name)
    check_fits(pipe.unet, kind, name)
    if picture.shape[-1] != kind.image_width:
        raise FieldError("Image encoder", picture.shape[-1], f"this adapter reads pictures {kind.image_width} wide",
                         fix="Choose the image encoder that came with it")
    unet = pipe.unet
    processors, projection = dict(unet.attn_processors), unet.encoder_hid_proj
    hidden_type, extractor = unet.config.encoder_hid_dim_type, getattr(pipe, "feature_extractor", None)
    parts = {prefix[:-1]: {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
             for prefix in (IMAGE_PROJECTION, ATTENTION)}
    try:
        try:        # in full memory the keys are checked; the lean way leaves what is missing without values
            pipe.load_ip_adapter(parts, subfolder="", weight_name="", image_encoder_folder=None, low_cpu_mem_usage=False)
        except (RuntimeError, KeyError, IndexError):
            raise ModelFileError(name, "its tensors do not fit this model's layers", "Download it again.") from None
        pipe.set_ip_adapter_scale(scale)
        yield {"ip_adapter_image_embeds": [picture.to(unet.device, unet.dtype)]}
    finally:
        unet.encoder_hid_proj = projection      # first: a "plus" projection has attention processors of its own
        unet.set_attn_processor(processors)
        unet.config.encoder_hid_dim_type = hidden_type
        if hasattr(pipe, "feature_extractor") and pipe.feature_extractor is not extractor:
            pipe.register_modules(feature_extractor=extractor)


def look(encoder: Any, pixels: Tensor, kind: Kind) -> Tensor:
    """What `ip_adapter` takes of pictures (n, 3, side, side), prepared as CLIP wants them: the empty picture's row first."""
    import torch

    with torch.no_grad():
        both = torch.cat([torch.zeros_like(pixels), pixels]).to(encoder.device, encoder.dtype)
        if kind.reads_patches:
            seen = encoder(both, output_hidden_states=True).hidden_states[-2]
            return seen.unflatten(0, (2, pixels.shape[0]))
        embeds = encoder(pixels.to(encoder.device, encoder.dtype)).image_embeds[None]
    return torch.cat([torch.zeros_like(embeds), embeds])
