"""What is done to each picture of an upscale: names, sizes, shares. A job keeps it, and the picture's file. No torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pipelines.spec.errors import FieldError
from pipelines.spec.geometry import Size
from pipelines.upscalers.automatic import automatic
from pipelines.upscalers.listing import Upscaler, Upscalers
from pipelines.upscalers.target import Target, Tiling


@dataclass(frozen=True)
class Faces:
    """restorer: "" leaves faces alone.   visibility: 0 as they were, 1 the restored ones.   weight: of CodeFormer only; 0
    repairs most, 1 stays closest to what was there."""

    restorer: str = ""
    visibility: float = 1.0
    weight: float = 0.5

    def done(self) -> dict[str, Any]:
        """AUTOMATIC1111's entries."""
        if not (self.restorer and self.visibility):
            return {}
        name = next((n for n in ("CodeFormer", "RestoreFormer") if n.lower() in self.restorer.lower()), "GFPGAN")
        weight = {"CodeFormer weight": self.weight} if name == "CodeFormer" else {}
        return {"Face restoration": self.restorer, f"{name} visibility": self.visibility} | weight


@dataclass(frozen=True)
class Recipe:
    """upscaler: "" is automatic.   second: laid over the first with `visibility` 0-1, "" for none.

    deep: 16 bits a channel are wanted.
    """

    upscaler: str = ""
    second: str = ""
    visibility: float = 0.5
    target: Target = Target()
    tiling: Tiling = Tiling()
    deep: bool = False
    faces: Faces = Faces()

    def named(self, listed: Upscalers, source: Size) -> tuple[Recipe, Upscaler, Upscaler | None]:
        """(this for one picture, the upscaler, the second). Raises FieldError, ModelFileError."""
        whole, _ = self.target.sizes(source)
        factor = max(whole.width / source.width, whole.height / source.height)
        sure = replace(self, upscaler=self.upscaler or automatic(factor, listed.names())).checked(listed)
        return sure, listed.find(sure.upscaler), listed.find(sure.second) if sure.second else None

    def checked(self, listed: Upscalers) -> Recipe:
        """This with names as they are listed; automatic stays so. Raises FieldError, ModelFileError."""
        self.tiling.check()
        for label, share in (("Second upscaler visibility", self.visibility), ("Face visibility", self.faces.visibility),
                             ("CodeFormer weight", self.faces.weight)):
            if not 0 <= share <= 1:
                raise FieldError(label, share, "outside the range", "0-1")
        faces = replace(self.faces, restorer=listed.restorers.find(self.faces.restorer).name if self.faces.restorer else "")
        first, second = (listed.find(name).name if name else "" for name in (self.upscaler, self.second))
        return replace(self, upscaler=first, second=second, faces=faces)

    def done(self) -> dict[str, Any]:
        """AUTOMATIC1111's entries for what was done, in its order."""
        target = self.target
        pairs: dict[str, Any] = {}
        if target.width or target.height:
            pairs["Postprocess upscale to"] = f"{target.width}x{target.height}"
        else:
            pairs["Postprocess upscale by"] = target.scale
        if target.width and target.height and target.crop:
            pairs["Postprocess crop to"] = f"{target.width}x{target.height}"
        pairs["Postprocess upscaler"] = self.upscaler
        if self.second and self.visibility:
            pairs["Postprocess upscaler 2"] = self.second
            pairs["Postprocess upscaler 2 visibility"] = self.visibility
        return pairs | self.faces.done()

    def pinned(self, listed: Upscalers) -> dict[str, str]:
        """What names the upscalers' files exactly, ten digits by key; resamplers have none."""
        used = {"Postprocess upscaler hash": self.upscaler,
                "Postprocess upscaler 2 hash": self.second if self.visibility else ""}
        digests = {key: listed.short_hash(name) for key, name in used.items() if name}
        return {key: digest for key, digest in digests.items() if digest}
