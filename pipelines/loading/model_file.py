"""One listed model: its name, place, kind and hash, and how a file is looked at with the side-car beside it. No torch."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.families import FAMILIES, Detected, Family, detect_file
from pipelines.families.family import Shapes
from pipelines.loading.facts import Facts
from pipelines.loading.folder import main_weights
from pipelines.loading.header import read_header
from pipelines.spec.errors import FieldError, ModelFileError

SIDE_CARS = (".yaml", ".yml", ".json")
SIDE_CAR_LIMIT = 2**20      # bytes
UNCLEAR = ("its description cannot be understood", "Copy it again, or remove it.")      # problem and fix
TASK_NAMES = {"txt2img": "text to image", "img2img": "image to image", "inpaint": "inpainting"}
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelFile:
    """One listed model. `name` is unique in its list; `size` in bytes; `problem` says why it cannot run, `fix` what to do."""

    name: str
    path: Path
    kind: str
    size: int
    mtime_ns: int
    detected: Detected
    is_folder: bool = False
    problem: str = ""
    fix: str = ""
    facts: Facts = field(default_factory=lambda: Facts(None), compare=False, repr=False)

    @property
    def family(self) -> Family:
        """Raises FieldError for a file of no known family."""
        return FAMILIES.get(self.detected.family)

    @property
    def prediction(self) -> str:
        return self.detected.prediction

    @property
    def mtime(self) -> float:
        """Seconds since 1970."""
        return self.mtime_ns / 1e9

    @property
    def group(self) -> str:
        """The sub-folder it lies in, "" for none."""
        return self.name.rpartition("/")[0]

    @property
    def stem(self) -> str:
        return self.name.rpartition("/")[2]

    @property
    def title(self) -> str:
        """One line for lists: the name, its family, and its hash where it is known already."""
        name = "".join(c if c.isprintable() else "\N{SYMBOL FOR NEWLINE}" for c in self.name)
        known = self.facts.known_sha256(self.weights, self.version)[:10]
        return f"{name} [{known}]" if known else name

    @property
    def version(self) -> str:
        """Names this version of the file."""
        return f"{self.size}:{self.mtime_ns}"

    @property
    def weights(self) -> Path:
        """The file whose sha256 names the model: itself, or the UNet's weights of a folder."""
        return main_weights(self.path) if self.is_folder else self.path

    def sha256(self) -> str:
        """64 hex digits, read once and kept. Raises ModelFileError when the file is gone or changed."""
        self.check_unchanged()
        try:
            return self.facts.sha256(self.weights, self.version)
        except OSError as error:
            raise ModelFileError(self.name, f"cannot be read ({error.strerror})", "Check its permissions.") from None

    def short_hash(self) -> str:
        """AUTOMATIC1111's model hash: the first 10 hex digits of the sha256."""
        return self.sha256()[:10]

    def check_unchanged(self) -> None:
        """Raise ModelFileError when the file was deleted or replaced since it was listed (D48)."""
        try:
            state = self.weights.stat()
        except OSError:
            raise ModelFileError(self.name, "it is no longer there", "Refresh the list of models.") from None
        size_changed = not self.is_folder and state.st_size != self.size
        if size_changed or state.st_mtime_ns != self.mtime_ns:
            raise ModelFileError(self.name, "it changed on disk since it was listed",
                                 "Refresh the list of models, then start again.")


def inspect(path: Path, name: str = "") -> Detected:
    """What the single file is. Raises ModelFileError."""
    header = read_header(path, name)
    return detect_file(header.shapes, header.metadata, path.stem, read_side_car(path))


def detected_by(path: Path, expected: str, found: Shapes | ModelFileError) -> Detected:
    """What a pickle is by the shapes that were found in it, or why it cannot be used."""
    if isinstance(found, ModelFileError):
        return Detected(expected, problem=found.why, fix=found.fix)
    try:
        return detect_file(found, {}, path.stem, read_side_car(path))
    except Exception:           # shapes that nobody foresaw: the other pickles are judged all the same
        log.debug("%s cannot be understood", path.name, exc_info=True)
        return Detected(expected, problem=UNCLEAR[0], fix=UNCLEAR[1])


def read_side_car(path: Path) -> dict:
    """The settings beside a checkpoint, `<stem>.yaml` or `.json`; {} when there are none or they cannot be read."""
    for suffix in SIDE_CARS:
        beside = path.with_suffix(suffix)
        try:
            if beside.stat().st_size > SIDE_CAR_LIMIT:
                continue
            text = beside.read_text(encoding="utf-8", errors="replace")
            data = json.loads(text) if suffix == ".json" else _yaml(text)
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(data, dict) and data:
            return data
    return {}


def _yaml(text: str) -> object:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def side_car_version(path: Path) -> int:
    times = []
    for suffix in SIDE_CARS:
        try:
            times.append(path.with_suffix(suffix).stat().st_mtime_ns)
        except OSError:
            continue
    return max(times, default=0)


def check_task(model: ModelFile, task: str) -> None:
    """Raise FieldError when the model's kind of UNet cannot do `task`."""
    family = model.family
    if task not in family.pipelines:
        raise FieldError("Model", model.name, f"{family.label} cannot do {TASK_NAMES.get(task, task)}",
                         ", ".join(TASK_NAMES.get(t, t) for t in family.pipelines), "Choose another model")
    if model.detected.variant == "inpaint" and task != "inpaint":
        raise FieldError("Model", model.name, f"this is an inpainting model and cannot do {TASK_NAMES.get(task, task)}",
                         "inpainting", "Choose an ordinary checkpoint, or a mask")
