"""What kind of file a header belongs to when it is no checkpoint of ours: LoRA, VAE, ControlNet … or another family.

Judged by tensor names alone. The tables are ordered: the first row that fits wins.
"""

from __future__ import annotations

import re

from pipelines.families.control import detect_control
from pipelines.families.family import UNET, Detected, Shapes
from pipelines.families.identity import detect_identity

# kind -> a pattern that one tensor name of such a file matches
KIND_PATTERNS = (
    ("ip-adapter", r"^(ip_adapter|image_proj|id_encoder|qformer_perceiver)\."),       # with LoRAs of its own inside
    ("lora", r"lora_(up|down|A|B)\.|\.lora\.(up|down)\.|^lora_(unet|te)|\.hada_w[12]|\.lokr_w[12]|\.dora_scale|_lora\."),
    ("motion module", r"motion_modules\."),
    ("controlnet", r"^control_model\.|^controlnet_cond_embedding\.|^input_hint_block\.|^zero_convs\.|^controlnet_"
                   r"|^adapter\.(body|conv_in)\.|^nested_model\.|^lllite_|^lora_controlnet$"
                   r"|^body\.\d+\.(block1|in_conv)\.|^body\.\d+\.(body|resnets)\.\d+\.block1\."),
    ("embedding", r"^(emb_params|clip_l|clip_g|string_to_param\..*)$|^<[^>]+>$"),
    ("upscaler", r"^(conv_first|conv_body|RRDB_trunk\.|trunk_conv|HRconv|conv_hr|body\.\d+\.(rdb|RDB|residual_group)"
                 r"|model\.0\.weight$|model\.1\.sub\.|layers\.\d+\.residual_group\.|patch_embed\.|params(_ema)?\.)"),
)
# other families' checkpoints, by a tensor only they have
OTHER_FAMILIES = (
    ("FLUX.2", r"single_stream_modulation\.lin"),
    ("FLUX", r"double_blocks\.\d+\.img_attn\."),
    ("Stable Diffusion 3", r"joint_blocks\.\d+\."),
    ("Stable Cascade", r"clip_txt_mapper|down_blocks\.\d+\.\d+\.channelwise"),
    ("AuraFlow", r"double_layers\.\d+\.attn\."),
    ("Lumina or Z-Image", r"cap_embedder\.0\."),
    ("Hunyuan", r"individual_token_refiner|text_embedding_padding"),
    ("PixArt", r"caption_projection|y_embedder\.y_embedding"),
    ("Sana", r"cross_attn\.q_linear"),
    ("Wan", r"(^|\.)head\.modulation"),
    ("Qwen-Image", r"txt_norm\.weight|txt_in\.text_norm"),
    ("LTX-Video", r"(^|\.)patchify_proj\."),
    ("Kandinsky", r"(^|\.)(encoder_hid_proj|add_embedding)\.(image|text)_"),
)
HOME = {        # kind -> (how it is called, the folder it belongs in)
    "checkpoint": ("a checkpoint", "models/Stable-diffusion"),
    "lora": ("a LoRA", "models/Lora"),
    "vae": ("a VAE", "models/VAE"),
    "controlnet": ("a ControlNet", "models/ControlNet"),
    "embedding": ("a textual inversion embedding", "embeddings"),
    "upscaler": ("an upscaler", "models/ESRGAN"),
    "text encoder": ("a text encoder", "models/text_encoder"),
    "unet": ("a UNet alone", "models/unet"),
    "ip-adapter": ("an IP-Adapter or PhotoMaker", "models/ipadapter"),
    "motion module": ("a motion module", "models/motion"),
}
SUPPORTED = "This version runs Stable Diffusion 1.x, 2.x and XL."
DETECTORS = {"controlnet": detect_control, "ip-adapter": detect_identity}


def classify(shapes: Shapes) -> Detected:
    """The kind of a file that no family claimed. Never None: an unknown file is kind "other" with a problem."""
    names = "\n".join(shapes)
    for label, pattern in OTHER_FAMILIES:
        if re.search(pattern, names, re.MULTILINE) and not _is("lora", names):
            return Detected("checkpoint", problem=f"this is a {label} model, which this version cannot run", fix=SUPPORTED)
    for kind, pattern in KIND_PATTERNS:
        if re.search(pattern, names, re.MULTILINE):
            return DETECTORS[kind](shapes) if kind in DETECTORS else Detected(kind)
    if re.search(rf"^{re.escape(UNET)}", names, re.MULTILINE):
        return _bare_unet()
    if re.search(r"(^|\.)decoder\.conv_in\.", names, re.MULTILINE) and re.search(r"(^|\.)decoder\.conv_out\.", names, re.MULTILINE):
        return Detected("vae")
    if re.search(r"^(down_blocks|input_blocks|time_embedding|time_embed)\.", names, re.MULTILINE):
        return _bare_unet()
    if re.search(r"(^|\.)(text_model|resblocks|token_embedding|shared)\b", names, re.MULTILINE):
        return Detected("text encoder")
    return Detected("other", problem="it is no model that this version knows", fix=SUPPORTED)


def misplaced(found: Detected, expected: str) -> str:
    """Why a file of kind `found` does not belong into a folder for `expected`; "" when it does."""
    if found.kind == expected or found.kind not in HOME:
        return ""
    return f"this looks like {HOME[found.kind][0]}"


def home(found: Detected) -> str:
    """What to do with a misplaced file."""
    return f"Move it to {HOME[found.kind][1]}."


def _is(kind: str, names: str) -> bool:
    return re.search(dict(KIND_PATTERNS)[kind], names, re.MULTILINE) is not None


def _bare_unet() -> Detected:
    return Detected("unet", problem="it holds a UNet without a text encoder this version knows", fix="Use a full checkpoint.")
