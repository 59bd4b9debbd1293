"""The `realesrgan` package as upscalers of its own: each .pth of a RealESRGAN folder once more, "name (realesrgan)".

Absent packages bring nothing into the list. The studio's own path to the same weights is spandrel (docs/upscalers.md);
this one is for whoever wants the package's own tiling, and its output is tested to be the same.
"""

from __future__ import annotations

import importlib.util
from functools import partial

from extensions.hooks import hookimpl
from pipelines.settings import Settings
from pipelines.upscalers import Upscaler

PACKAGES = ("realesrgan", "basicsr")
FOLDERS = ("RealESRGAN", "models/RealESRGAN")


def extension(settings: Settings) -> RealEsrgan:
    return RealEsrgan(settings)


class RealEsrgan:
    """Looks for files at every listing; imports the package when one is used."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @hookimpl
    def atelier_upscalers(self) -> list[Upscaler]:
        if not all(importlib.util.find_spec(name) for name in PACKAGES):
            return []
        from extensions.realesrgan.package import enhance

        files = [file for root in self.settings.model_roots for folder in FOLDERS
                 for file in sorted((root / folder).glob("*.pth"))]
        return [Upscaler(f"{file.stem} (realesrgan)", whole=partial(enhance, file, self.settings)) for file in files]
