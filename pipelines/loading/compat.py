"""Import this before diffusers, transformers, peft or spandrel: it makes their import safe on mismatched wheels.

The only place where a foreign library is adjusted. Each entry names its reason and the version that ends it.

    entry              reason                                                             ends with
    environment        huggingface_hub reads HF_HUB_OFFLINE once, when it is imported     never (it is configuration)
    torchvision ops    the package index pairs a CUDA torchvision with a CPU torch; its   a torchvision whose wheel does
                       library does not load and `import torchvision`, and through it     not need the CUDA runtime, or a
                       transformers and all of diffusers, dies on `torchvision::nms`      guarded register_fake there
    functional_tensor  basicsr 1.4.2, and with it realesrgan, imports a torchvision module     a basicsr that imports from
                       removed in 0.17; only extensions/realesrgan asks for this entry   torchvision.transforms
    dtype chatter      diffusers 0.42 logs "There are modules in X that should be kept    a diffusers that does not log
                       in float32: []" on every `.to(dtype)`, with an empty list          for an empty list
"""

from __future__ import annotations

import importlib.util
import logging
import sys
from pathlib import Path
from types import ModuleType

from pipelines.loading.environment import prepare_environment

prepare_environment()

import torch  # noqa: E402  (the environment must stand first)

NMS = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def torchvision_library() -> Path | None:
    """The compiled operators of the installed torchvision, found without importing it."""
    spec = importlib.util.find_spec("torchvision")
    folders = (spec.submodule_search_locations or ()) if spec else ()
    return next((file for folder in folders for pattern in ("_C*.so", "_C*.pyd") for file in Path(folder).glob(pattern)),
                None)


def has_operator(name: str) -> bool:
    """Whether torch knows the operator `namespace::name`."""
    namespace, _, operator = name.partition("::")
    return hasattr(getattr(torch.ops, namespace), operator)


def declare_torchvision_ops() -> torch.library.Library | None:
    """Declare torchvision's two schemas when its own library cannot; the holder of the declaration, or None.

    A torchvision that fits its torch is loaded here and keeps its compiled operators. Otherwise `torchvision.ops.nms`
    raises when called, and everything written in Python works.
    """
    if importlib.util.find_spec("torchvision") is None:
        return None
    library = torchvision_library()
    if library is not None:
        try:
            torch.ops.load_library(str(library))
        except (OSError, RuntimeError):
            logging.getLogger(__name__).debug("torchvision's operators do not fit this torch", exc_info=True)
    missing = [name for name in ("nms", "qnms") if not has_operator(f"torchvision::{name}")]
    if not missing:
        return None
    holder = torch.library.Library("torchvision", "FRAGMENT")
    for name in missing:
        holder.define(f"{name}{NMS}")
    return holder


def provide_functional_tensor() -> None:
    """Put the one function that is asked of `torchvision.transforms.functional_tensor` under that name."""
    from torchvision.transforms.functional import rgb_to_grayscale

    name = "torchvision.transforms.functional_tensor"
    if name not in sys.modules:
        stand_in = ModuleType(name, "What basicsr imports from here; see compat.py.")
        stand_in.__dict__["rgb_to_grayscale"] = rgb_to_grayscale
        sys.modules[name] = stand_in


def without_empty_dtype_list(record: logging.LogRecord) -> bool:
    """A log filter: False for the line that names an empty list of modules."""
    return "should be kept in float32: []" not in record.getMessage()


TORCHVISION_OPS = declare_torchvision_ops()     # kept for the life of the process: a Library takes its ops with it
logging.getLogger("diffusers.models.modeling_utils").addFilter(without_empty_dtype_list)
