"""B4 and B5: what it costs to switch the checkpoint and the task. Figures in bytes are exact; seconds are CPU seconds."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.measure import Figure, cpu
from pipelines.settings import checked

FULL = {"prompt": "a cat", "width": 256, "height": 256}


def task_switch() -> list[Figure]:
    """B5: from text to image and back on one checkpoint."""
    from pipelines.loading.device import Device
    from pipelines.loading.library import Library
    from pipelines.loading.residency import Residency

    with tempfile.TemporaryDirectory() as folder:
        library = Library(checked({"data_dir": folder}).model_roots, Path(folder))
        library.scan()
        residency = Residency(library, Device.pick("cpu"))
        first = residency.pipeline("txt2img", "mini")
        tasks = [task for task in ("img2img", "inpaint", "txt2img") if task in residency.family("mini").pipelines]
        before, loads = residency.bytes_moved, residency.loads
        kinds = {name: (id(module), module.dtype) for name, module in modules(first).items()}
        seconds = []
        for task in tasks:
            residency.pipeline(task, "mini")
            seconds.append(min(cpu(lambda task=task: residency.pipeline(task, "mini")) for _ in range(5)))
            now = {n: (id(m), m.dtype) for n, m in modules(residency.pipeline(task, "mini")).items()}
            if now != kinds:
                raise RuntimeError(f"{task} has other modules than txt2img")
    return [
        Figure("B5", f"switch of the task ({', '.join(tasks)}), bytes copied", float(residency.bytes_moved - before), "B", 0),
        Figure("B5", "weights loaded again", float(residency.loads - loads), "", 0),
        Figure("B5", "time of the switch", max(seconds) * 1000, "ms", 5, {"ms": [s * 1000 for s in seconds]}),
    ]


def modules(pipe):  # type: ignore[no-untyped-def]
    return {name: part for name, part in pipe.components.items() if hasattr(part, "parameters")}


def checkpoint_switch(rounds: int = 4) -> list[Figure]:
    """B4: two random SD 1.5 checkpoints of true size (2.1 GB each), warm in the page cache, switched in turns."""
    import psutil

    from pipelines.loading.device import Budget, Device
    from pipelines.loading.library import Library
    from pipelines.loading.residency import Residency

    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / "models" / "checkpoints" / f"{name}.safetensors" for name in ("one", "two")]
        for seed, file in enumerate(files):
            write_full_size(file, seed)
        library = Library((Path(folder) / "models",), Path(folder) / "cache")
        library.scan()
        device = Device.pick("cpu", "fp16")
        size = files[0].stat().st_size
        residency = Residency(library, device, Budget(vram=size, ram=int(1.2 * size)))
        read = [min(cpu(file.read_bytes) for _ in range(3)) for file in files]
        for file in files:
            touched(residency.pipeline("txt2img", file.stem))
        memory, seconds = [], []
        for turn in range(2 * rounds):
            seconds.append(cpu(lambda turn=turn: touched(residency.pipeline("txt2img", files[turn % 2].stem))))
            memory.append(psutil.Process().memory_info().rss)
    return [
        Figure("B4", "warm switch of the checkpoint, CPU seconds over 2 × the raw read + 0.2 s",
               min(seconds) / (2 * min(read) + 0.2), "×", 1.0, {"switch": seconds, "raw_read": read, "bytes": size}),
        Figure("B4", "memory kept after 8 switches, in checkpoints", (memory[-1] - memory[0]) / size, "", 1.0),
    ]


def touched(pipe) -> float:  # type: ignore[no-untyped-def]
    """Every page of the weights looked at once: a mapped file is not loaded before that."""
    return sum(float(p.view(-1)[::1024].float().sum()) for m in modules(pipe).values() for p in m.parameters())


def write_full_size(path: Path, seed: int) -> None:
    """A checkpoint with the true shapes of SD 1.5 in its original key layout, fp16."""
    from safetensors.torch import save_file

    from pipelines.families import FAMILIES
    from pipelines.families.architecture import read_config
    from pipelines.loading.compat import torch
    from tests.loading.ldm_layout import build, export

    family = FAMILIES.get("sd15")
    names = ("unet", "vae", "text_encoder")
    configs = {name: read_config(family.config_dir, name) for name in names}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(export(build(configs, seed, torch.float16), "sd15"), path)
