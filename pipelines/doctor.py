"""`doctor`: what works on this machine, what is mismatched, and what to do about it; one line each."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.settings import ROOT, Settings
from pipelines.spec.errors import StudioError

SHORT = {"auto": "auto", "float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
MARKS = {"good": "ok  ", "odd": "note", "bad": "BAD "}
PORT = 7860             # served when no other is asked for
ROOM = 200 * 2**20      # bytes that must be free before a picture is begun


@dataclass(frozen=True)
class Finding:
    """level: "good", "odd" (works, but) or "bad" (something will fail)."""

    level: str
    what: str
    text: str

    def __str__(self) -> str:
        return f"{MARKS[self.level]}  {self.what:<12} {self.text}"


def examine(settings: Settings, faults: Iterable[object] = ()) -> Iterator[Finding]:
    """Every finding, quick ones first. `faults` are those of the extension loader."""
    for check in (python, packages, rivals, torch_pair, lambda: folders(settings), lambda: models(settings),
                  lambda: device(settings), lambda: port(settings), browser, painting):
        yield from survived(check)
    for fault in faults:
        yield Finding("odd", "extension", str(fault))


def report(settings: Settings, faults: Iterable[object] = ()) -> int:
    """Print the findings. The exit code: 1 when something will fail, else 0."""
    worst = 0
    for finding in examine(settings, faults):
        print(finding, flush=True)
        worst = max(worst, int(finding.level == "bad"))
    return worst


def survived(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """A check that fails is itself a finding: the doctor is asked when things are broken."""
    try:
        yield from check()
    except Exception as error:
        yield Finding("bad", getattr(check, "__name__", "check").strip("<>"), f"{type(error).__name__}: {error}")


def python() -> Iterator[Finding]:
    level = "good" if sys.version_info >= (3, 11) else "bad"
    yield Finding(level, "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def packages() -> Iterator[Finding]:
    """What is installed against what the suite ran with."""
    pins = dict(line.partition("#")[0].strip().split("==") for line in
                (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines() if "==" in line.partition("#")[0])
    missing = [name for name in pins if installed(name) is None]
    other = [f"{name} {installed(name)} (tested with {pin})" for name, pin in pins.items()
             if installed(name) not in (None, pin) and (installed(name) or "").partition("+")[0] != pin]
    if missing:
        yield Finding("bad", "packages", f"missing: {', '.join(missing)}. Run: pip install -r requirements.txt")
    if other:
        yield Finding("odd", "packages", "; ".join(other))
    if not missing and not other:
        yield Finding("good", "packages", f"all {len(pins)} as tested")


def rivals() -> Iterator[Finding]:
    """Packages that break others by being there."""
    if installed("torchaudio"):
        yield Finding("bad", "torchaudio", "its presence can break importing diffusers. Run: pip uninstall torchaudio")
    if installed("opencv-python") and installed("opencv-python-headless"):
        yield Finding("odd", "opencv", "opencv-python and opencv-python-headless overwrite each other; keep one")


def torch_pair() -> Iterator[Finding]:
    """torch and torchvision must come from one build."""
    torch, vision = installed("torch") or "", installed("torchvision") or ""
    if not torch or not vision:
        yield Finding("bad", "torch", f"torch {torch or 'missing'}, torchvision {vision or 'missing'}")
    elif torch.partition("+")[2] != vision.partition("+")[2]:
        yield Finding("odd", "torch", f"torch {torch} and torchvision {vision} are of different builds; the "
                                      "studio works around it, other programs will not")
    else:
        yield Finding("good", "torch", f"torch {torch}, torchvision {vision}")


def folders(settings: Settings) -> Iterator[Finding]:
    """Whether pictures and the queue can be written, and how much room there is."""
    for what, folder in (("outputs", settings.outputs_dir), ("state", settings.data_dir)):
        there = next(p for p in (folder, *folder.parents) if p.exists())
        free = shutil.disk_usage(there).free
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / ".doctor"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            yield Finding("bad", what, f"{folder} cannot be written: {error.strerror}. Use --data-dir")
            continue
        yield Finding("good" if free > ROOM else "bad", what, f"{folder}, {free / 1e9:.1f} GB free")


def models(settings: Settings) -> Iterator[Finding]:
    """What the library lists, and what it had to refuse."""
    from pipelines.loading.library import Library

    library = Library(settings.model_roots, settings.data_dir)
    library.scan()
    found = library.models()
    names = ", ".join(model.name for model in found[:5]) + (" …" if len(found) > 5 else "")
    yield Finding("good" if found else "bad", "models", f"{len(found)} checkpoints: {names}" if found else
                  f"none in {', '.join(map(str, settings.model_roots))}")
    for missing in (root for root in settings.models if not Path(root).is_dir()):
        yield Finding("odd", "models", f"{missing} is not a folder")


def device(settings: Settings) -> Iterator[Finding]:
    from pipelines.loading.device import Device

    try:
        chosen = Device.pick(settings.device, SHORT[settings.precision], settings.memory_policy)
    except StudioError as error:
        yield Finding("bad", "device", str(error))
        return
    free = chosen.free_memory() / 1e9
    yield Finding("good" if chosen.kind != "cpu" else "odd", "device", f"{chosen.torch}, {free:.1f} GB free"
                  + ("; no GPU found, so only the small embedded model is quick" if chosen.kind == "cpu" else ""))


def port(settings: Settings) -> Iterator[Finding]:
    """Whether the page's port is free; a studio that runs already holds it, which is no fault."""
    wanted = PORT if settings.port is None else settings.port
    with socket.socket() as probe:
        taken = wanted > 0 and probe.connect_ex(("127.0.0.1", wanted)) == 0
    yield Finding("odd" if taken else "good", "port",
                  f"{wanted} is in use; another studio? Use --port" if taken else f"{wanted or 'any port'} is free")


def browser() -> Iterator[Finding]:
    """Only the browser tests need one."""
    found = next((name for name in ("chromium", "chromium-browser", "google-chrome") if shutil.which(name)), "")
    yield Finding("good" if found else "odd", "chromium", f"{found} is there, for the browser tests" if found else
                  "not found; only the browser tests need it")


def painting() -> Iterator[Finding]:
    """Whether the painting library itself can be imported; most broken installations show here."""
    importlib.import_module("pipelines.loading.compat")     # before diffusers, or a mismatched torchvision breaks it
    pipeline = importlib.import_module("diffusers").StableDiffusionPipeline
    yield Finding("good", "diffusers", f"{installed('diffusers')} imports, {pipeline.__name__} is there")


def installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
