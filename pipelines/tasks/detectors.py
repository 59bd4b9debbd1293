"""The networks behind preprocessors: controlnet_aux's and transformers', built empty and filled from files on disk.

Each builder takes the paths of its row's weights and a device and gives a function: RGB pixels (H×W×3 bytes, both sides
multiples of 64) and values in, RGB or grey pixels of the same size out. Their own `from_pretrained` is never called, for it
asks a hub for what it does not find.
"""

from __future__ import annotations

import importlib
import types
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.loading.annotators import fill, read_state
from pipelines.loading.compat import torch
from pipelines.pose import Person, Point, Pose
from pipelines.spec.errors import ModelFileError

See = Callable[[Any, Mapping[str, Any]], Any]


def aux(room: str) -> Any:
    """controlnet_aux's module of that name; what its import says about packages we do not use is not for the user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(f"controlnet_aux.{room}")


def called(detector: Any, device: torch.device, **fixed: Any) -> See:
    """A detector as a function that neither resizes nor knows PIL. `fixed`: its argument for each of our values."""
    detector.to(device)

    def see(image: Any, values: Mapping[str, Any]) -> Any:
        size = min(image.shape[:2])
        return detector(image, detect_resolution=size, image_resolution=size, output_type="np",
                        **{theirs: values[ours] for theirs, ours in fixed.items() if ours in values})
    return see


def hed(paths: Sequence[Path], device: torch.device) -> See:
    room = aux("hed")
    return called(room.HEDdetector(fill(room.ControlNetHED_Apache2(), paths[0])), device, safe="safe", scribble="scribble")


def pidinet(paths: Sequence[Path], device: torch.device) -> See:
    network = fill(aux("pidi.model").pidinet(), paths[0])
    return called(aux("pidi").PidiNetDetector(network), device, safe="safe", scribble="scribble")


def lineart(paths: Sequence[Path], device: torch.device) -> See:
    """Realistic or coarse: one architecture, two files. White lines on black."""
    room = aux("lineart")
    network = fill(room.Generator(3, 1, 3), paths[0])
    return called(room.LineartDetector(network, network), device)


def lineart_anime(paths: Sequence[Path], device: torch.device) -> See:
    import functools

    room = aux("lineart_anime")
    norm = functools.partial(torch.nn.InstanceNorm2d, affine=False, track_running_stats=False)
    return called(room.LineartAnimeDetector(fill(room.UnetGenerator(3, 1, 8, 64, norm_layer=norm), paths[0])), device)


def mlsd(paths: Sequence[Path], device: torch.device) -> See:
    network = fill(aux("mlsd.models.mbv2_mlsd_large").MobileV2_MLSD_Large(), paths[0])
    return called(aux("mlsd").MLSDdetector(network), device, thr_v="value", thr_d="distance")


def midas(paths: Sequence[Path], device: torch.device) -> See:
    """Inverse depth: near is bright. With `normal`, normals from its slopes."""
    network = fill(aux("midas.midas.dpt_depth").DPTDepthModel(backbone="vitb_rn50_384", non_negative=True), paths[0])
    return seen_by_midas(aux("midas").MidasDetector(network.to(device)))


def seen_by_midas(detector: Any) -> See:
    def see(image: Any, values: Mapping[str, Any]) -> Any:
        size = min(image.shape[:2])
        with np.errstate(invalid="ignore"):     # an even depth is 0 / 0 there; the caller sees an empty result
            found = detector(image, bg_th=values.get("background", 0.4), depth_and_normal=bool(values.get("normal")),
                             detect_resolution=size, image_resolution=size, output_type="np")
        return found[1] if values.get("normal") else found
    return see


def bae(paths: Sequence[Path], device: torch.device) -> See:
    """Normals as (n + 1) / 2 in red, green, blue: the network's own x, y, z (Bae et al., arXiv 2109.09881)."""
    arguments = types.SimpleNamespace(mode="client", architecture="BN", pretrained="scannet", sampling_ratio=0.4,
                                      importance_ratio=0.7)
    network = fill(aux("normalbae.nets.NNET").NNET(arguments), paths[0])
    return called(aux("normalbae").NormalBaeDetector(network), device)


def depth(paths: Sequence[Path], device: torch.device) -> See:
    """DPT and Depth Anything by transformers: inverse depth, stretched over 0-255, near is bright."""
    from transformers import AutoModelForDepthEstimation

    folder = paths[0]
    code = next(iter(sorted(folder.rglob("*.py"))), None)
    if code is not None:
        raise ModelFileError(folder.name, "this folder brings its own program code, which is never run", f"Delete {code.name}.")
    try:
        network = AutoModelForDepthEstimation.from_pretrained(str(folder), local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ModelFileError(folder.name, "transformers cannot load it", "Copy the whole folder again.") from error
    return seen_by_depth(network.eval().to(device), device)


def seen_by_depth(network: Any, device: torch.device) -> See:
    import torch.nn.functional as F

    anything = network.config.model_type == "depth_anything"
    patch = getattr(network.config.backbone_config if anything else network.config, "patch_size", None) or 16
    mean, std = (([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]) if anything else ([0.5] * 3, [0.5] * 3))
    side = getattr(network.config, "image_size", None) or 384

    def see(image: Any, values: Mapping[str, Any]) -> Any:
        height, width = image.shape[:2]
        pixels = torch.from_numpy(image.copy()).to(device).float().permute(2, 0, 1)[None] / 255
        # Depth Anything takes any multiple of its patch; DPT knows one size by its position embedding.
        size = tuple(max(patch, round(v / patch) * patch) for v in (height, width)) if anything else (side, side)
        pixels = F.interpolate(pixels, size, mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
        pixels = (pixels - pixels.new_tensor(mean)[:, None, None]) / pixels.new_tensor(std)[:, None, None]
        with torch.no_grad():
            found = network(pixels).predicted_depth[:, None].float()
        found = F.interpolate(found, (height, width), mode="bicubic", align_corners=False)[0, 0]
        found = (found - found.min()) / (found.max() - found.min()).clamp(min=1e-6)
        return (found * 255).round().clamp(0, 255).byte().cpu().numpy()
    return see


def openpose(paths: Sequence[Path], device: torch.device) -> Callable[[Any, Mapping[str, Any]], Pose]:
    """People in a picture. `paths`: body, and hand or face for those that are asked for, known by their names."""
    room, body, hand, face = (aux(f"open_pose{part}") for part in ("", ".body", ".hand", ".face"))
    by_name = {path.stem: path for path in paths}
    parts = {"body_pose_model": (body.Body, room.body.bodypose_model), "hand_pose_model": (hand.Hand, hand.handpose_model)}
    estimators = {stem: _unloaded(kind, _transferred(network(), by_name[stem]), device)
                  for stem, (kind, network) in parts.items() if stem in by_name}
    faces = _face(face, by_name["facenet"], device) if "facenet" in by_name else None
    detector = room.OpenposeDetector(estimators["body_pose_model"], estimators.get("hand_pose_model"), faces)

    def see(image: Any, values: Mapping[str, Any]) -> Pose:
        found = detector.detect_poses(image, include_hand=bool(values.get("hand")), include_face=bool(values.get("face")))
        return pose_of(found, image.shape[1], image.shape[0])
    return see


def pose_of(found: Sequence[Any], width: int, height: int) -> Pose:
    """controlnet_aux's results, in fractions of the picture, as a pose in pixels; a point below 0 was not found."""
    def points(part: Any) -> tuple[Point | None, ...]:
        # Rounded as in pose/openpose.py, so that a whole pixel stays one.
        return tuple(Point(round(p.x * width, 6), round(p.y * height, 6)) if p is not None and p.x >= 0 and p.y >= 0 else None
                     for p in part or ())
    return Pose(tuple(Person(points(p.body.keypoints), _whole(points(p.left_hand), 21), _whole(points(p.right_hand), 21),
                             points(p.face)) for p in found), width, height)


def _whole(points: tuple[Point | None, ...], count: int) -> tuple[Point | None, ...]:
    return points if len(points) == count else ()


def _transferred(network: Any, path: Path) -> Any:
    """CMU's files name a layer without the block it stands in: `conv1_1.weight` for `model0.conv1_1.weight`."""
    state = read_state(path)
    if not set(network.state_dict()) <= set(state):
        try:
            state = {key: state[key.partition(".")[2]] for key in network.state_dict()}
        except KeyError as error:
            raise ModelFileError(path.name, "these are not the weights of this network", "Copy the right file.") from error
    return fill(network, path, state)


def _unloaded(kind: Any, network: Any, device: torch.device) -> Any:
    """An estimator around a network that is there already; its constructor would read a pickle by itself."""
    estimator = object.__new__(kind)
    estimator.model = network.to(device)
    return estimator


def _face(room: Any, path: Path, device: torch.device) -> Any:
    estimator = _unloaded(room.Face, fill(room.FaceNet(), path), device)
    estimator.inference_size, estimator.sigma, estimator.threshold = (
        room.params[key] for key in ("inference_img_size", "gaussian_sigma", "heatmap_peak_thresh"))
    return estimator


def picture_book(paths: Sequence[Path], device: torch.device) -> See:
    """Mini's own estimators: depth, normals, key points of one person, outlines, told apart by the value `part`."""
    from pipelines.tasks.picture_book import PictureBook, seer

    return seer(fill(PictureBook(), paths[0]), device)


BUILDERS: Mapping[str, Callable[[Sequence[Path], torch.device], Callable[[Any, Mapping[str, Any]], Any]]] = {
    f.__name__: f for f in (hed, pidinet, lineart, lineart_anime, mlsd, midas, bae, depth, openpose,
                               picture_book)}
