"""The control models on disk as units name them, which of them fit a family, and what each wants to be shown. No torch.

A ControlNet-Union holds several nets in one file. Its name alone lets the preprocessor decide; `name:Depth` says it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pipelines.families.control import UNION
from pipelines.families.family import Family
from pipelines.loading.library import Library, ModelFile
from pipelines.spec.errors import FieldError, unknown

LABEL = "Control model"
# control type (as `preprocess.CONTROL_TYPES` has them) -> words of file names, in the order they are looked for
WORDS: Mapping[str, str] = MappingProxyType({
    "OpenPose": r"open_?pose|dw_?pose|pose", "Depth": r"depth|zoe", "NormalMap": r"normal|bae", "Canny": r"canny",
    "MLSD": r"mlsd", "Lineart": r"line_?art", "Scribble": r"scribble|sketch|fake_?scribble", "SoftEdge": r"soft_?edge|hed|pidi",
    "Tile": r"tile|blur", "Recolor": r"recolou?r", "Shuffle": r"shuffle", "Segmentation": r"seg", "Inpaint": r"inpaint",
})
# which of a union's inputs takes which control type (xinsir/controlnet-union-sdxl-1.0)
UNION_TASKS: Mapping[str, int] = MappingProxyType({
    "OpenPose": 0, "Depth": 1, "SoftEdge": 2, "Scribble": 2, "Canny": 3, "Lineart": 3, "MLSD": 3, "NormalMap": 4,
    "Segmentation": 5, "Tile": 6,
})


@dataclass(frozen=True)
class Control:
    """One entry of the list. `name` is what a unit calls it.

    control: the control type it wants, "" where its name does not tell (or the preprocessor decides).
    """

    name: str
    file: ModelFile
    control: str = ""

    @property
    def kind(self) -> str:
        """"ControlNet", "ControlNet-Union" or "T2I-Adapter"."""
        return self.file.detected.variant

    @property
    def family(self) -> str:
        return self.file.detected.family

    def fits(self, family: Family) -> bool:
        return self.family == family.name

    def task(self, control: str) -> int | None:
        """Which input of a union takes the condition; `control`: the preprocessor's type. None for any other kind.

        Raises FieldError where neither says it.
        """
        if self.kind != UNION:
            return None
        wanted = self.control or control
        if wanted not in UNION_TASKS:
            raise FieldError(LABEL, self.name, "a union must be told what the condition shows",
                             ", ".join(f"{self.name}:{name}" for name in UNION_TASKS), "Name it so, or choose a preprocessor")
        return UNION_TASKS[wanted]


def controls(library: Library, family: Family | None = None) -> list[Control]:
    """All that can be used, or those of one family, by name; a union once more for each of its types."""
    found = []
    for file in library.of_kind("controlnet"):
        if family is not None and file.detected.family != family.name:
            continue
        union = file.detected.variant == UNION
        found.append(Control(file.name, file, "" if union else told(file.name)))
        found += [Control(f"{file.name}:{name}", file, name) for name in (UNION_TASKS if union else ())]
    return found


def find_control(library: Library, name: str) -> Control:
    """The control model of that name, stem or "name [hash]". Raises FieldError with the nearest names, ModelFileError."""
    plain, _, control = name.rpartition(":") if re.search(r":\w+( \[|$)", name) else (name, "", "")
    control, bracket, digest = control.partition(" [")
    known = {t.lower(): t for t in UNION_TASKS}
    if control and control.lower() not in known:
        raise unknown(LABEL, name, [f"{plain}:{t}" for t in UNION_TASKS])
    file = library.find_kind(LABEL, "controlnet", plain + bracket + digest)
    if control and file.detected.variant != UNION:
        raise FieldError(LABEL, name, f"{file.name} is no union of several nets", file.name)
    control = known[control.lower()] if control else ""
    return Control(f"{file.name}:{control}" if control else file.name, file,
                   control or ("" if file.detected.variant == UNION else told(file.name)))


def told(name: str) -> str:
    """The control type that a file's name tells, "" for none: "control_v11f1p_sd15_depth" -> "Depth"."""
    words = name.rpartition("/")[2].lower()
    return next((control for control, pattern in WORDS.items() if re.search(rf"(?<![a-z])({pattern})", words)), "")
