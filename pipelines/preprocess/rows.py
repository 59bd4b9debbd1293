"""The preprocessors there are: one row each, named as in sd-webui-controlnet."""

from __future__ import annotations

from pipelines.preprocess.row import Option, Preprocessor, Weight
from pipelines.preprocess.sizes import LOOKED_AT
from pipelines.spec.param import Param
from pipelines.spec.registry import Registry

RESOLUTION = Param("Preprocessor resolution", "Pixels of the shorter side at which the picture is looked at.", "extra",
                   *LOOKED_AT, 8)
DEFAULT_RESOLUTION = 512


def number(key: str, label: str, help: str, limits: tuple[float, float, float], default: float) -> Option:
    """`limits`: minimum, maximum, step."""
    kind = int if isinstance(default, int) else float
    return Option(key, Param(label, help, "extra", *limits), kind, default)


ANNOTATORS = "lllyasviel/Annotators"
CMU = "CMU OpenPose: non-commercial research only"
HED = Weight("ControlNetHED.pth", 30, "Apache-2.0", ANNOTATORS)
PIDI = Weight("table5_pidinet.pth", 3, "PiDiNet: research; commercial use only with its authors' consent", ANNOTATORS)
SKETCH = Weight("sk_model.pth", 17, "MIT (informative-drawings)", ANNOTATORS)
COARSE = Weight("sk_model2.pth", 17, "MIT (informative-drawings)", ANNOTATORS)
ANIME = Weight("netG.pth", 218, "MIT (Anime2Sketch)", ANNOTATORS)
MIDAS = Weight("dpt_hybrid-midas-501f0c75.pt", 490, "MIT (MiDaS)", ANNOTATORS)
BAE = Weight("scannet.pt", 290, "MIT (surface_normal_uncertainty)", ANNOTATORS)
BODY = Weight("body_pose_model.pth", 209, CMU, ANNOTATORS)
HAND = Weight("hand_pose_model.pth", 147, CMU, ANNOTATORS)
FACE = Weight("facenet.pth", 154, CMU, ANNOTATORS)
MLSD = Weight("mlsd_large_512_fp32.pth", 7, "Apache-2.0 (MLSD)", ANNOTATORS)
DEPTH_ANYTHING = Weight("depth-anything-small-hf", 99, "Apache-2.0", "LiheYoung/depth-anything-small-hf")
DEPTH_ANYTHING_2 = Weight("Depth-Anything-V2-Small-hf", 99, "Apache-2.0", "depth-anything/Depth-Anything-V2-Small-hf")
MINI = Weight("mini-estimators.safetensors", 2, "Apache-2.0", "models/mini/estimators of this studio")
DPT = Weight("dpt-large", 1370, "Apache-2.0", "Intel/dpt-large")

LOW = number("low", "Canny low threshold", "Edges weaker than this are dropped.", (1, 255, 1), 100)
HIGH = number("high", "Canny high threshold", "Edges stronger than this are kept, and what hangs on them.", (1, 255, 1), 200)
GAMMA = number("gamma", "Gamma correction", "Above 1 darkens the middle tones.", (0.1, 2, 0.001), 1.0)

ROWS: Registry[Preprocessor] = Registry("Preprocessor", (
    Preprocessor("none", "None: the picture is already a condition", "", "none", detects=False),
    Preprocessor("canny", "Canny edges", "Canny", "canny", (LOW, HIGH), seeks="edges"),

    Preprocessor("depth_midas", "Depth (MiDaS)", "Depth", "midas", weights=(MIDAS,), seeks="depth", aliases=("depth",)),
    Preprocessor("depth_anything", "Depth Anything", "Depth", "depth", weights=(DEPTH_ANYTHING,), seeks="depth"),
    Preprocessor("depth_anything_v2", "Depth Anything V2", "Depth", "depth", weights=(DEPTH_ANYTHING_2,), seeks="depth"),
    Preprocessor("depth_dpt", "Depth (DPT large)", "Depth", "depth", weights=(DPT,), seeks="depth"),

    Preprocessor("mini_depth", "mini depth (knows the picture-book world only)", "Depth", "picture_book", weights=(MINI,),
                 fixed={"part": "depth"}, seeks="depth"),

    Preprocessor("normal_bae", "Normals (BAE)", "NormalMap", "bae", weights=(BAE,)),
    Preprocessor("normal_midas", "Normals from MiDaS depth", "NormalMap", "midas", (
        number("background", "Background threshold", "What is farther than this has no slope.", (0, 1, 0.01), 0.4),),
        (MIDAS,), {"normal": True}, aliases=("normal_map",)),

    Preprocessor("mini_normal", "mini normals (knows the picture-book world only)", "NormalMap", "picture_book",
                 weights=(MINI,), fixed={"part": "normal"}),

    Preprocessor("openpose", "OpenPose body", "OpenPose", "openpose", weights=(BODY,), seeks="people"),
    Preprocessor("openpose_hand", "OpenPose body and hands", "OpenPose", "openpose", (), (BODY, HAND), {"hand": True},
                 seeks="people"),
    Preprocessor("openpose_face", "OpenPose body and face", "OpenPose", "openpose", (), (BODY, FACE), {"face": True},
                 seeks="people"),
    Preprocessor("openpose_full", "OpenPose body, hands and face", "OpenPose", "openpose", (), (BODY, HAND, FACE),
                 {"hand": True, "face": True}, seeks="people"),

    Preprocessor("mini_pose", "mini pose: one person (knows the picture-book world only)", "OpenPose", "picture_book",
                 weights=(MINI,), fixed={"part": "pose"}, seeks="people"),

    Preprocessor("mlsd", "Straight lines (MLSD)", "MLSD", "mlsd", (
        number("value", "MLSD value threshold", "Higher finds fewer lines.", (0.01, 2, 0.01), 0.1),
        number("distance", "MLSD distance threshold", "Higher drops shorter lines.", (0.01, 20, 0.01), 0.1)), (MLSD,),
        seeks="lines"),

    Preprocessor("lineart_standard", "Lines without weights", "Lineart", "lineart_standard", seeks="lines",
                 aliases=("lineart_standard (from white bg & black line)",)),
    Preprocessor("lineart_realistic", "Lines (realistic)", "Lineart", "lineart", weights=(SKETCH,), aliases=("lineart",)),
    Preprocessor("lineart_coarse", "Lines (coarse)", "Lineart", "lineart", weights=(COARSE,)),
    Preprocessor("lineart_anime", "Lines (anime)", "Lineart", "lineart_anime", weights=(ANIME,)),
    Preprocessor("invert", "Invert (from white background and black lines)", "Lineart", "invert", detects=False,
                 aliases=("invert (from white bg & black line)",)),

    Preprocessor("softedge_hed", "Soft edges (HED)", "SoftEdge", "hed", weights=(HED,), aliases=("hed",)),
    Preprocessor("softedge_hedsafe", "Soft edges (HED, few levels)", "SoftEdge", "hed", (), (HED,), {"safe": True},
                 aliases=("hed_safe",)),
    Preprocessor("softedge_pidinet", "Soft edges (PiDiNet)", "SoftEdge", "pidinet", weights=(PIDI,), aliases=("pidinet",)),
    Preprocessor("softedge_pidisafe", "Soft edges (PiDiNet, few levels)", "SoftEdge", "pidinet", (), (PIDI,), {"safe": True},
                 aliases=("pidinet_safe",)),

    Preprocessor("scribble_xdog", "Scribble (XDoG)", "Scribble", "xdog", (
        number("threshold", "XDoG threshold", "Lower draws more.", (1, 64, 1), 32),), seeks="lines"),
    Preprocessor("scribble_hed", "Scribble (HED)", "Scribble", "hed", (), (HED,), {"scribble": True}, seeks="lines"),
    Preprocessor("scribble_pidinet", "Scribble (PiDiNet)", "Scribble", "pidinet", (), (PIDI,), {"scribble": True},
                 seeks="lines", aliases=("pidinet_scribble",)),
    Preprocessor("mini_sketch", "mini outlines (knows the picture-book world only)", "Scribble", "picture_book",
                 weights=(MINI,), fixed={"part": "sketch"}, seeks="lines"),
    Preprocessor("threshold", "Black and white by brightness", "Scribble", "threshold", (
        number("threshold", "Binarization threshold", "Brighter than this is white.", (0, 255, 1), 127),),
        seeks="border between bright and dark"),

    Preprocessor("shuffle", "Shuffle the content", "Shuffle", "shuffle", (
        number("seed", "Shuffle seed", "Another seed is another disorder.", (0, 2**32 - 1, 1), 0),)),
    Preprocessor("tile_resample", "Tile: coarser by a factor", "Tile", "tile", (
        number("factor", "Down sampling rate", "1 keeps the picture.", (1, 8, 0.01), 1.0),), detects=False),
    Preprocessor("blur_gaussian", "Blur", "Tile", "blur", (
        number("sigma", "Sigma", "Pixels of the blur.", (1, 64, 0.01), 9.0),), aliases=("blur",)),
    Preprocessor("recolor_luminance", "Lightness alone", "Recolor", "luminance", (GAMMA,), detects=False, aliases=("recolor",)),
    Preprocessor("recolor_intensity", "Brightest channel alone", "Recolor", "intensity", (GAMMA,), detects=False),
))
CONTROL_TYPES = tuple(dict.fromkeys(row.control for row in ROWS if row.control))


def of_type(control: str) -> list[Preprocessor]:
    """`none` and the rows of a control type; all of them for "" and "All"."""
    return [row for row in ROWS if control in ("", "All") or row.control in ("", control)]
