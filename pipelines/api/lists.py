"""What the studio has, as AUTOMATIC1111 lists it. Names only: no list tells a folder of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelines.loading.controls import controls
from pipelines.loading.loras import embeddings as embedding_files
from pipelines.loading.loras import vectors_of
from pipelines.preprocess import CONTROL_TYPES, of_type
from pipelines.preprocess import ROWS as PREPROCESSORS
from pipelines.samplers import SAMPLERS, SCHEDULES
from pipelines.tasks.enlarge import LATENT

if TYPE_CHECKING:
    from pipelines.loading.library import ModelFile
    from pipelines.studio import Studio

FLAGS = ("listen", "share", "offline", "medvram", "lowvram", "device", "precision", "api")     # never a folder or a password


def samplers(_: Studio) -> list[dict[str, Any]]:
    return [{"name": row.name, "aliases": list(row.aliases), "options": {}} for row in SAMPLERS if not row.broken]


def schedulers(_: Studio) -> list[dict[str, Any]]:
    return [{"name": row.name.lower().replace(" ", "_"), "label": row.name, "aliases": list(row.aliases), "default_rho": -1,
             "need_inner_model": False} for row in SCHEDULES if not row.broken]


def sd_models(studio: Studio) -> list[dict[str, Any]]:
    return [{"title": file.title, "model_name": file.name, "hash": digest(file)[:10] or None, "sha256": digest(file) or None,
             "filename": file.path.name, "config": None} for file in studio.library.models()]


def digest(file: ModelFile) -> str:
    """Its sha256 where it is known already: a list must not read gigabytes."""
    return file.facts.known_sha256(file.weights, file.version)


def sd_vae(studio: Studio) -> list[dict[str, Any]]:
    return [{"model_name": file.name, "filename": file.path.name} for file in studio.library.vaes()]


def loras(studio: Studio) -> list[dict[str, Any]]:
    return [{"name": file.name, "alias": file.name, "path": file.path.name, "metadata": {}}
            for file in studio.library.of_kind("lora")]


def embeddings(studio: Studio) -> dict[str, Any]:
    names = embedding_files(studio.library)
    return {"loaded": {name: {"step": None, "sd_checkpoint": None, "sd_checkpoint_name": None, "shape": None,
                              "vectors": vectors_of(name, studio.library).get(name, 1)} for name in names}, "skipped": {}}


def upscalers(studio: Studio) -> list[dict[str, Any]]:
    """`None` stands first, as clients expect it."""
    return [{"name": name, "model_name": None, "model_path": None, "model_url": None, "scale": scale or None}
            for name, scale in (("None", 1), *((one.name, one.scale) for one in studio.upscalers.all()))]


def latent_upscale_modes(_: Studio) -> list[dict[str, Any]]:
    return [{"name": name} for name in LATENT]


def face_restorers(studio: Studio) -> list[dict[str, Any]]:
    return [{"name": name, "cmd_dir": None} for name in studio.upscalers.restorers.names()]


def prompt_styles(studio: Studio) -> list[dict[str, Any]]:
    styles = map(studio.styles.get, studio.styles.names())
    return [{"name": one.name, "prompt": one.prompt, "negative_prompt": one.negative_prompt} for one in styles]


def scripts(_: Studio) -> dict[str, Any]:
    return {"txt2img": ["controlnet"], "img2img": ["controlnet"]}


def nothing(_: Studio) -> list[Any]:
    """Of what we have none."""
    return []


def cmd_flags(studio: Studio) -> dict[str, Any]:
    return {name: getattr(studio.settings, name) for name in FLAGS}


def memory(studio: Studio) -> dict[str, Any]:
    """Bytes. The device is asked only when a job has chosen it: before, asking would load torch."""
    import psutil

    now, device = psutil.virtual_memory(), studio.works_on.partition(" ")[0]
    cuda: dict[str, Any] = {"error": "unavailable"}
    if device.startswith("cuda"):
        import torch

        free, total = torch.cuda.mem_get_info(device)
        cuda = {"system": {"free": free, "used": total - free, "total": total}}
    return {"ram": {"free": now.available, "used": now.used, "total": now.total}, "cuda": cuda}


def controlnet_version(_: Studio) -> dict[str, Any]:
    return {"version": 3}


def controlnet_models(studio: Studio) -> dict[str, Any]:
    return {"model_list": [one.name for one in controls(studio.library)]}


def controlnet_modules(_: Studio) -> dict[str, Any]:
    return {"module_list": PREPROCESSORS.names(), "module_detail": {}}


def control_types(studio: Studio) -> dict[str, Any]:
    """Per type its preprocessors and control models; `All` has everything."""
    found = {}
    models = controls(studio.library)
    for name in ("All", *CONTROL_TYPES):
        modules = [row.name for row in of_type(name)]
        fitting = [one.name for one in models if name == "All" or one.control in ("", name)]
        own = [one.name for one in models if one.control == name]
        found[name] = {"module_list": modules, "model_list": ["None", *fitting], "default_model": own[0] if own else "None",
                       "default_option": next((module for module in modules if module != "none"), "none") if own else "none"}
    return {"control_types": found}
