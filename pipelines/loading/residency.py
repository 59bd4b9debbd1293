"""The one holder of weights: every task's pipeline is a light object over shared components.

Switching the task builds another pipeline over the same modules and copies nothing (never with `from_pipe`, which casts
the shared modules to float32: diffusers#12754). Switching the checkpoint loads what is missing and evicts what was used
longest ago.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from pipelines.families.family import Family
from pipelines.loading.compat import torch
from pipelines.loading.components import (
    component_bytes,
    load_module,
    load_tokenizer,
    load_vae_file,
    scheduler_config,
    vae_scaling,
    with_weights,
)
from pipelines.loading.device import Budget, Device
from pipelines.loading.folders import GENERIC_STEMS
from pipelines.loading.header import read_header
from pipelines.loading.latent_rgb import LatentRgb, latent_rgb
from pipelines.loading.library import AUTOMATIC, Library, ModelFile
from pipelines.loading.memory import with_others_away
from pipelines.loading.model_file import check_task
from pipelines.loading.store import Key, Store
from pipelines.loading.tiny_decoder import TinyDecoder, tiny_decoder
from pipelines.spec.errors import ModelFileError
from pipelines.spec.events import Emit, Stage

Glimpse = LatentRgb | TinyDecoder


class Residency:
    """Pipelines on demand; safe to call from several threads, though one worker per device is meant to run them."""

    def __init__(self, library: Library, device: Device, budget: Budget | None = None) -> None:
        self.library, self.device = library, device
        self._store = Store(device, budget or Budget.of_this_machine(device))
        self._tokenizers: dict[tuple[str, str], Any] = {}
        self._schedules: dict[str, dict[str, Any]] = {}
        self._glimpses: dict[Key, Glimpse] = {}
        self._lock = threading.RLock()

    def pipeline(self, task: str, model_name: str, vae_name: str = AUTOMATIC, emit: Emit | None = None) -> Any:
        """A diffusers pipeline for `task` ("txt2img", "img2img", "inpaint") over shared components, with its own scheduler.

        It is the family's text pipeline for every task: the others begin elsewhere (`tasks/begin.py`), and what works in one
        works in all.

        Raises FieldError (unknown model, VAE or task, a VAE that does not fit), ModelFileError (broken, gone, changed),
        OutOfMemory.
        """
        with self._lock:
            model = self.library.find(model_name)
            family = model.family
            check_task(model, task)
            vae = None if vae_name in ("", AUTOMATIC) else self.library.find_vae(vae_name)
            if vae is None and not model.detected.has_vae:
                raise ModelFileError(model.name, "it holds no VAE", "Choose one in the VAE field.")
            modules = with_others_away(lambda: self._modules(model, vae, emit), self.evict, self.device, emit)
            return self._assemble(family.pipelines["txt2img"], family, model, modules)

    def module(self, path: Path, component: str, load: Callable[[], torch.nn.Module], size: int,
               beside: Iterable[Any] = ()) -> torch.nn.Module:
        """One module that is no part of a checkpoint (an upscaler, a ControlNet), under the same budgets as all weights.

        `load()` reads it into main memory in `device.dtype`; it is called only when this version of the file, as this
        `component`, is not held. `size` is what it will take there, in bytes, and makes room before it is read; what is
        `beside` it in use (the components of a pipeline) does not give way. Under the policies that keep nothing on the
        device it stays in main memory: moving it is its user's part.
        Raises ModelFileError when the file is gone, and whatever `load` raises.
        """
        with self._lock:
            try:
                state = path.stat()
            except OSError:
                raise ModelFileError(path.stem, "it is no longer there", "Refresh the list of models.") from None
            key = Key(str(path), f"{state.st_size}:{state.st_mtime_ns}", component, self.device.dtype)
            used = {id(one) for one in beside}
            needed = [key, *(other for other, held in self._store.held() if id(held.module) in used and other != key)]
            if self._store.get(key) is None:
                self._forget_old_versions({key})
                self._store.make_room(needed, size)
                self._store.put(key, load(), path.parent.name if path.stem in GENERIC_STEMS else path.stem)
            self._store.make_room(needed, 0)
            self._store.bring([key])
            module = self._store.get(key)
            assert module is not None
            return module

    def forget(self, component: str, but: Collection[Path] = ()) -> None:
        """Drop what `module` holds as `component`, the files `but` apart: nobody asks for it any more."""
        with self._lock:
            kept = {str(path) for path in but}
            self._store.drop(lambda key: key.component == component and key.path not in kept)

    def family(self, model_name: str) -> Family:
        return self.library.find(model_name).family

    def schedule(self, model_name: str) -> Mapping[str, Any]:
        """The noise schedule the model was trained with: what `samplers.build` takes as `base_config`."""
        with self._lock:
            return dict(self._schedule(self.library.find(model_name)))

    def glimpse(self, pipe: Any) -> Glimpse:
        """Latents -> small preview, found or fitted once for the VAE of `pipe`."""
        with self._lock:
            key = next((k for k, held in self._store.held() if held.module is pipe.vae), None)
            if key is None:
                return latent_rgb(pipe.vae)
            if key not in self._glimpses:
                beside = Path(key.path)
                tiny = tiny_decoder(pipe.vae, beside, self.library.roots)
                self._glimpses[key] = tiny or latent_rgb(pipe.vae, beside / "latent_rgb.json")
            return self._glimpses[key]

    def evict(self) -> None:
        """Drop all weights."""
        with self._lock:
            self._store.drop(lambda key: True)
            self._glimpses.clear()

    def resident(self) -> list[tuple[str, str, int, bool]]:
        """(model, component, bytes, on the device) of everything held, least recently used first."""
        with self._lock:
            return [(held.model, key.component, held.bytes, held.on_device) for key, held in self._store.held()]

    @property
    def loads(self) -> int:
        """Components read from disk so far."""
        return self._store.loads

    @property
    def bytes_moved(self) -> int:
        """Bytes moved between device and main memory so far."""
        return self._store.bytes_moved

    def _modules(self, model: ModelFile, vae: ModelFile | None, emit: Emit | None) -> dict[str, torch.nn.Module]:
        sources = dict.fromkeys(with_weights(model), model)
        if vae is not None:
            sources["vae"] = vae
        dtype = self.device.dtype
        keys = {name: Key(str(file.path), file.version, name, dtype) for name, file in sources.items()}
        if vae is not None:     # one file serves families whose latents are scaled differently
            keys["vae"] = keys["vae"]._replace(component=f"vae for scaling {vae_scaling(model)}")
        missing = [name for name, key in keys.items() if self._store.get(key) is None]
        if missing:
            if emit is not None:
                emit(Stage(f"Loading {model.name}"))
            self._forget_old_versions({*keys.values()})
            header = None if model.is_folder else read_header(model.path, model.name)
            sizes = sum(vae.size if name == "vae" and vae is not None else component_bytes(model, name, dtype, header)
                        for name in missing)
            self._store.make_room(keys.values(), sizes)
        for name in missing:
            mapping = self.device.is_main_memory
            loaded = (load_vae_file(vae, model, dtype, mapping) if name == "vae" and vae is not None
                      else load_module(model, name, dtype, mapping, header))
            self._store.put(keys[name], loaded, sources[name].name)
        self._store.make_room(keys.values(), 0)
        self._store.bring(keys.values())
        return {name: module for name, key in keys.items() if (module := self._store.get(key)) is not None}

    def _forget_old_versions(self, wanted: set[Key]) -> None:
        """A file replaced on disk: its old weights will not be asked for again."""
        paths = {key.path: key.version for key in wanted}
        self._store.drop(lambda key: key.path in paths and key.version != paths[key.path])

    def _assemble(self, class_name: str, family: Family, model: ModelFile, modules: dict[str, torch.nn.Module]) -> Any:
        import diffusers

        config = self._schedule(model)
        scheduler = getattr(diffusers, config.get("_class_name", "EulerDiscreteScheduler"))
        parts: dict[str, Any] = {**modules, "scheduler": scheduler.from_config(config)}
        for encoder in family.encoders:
            parts[encoder.tokenizer] = self._tokenizer(model, encoder)
        if "requires_safety_checker" in family.pipeline_args:
            parts |= {"safety_checker": None, "feature_extractor": None}
        pipe = getattr(diffusers, class_name)(**parts, **family.pipeline_args)
        pipe.set_progress_bar_config(disable=True)
        apply_policy(pipe, self.device)
        return pipe

    def _tokenizer(self, model: ModelFile, encoder: Any) -> Any:
        where = f"{model.path}:{model.version}:{encoder.tokenizer}" if model.is_folder else model.family.name
        key = (where, encoder.padding)
        if key not in self._tokenizers:
            cache = self.library.cache or Path(gettempdir()) / "atelier-cache"
            self._tokenizers[key] = load_tokenizer(model, encoder, cache)
        return self._tokenizers[key]

    def _schedule(self, model: ModelFile) -> dict[str, Any]:
        key = f"{model.path}:{model.version}:{model.prediction}"
        if key not in self._schedules:
            self._schedules[key] = scheduler_config(model)
        return self._schedules[key]


def apply_policy(pipe: Any, device: Device) -> None:
    """Lay the device's memory policy over the pipeline. "normal" leaves the modules where `Store` put them."""
    policy = device.policy
    if policy.tile_vae:
        pipe.vae.enable_tiling()
        pipe.vae.enable_slicing()
    if policy.offload == "model":
        pipe.enable_model_cpu_offload(device=device.torch)
    elif policy.offload == "leaf":
        from diffusers.hooks import apply_group_offloading

        for module in (m for m in pipe.components.values() if isinstance(m, torch.nn.Module)):
            if not getattr(module, "_diffusers_hook", None):
                apply_group_offloading(module, onload_device=device.torch, offload_device=torch.device("cpu"),
                                       offload_type="leaf_level")
