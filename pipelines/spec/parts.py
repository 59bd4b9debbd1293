"""The parts of a request: groups of fields that are on when they are there. An absent part (`None`) means: off.

Like `request.py` this room knows no torch, no file and no list of models: whoever owns such a list checks names against it.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from pipelines.spec.param import Param, kind_of, param_of

RANDOM_SEED = -1
LAST_SEED = 2**32 - 1
PROMPT_LIMIT = 100_000      # characters; a prompt of that length is already 300 chunks
SAME = ""                   # in a second pass: as in the first

RESIZE_MODES = ("Just resize", "Crop and resize", "Resize and fill", "Just resize (latent upscale)")
MASK_MODES = ("Inpaint masked", "Inpaint not masked")
MASKED_CONTENTS = ("fill", "original", "latent noise", "latent nothing")
INPAINT_AREAS = ("Whole picture", "Only masked")
EMPHASES = ("Original", "No norm", "Ignore", "None")
LOOP_CURVES = ("Linear", "Aggressive", "Lazy")
TILINGS = ("Blended", "Feathered", "Separate")
TILE_ORDERS = ("Linear", "Chess")
SEAM_FIXES = ("None", "Band", "Half tile", "Half tile + intersections")
CONTROL_MODES = BALANCED, PROMPT_LEADS, CONTROL_LEADS = "Balanced", "My prompt is more important", "ControlNet is more important"
CONTROL_RESIZES = ("Just Resize", "Crop and Resize", "Resize and Fill")
UNITS = 10                  # ControlNet units of one request: as many as sd-webui-controlnet allows
HR_OPTIONS = ("Both", "Low res only", "High res only")
SKETCH_WAYS = ("Automatic", "ControlNet", "Guidance predictor", "Colour refinement", "Three branches")


class Part(BaseModel):
    """A frozen group of fields; every declared field is checked by its own declaration first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _declared_range(cls, value: Any, info: ValidationInfo) -> Any:
        param = param_of(cls, info.field_name or "")
        return value if param is None else param.check(value, kind_of(cls, info.field_name or ""))


class Init(Part):
    """The picture to start from: img2img, and with `inpaint` a part of it."""

    image: Annotated[str, Param("Picture", "The picture to start from.", "image", picture=True)] = ""
    strokes: Annotated[str, Param(
        "Painted over", "Colours laid over the picture before painting begins; see-through elsewhere.", "image", picture=True)] = ""
    denoising_strength: Annotated[float, Param(
        "Denoising strength", "How far the result may leave the picture: 0 keeps it, 0.3-0.6 changes details, 1 paints a new one.",
        "image", 0, 1, 0.01, infotext="Denoising strength")
    ] = 0.75
    resize_mode: Annotated[str, Param(
        "Resize mode", "What happens when the picture has another shape: stretch it, crop it, fill the sides, or stretch its "
        "latents.", "image", choices=RESIZE_MODES,
        infotext="Resize mode")] = "Crop and resize"
    exact_steps: Annotated[bool, Param(
        "Exact steps", "Run all the steps, however low the denoising strength; else steps × strength of them.", "image",
        infotext="Exact steps")] = False
    color_correction: Annotated[bool, Param(
        "Colour correction", "Give the result the colours of the picture it started from.", "image",
        infotext="Color correction")] = False


class Inpaint(Part):
    """Which part of `init.image` is painted anew, and how it is joined to the rest."""

    mask: Annotated[str, Param("Mask", "White is painted anew, black is kept.", "inpaint", picture=True)] = ""
    mask_blur: Annotated[int, Param(
        "Mask blur", "How wide the soft edge between new and old is, in pixels; more hides the seam.",
        "inpaint", 0, 64, 1, infotext="Mask blur")] = 4
    mask_grow: Annotated[int, Param(
        "Grow mask", "Pixels the mask grows by; negative shrinks it.", "inpaint", -64, 64, 1, infotext="Mask grow")] = 0
    mask_mode: Annotated[str, Param(
        "Mask mode", "Whether the masked part is painted anew or all the rest.", "inpaint", choices=MASK_MODES,
        infotext="Mask mode")] = "Inpaint masked"
    masked_content: Annotated[str, Param(
        "Masked content", "What stands under the mask when painting begins: its surrounding colours (fill), the picture as it was "
        "(original), noise or nothing.", "inpaint", choices=MASKED_CONTENTS,
        infotext="Masked content")] = "original"
    area: Annotated[str, Param(
        "Inpaint area", "Paint in the whole picture, or only around the mask at full resolution.", "inpaint",
        choices=INPAINT_AREAS, infotext="Inpaint area")] = "Whole picture"
    padding: Annotated[int, Param(
        "Only masked padding", "With 'Only masked': how many pixels around the mask the model sees, so that the new part fits in.",
        "inpaint", 0, 256, 4,
        infotext="Masked area padding")] = 32
    soft: Annotated[bool, Param(
        "Soft inpainting", "A grey mask changes the picture less (differential diffusion, arXiv 2306.00950).", "inpaint",
        infotext="Soft inpainting enabled")] = False
    seam_strength: Annotated[float, Param(
        "Coherence pass", "Denoising strength of a second, short pass over the seam; 0 is off.", "inpaint", 0, 1, 0.05,
        infotext="Coherence pass")] = 0.0
    seam_width: Annotated[int, Param(
        "Coherence width", "Pixels on both sides of the mask's edge that the second pass paints.", "inpaint", 8, 128, 8,
        infotext="Coherence width")] = 24


class Outpaint(Part):
    """Pixels added at each side of `init.image` and painted to continue it. Width and height follow the new frame."""

    left: Annotated[int, Param(
        "Outpaint left", "How many pixels to paint on at the left side.", "outpaint", 0, 1024, 8, infotext="Outpaint left")] = 0
    right: Annotated[int, Param(
        "Outpaint right", "How many pixels to paint on at the right side.", "outpaint", 0, 1024, 8, infotext="Outpaint right")] = 0
    top: Annotated[int, Param(
        "Outpaint top", "How many pixels to paint on above.", "outpaint", 0, 1024, 8, infotext="Outpaint top")] = 0
    bottom: Annotated[int, Param(
        "Outpaint bottom", "How many pixels to paint on below.", "outpaint", 0, 1024, 8, infotext="Outpaint bottom")] = 0

    @property
    def any(self) -> bool:
        return any((self.left, self.right, self.top, self.bottom))


class Loopback(Part):
    """Each result is the start of the next. The denoising strength goes from the first loop's to another one along a curve."""

    loops: Annotated[int, Param("Loops", "How many pictures in a row, each made from the one before; 1 is off.", "image", 1, 32, 1)
                     ] = 1
    final_denoising_strength: Annotated[float, Param(
        "Final denoising strength", "That of the last loop; the first has the denoising strength.", "image", 0, 1, 0.01)] = 0.5
    curve: Annotated[str, Param(
        "Denoising strength curve", "How the strength goes from the first loop's to the last one's: Linear evenly, Aggressive "
        "changes early, Lazy late.", "image", choices=LOOP_CURVES)] = "Linear"


class Variation(Part):
    """A second noise mixed into the first: similar pictures. Slerp between the noise of `seed` and this seed's."""

    seed: Annotated[int, Param(
        "Variation seed", "The number of a second noise that is mixed in for similar pictures; -1 draws one.",
        "seed", RANDOM_SEED, LAST_SEED, 1, infotext="Variation seed")
    ] = RANDOM_SEED
    strength: Annotated[float, Param(
        "Variation strength", "How much of the second noise is mixed in: 0 is the seed's own picture, 0.1 a close relative, 1 "
        "another picture.", "seed", 0, 1, 0.01,
        infotext="Variation seed strength")] = 0.0


class Hires(Part):
    """A second pass over the enlarged picture ("hires fix"). Zero or nothing in a field means: as in the first pass."""

    scale: Annotated[float, Param(
        "Hires upscale", "How many times larger the second pass is.", "hires", 1, 8, 0.05, infotext="Hires upscale")] = 2.0
    width: Annotated[int, Param(
        "Hires width", "Final width in pixels; 0 takes the factor instead.", "hires", 0, 8192, 8, multiple=True)] = 0
    height: Annotated[int, Param(
        "Hires height", "Final height in pixels; 0 takes the factor instead.", "hires", 0, 8192, 8, multiple=True)] = 0
    upscaler: Annotated[str, Param(
        "Hires upscaler", "What makes the first picture larger; Automatic takes the model family's own.", "hires",
        source="hires_upscalers", infotext="Hires upscaler", max_length=200)] = "Automatic"
    steps: Annotated[int, Param(
        "Hires steps", "Steps of the second pass that are really run; 0 as many as the first.", "hires", 0, 150, 1,
        infotext="Hires steps")] = 0
    denoising_strength: Annotated[float, Param(
        "Hires denoising strength", "How much the second pass paints anew: 0.2-0.4 adds detail, more invents; 0 keeps the "
        "enlarged picture.", "hires", 0, 1, 0.01)] = 0.3
    sampler: Annotated[str, Param(
        "Hires sampler", "The sampler of the second pass; empty: as in the first.",
        "hires", source="samplers", infotext="Hires sampler", max_length=80)
    ] = SAME
    schedule: Annotated[str, Param(
        "Hires schedule type", "The schedule of the second pass; empty: as in the first.",
        "hires", source="schedules", infotext="Hires schedule type",
        max_length=80)] = SAME
    cfg_scale: Annotated[float, Param(
        "Hires CFG scale", "The CFG scale of the second pass; 0: as in the first.",
        "hires", 0, 30, 0.5, infotext="Hires CFG Scale")] = 0.0
    model: Annotated[str, Param(
        "Hires model", "Another checkpoint for the second pass; empty: the first pass's.",
        "hires", source="models", infotext="Hires checkpoint", cost=1.0,
        max_length=500)] = SAME
    prompt: Annotated[str, Param(
        "Hires prompt", "Another prompt for the second pass; empty: as in the first.",
        "hires", infotext="Hires prompt", max_length=PROMPT_LIMIT)] = SAME
    negative_prompt: Annotated[str, Param(
        "Hires negative prompt", "Another negative prompt for the second pass; empty: as in the first.",
        "hires", infotext="Hires negative prompt",
        max_length=PROMPT_LIMIT)] = SAME


class Detailer(Part):
    """Faces of the finished picture, painted again larger and laid back at their place. Zero or nothing: as the picture was.

    The keys are those of the ADetailer extension.
    """

    denoising_strength: Annotated[float, Param(
        "Detailer denoising strength", "How far a face is left: 0 keeps it, 1 paints a new one.", "detailer", 0, 1, 0.01,
        infotext="ADetailer denoising strength")] = 0.4
    padding: Annotated[int, Param(
        "Detailer padding", "Pixels around a face that are looked at with it; 0 takes as many as suit it.", "detailer", 0, 256, 4,
        infotext="ADetailer inpaint padding")] = 0
    mask_blur: Annotated[int, Param(
        "Detailer mask blur", "Width of the soft edge by which a face is laid back, pixels.", "detailer", 0, 64, 1,
        infotext="ADetailer mask blur")] = 4
    most: Annotated[int, Param(
        "Most faces", "The largest so many are painted; 0 is all of them.", "detailer", 0, 20, 1,
        infotext="ADetailer mask only top k")] = 0
    smallest: Annotated[float, Param(
        "Smallest face", "Share of the picture's area; a smaller face is left as it is.", "detailer", 0, 0.2, 0.001,
        infotext="ADetailer mask min ratio")] = 0.0
    steps: Annotated[int, Param(
        "Detailer steps", "Of them steps × strength are run; 0 as many as the picture has.", "detailer", 0, 150, 1,
        infotext="ADetailer steps")] = 0
    cfg_scale: Annotated[float, Param(
        "Detailer CFG scale", "0: as the picture's.", "detailer", 0, 30, 0.5, infotext="ADetailer CFG scale")] = 0.0
    prompt: Annotated[str, Param(
        "Detailer prompt", "Empty: the picture's own. [SEP] parts the words of several faces, from left to right.", "detailer",
        infotext="ADetailer prompt", max_length=PROMPT_LIMIT)] = ""
    negative_prompt: Annotated[str, Param(
        "Detailer negative prompt", "Empty: the picture's own. [SEP] as in the prompt.", "detailer",
        infotext="ADetailer negative prompt", max_length=PROMPT_LIMIT)] = ""


class Tiled(Part):
    """`init.image` enlarged and painted again in overlapping tiles, with memory that does not grow with the picture."""

    scale: Annotated[float, Param(
        "Upscale by", "How many times larger the picture becomes.", "tiled", 1, 8, 0.05, infotext="Tiled upscale")] = 2.0
    width: Annotated[int, Param("Upscaled width", "Final width in pixels; 0 takes the factor instead.", "tiled", 0, 16384, 1)] = 0
    height: Annotated[int, Param(
        "Upscaled height", "Final height in pixels; 0 takes the factor instead.", "tiled", 0, 16384, 1)] = 0
    upscaler: Annotated[str, Param(
        "Upscaler", "What makes the picture larger before it is painted.", "tiled", source="upscalers",
        infotext="Ultimate SD upscale upscaler", max_length=200)
    ] = "Automatic"
    method: Annotated[str, Param(
        "Tiling", "Blended: all tiles at once, joined at every step. Separate: one after another, as Ultimate SD Upscale.",
        "tiled", choices=TILINGS, infotext="Tiled method")] = "Blended"
    tile: Annotated[int, Param(
        "Tile size", "Pixels; 0 takes the size the model was trained on.", "tiled", 0, 2048, 8, multiple=True,
        infotext="Ultimate SD upscale tile_width")] = 0
    padding: Annotated[int, Param(
        "Tile padding", "How many pixels of its neighbours a tile sees; more joins better and takes longer.", "tiled", 0, 256, 8,
                                  infotext="Ultimate SD upscale padding")] = 32
    mask_blur: Annotated[int, Param("Tile mask blur", "Width of the soft edge of a separate tile.", "tiled", 0, 64, 1,
                                    infotext="Ultimate SD upscale mask_blur")] = 8
    order: Annotated[str, Param("Tile order", "In which separate tiles are painted.", "tiled", choices=TILE_ORDERS)] = "Linear"
    seam_fix: Annotated[str, Param("Seam fix", "A second pass over the borders of separate tiles.", "tiled",
                                   choices=SEAM_FIXES, infotext="Tiled seam fix")] = "None"
    seam_denoising_strength: Annotated[float, Param(
        "Seam denoising strength", "How much a seam is painted anew.", "tiled", 0, 1, 0.01)] = 0.35
    seam_width: Annotated[int, Param(
        "Seam band width", "How wide the band over a border is that is painted again, in pixels.", "tiled", 8, 256, 8)] = 64


class ControlUnit(Part):
    """One condition that steers the composition: a ControlNet or T2I-Adapter and the picture it is shown."""

    image: Annotated[str, Param("Control picture", "Empty: the picture the request starts from.", "control", picture=True)] = ""
    mask: Annotated[str, Param("Effective region", "White is steered, black is free; empty: all.", "control", picture=True)] = ""
    preprocessor: Annotated[str, Param(
        "Preprocessor", "What makes the condition of the picture; none: the picture is a condition already.", "control",
        source="preprocessors", max_length=80)] = "none"
    model: Annotated[str, Param("Control model", "Which ControlNet reads the condition.", "control", source="control_models",
                                max_length=500)] = ""
    weight: Annotated[float, Param(
        "Control weight", "How strongly the condition steers the picture: 1 is usual, 0 off.", "control", 0, 2, 0.05)] = 1.0
    start: Annotated[float, Param(
        "Control start", "From which share of the steps on it steers: 0 is from the beginning.", "control", 0, 1, 0.01)] = 0.0
    end: Annotated[float, Param(
        "Control end", "At which share of the steps it lets go: 1 is the end, 0.6 leaves the details to the prompt.",
        "control", 0, 1, 0.01)] = 1.0
    control_mode: Annotated[str, Param("Control mode", "Which gives way where prompt and condition disagree.", "control",
                                       choices=CONTROL_MODES)] = BALANCED
    resize_mode: Annotated[str, Param("Resize mode", "How the picture comes to the size that is painted.", "control",
                                      choices=CONTROL_RESIZES)] = "Crop and Resize"
    hr_option: Annotated[str, Param("Hires option", "Which pass it steers where there is a second one (hires fix).", "control",
                                    choices=HR_OPTIONS)] = "Both"
    pixel_perfect: Annotated[bool, Param(
        "Pixel perfect", "The preprocessor works at the size that is painted, so nothing has to be set by hand.", "control")] = True
    resolution: Annotated[int, Param(
        "Preprocessor resolution", "How finely the preprocessor looks: pixels of the picture's shorter side.",
        "control", 64, 2048, 8)] = 512
    threshold_a: Annotated[float, Param("Threshold A", "First parameter of the preprocessor; -1: its own default.", "control",
                                        -1, 2048, 0.01)] = -1.0
    threshold_b: Annotated[float, Param("Threshold B", "Second parameter of the preprocessor; -1: its own default.", "control",
                                        -1, 2048, 0.01)] = -1.0

    def steers(self, second: bool) -> bool:
        """Whether it has a part in the first, or the second, of two passes."""
        return self.hr_option != HR_OPTIONS[1 if second else 2]


class Identity(Part):
    """The likeness of a person on photos, by PhotoMaker or an IP-Adapter."""

    photos: Annotated[tuple[str, ...], Param("Photos", "One or more photos of the person.", "identity", picture=True)] = ()
    adapter: Annotated[str, Param(
        "Identity adapter", "Which file knows faces; Automatic takes the one that fits the model.", "identity",
        source="identity_adapters", max_length=500)] = "Automatic"
    style_strength: Annotated[int, Param(
        "Style strength", "Per cent of the steps that follow the words alone before the likeness begins.", "identity", 0, 100, 1)
    ] = 20
    strength: Annotated[float, Param(
        "Identity strength", "How strongly the face is followed: 1 as trained, 0 off; above 1 alike but stiffer.",
        "identity", 0, 1.5, 0.05)] = 1.0
    vectors: Annotated[tuple[str, ...], Param(
        "Face vectors", "For PhotoMaker v2: of every photo 512 numbers, float32 in base64.", "identity", max_length=3000)] = ()


class Sketch(Part):
    """A drawing that the picture follows: its lines, its colours, or both."""

    lines: Annotated[str, Param("Sketch", "Lines, dark on light or light on dark.", "sketch", picture=True)] = ""
    strokes: Annotated[str, Param("Colour strokes", "Where which colour is wanted.", "sketch", picture=True)] = ""
    way: Annotated[str, Param("Way", "How the drawing is followed; Automatic takes what the model family has.", "sketch",
                              choices=SKETCH_WAYS)] = "Automatic"
    faithfulness: Annotated[float, Param(
        "Faithfulness to the sketch", "How closely the lines are followed: 0 ignores them, 1 keeps to every one.",
        "sketch", 0, 1, 0.05)] = 0.8
    stroke_faithfulness: Annotated[float, Param(
        "Faithfulness to the colours", "How closely the coloured strokes are followed: 0 ignores them.",
        "sketch", 0, 1, 0.05)] = 0.5
    realism: Annotated[float, Param("Realism", "0 keeps the hand of the drawing, 1 lets the model go its way.", "sketch", 0, 1,
                                    0.05)] = 0.4
