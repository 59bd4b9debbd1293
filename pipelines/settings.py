"""Settings: read once at the start, frozen, passed on; nothing here changes an image besides device and precision.

Order of precedence: defaults < settings.json < environment (ATELIER_PORT …) < flags. A settings.json that cannot be
read is kept as `settings.json.bad-<time>`, the defaults are used and one line says so. This room knows no request,
no Gradio and no torch.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from pipelines.spec import naming
from pipelines.spec.errors import FieldError, RequestError
from pipelines.spec.paths import expanded

ROOT = Path(__file__).resolve().parent.parent
ENV_PREFIX = "ATELIER_"
Device = Annotated[str, StringConstraints(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")]

SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(g|m)i?b?\s*", re.IGNORECASE)


class Settings(BaseModel):
    """Every setting with its help; the launch flags are made from this list (`medvram` -> `--medvram`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path | None = Field(None, alias="data_dir", description="Keep outputs, models, presets and settings here.")
    outputs: Path | None = Field(None, alias="outputs_dir", description="Keep the pictures in this folder.")
    state: Path | None = Field(None, alias="state_dir", description="Keep the queue, caches and uploads here.")
    models: tuple[Path, ...] = Field((), alias="models_dir", description="Look for models here too (repeatable).")

    port: int | None = Field(None, ge=0, le=65535, description="Serve on this port; else 7860 or the next free one.")
    listen: bool = Field(False, description="Let other machines of the network in; a password is required.")
    server_name: str = Field("", max_length=255, description="Serve on this address; needs a password.")
    share: bool = Field(False, description="Open a public gradio.live link; a password is required.")
    auth: str = Field("", max_length=500, description="user:password; made up and printed when needed and missing.")
    allowed_hosts: tuple[str, ...] = Field((), description="Host names this studio is reached by (repeatable).")
    tls_certfile: Path | None = Field(None, description="Certificate for https.")
    tls_keyfile: Path | None = Field(None, description="Key of that certificate.")
    open_browser: bool = Field(False, description="Open the page in the browser after the start.")
    api: bool = Field(False, description="Answer AUTOMATIC1111's REST API too, under /sdapi/v1.")

    offline: bool = Field(False, description="Forbid every outgoing request.")
    safe_mode: bool = Field(False, description="Start without extensions.")
    disabled_extensions: tuple[str, ...] = Field((), description="Start without this extension (repeatable).")

    device: Device = Field("auto", description="auto, cpu, cuda, cuda:1 or mps.")
    precision: Literal["auto", "float32", "float16", "bfloat16"] = Field("auto", description="Numbers of the weights.")
    vram_budget: float | None = Field(None, gt=0, le=4096, description="Use at most so much device memory: 8, 6000MB.")
    ram_budget: float | None = Field(None, gt=0, le=65536, description="Keep at most so much of weights in RAM: 16GB.")
    medvram: bool = Field(False, description="Keep only the part at work on the device: slower, less memory.")
    lowvram: bool = Field(False, description="Move layer by layer: much slower, least memory.")

    theme: Literal["system", "light", "dark"] = Field("system", description="Look of the page.")
    language: Literal["en", "uk"] = Field("en", description="Language of the advice: English or Ukrainian.")
    output_format: Literal["png", "png16", "jpeg", "webp"] = Field(
        "png", description="File format of the pictures: png, jpeg, webp; png16 keeps 16 bits a channel of upscaled ones.")
    output_quality: int = Field(95, ge=1, le=100, description="Quality of jpeg and webp, 1 to 100.")
    filename_pattern: str = Field(naming.PATTERN, max_length=300, description="Names of pictures, as [date]/[number]-[model_name].")

    @field_validator("home", "outputs", "state", "tls_certfile", "tls_keyfile")
    @classmethod
    def _absolute(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        return None if value is None else expanded(_key(info), value).absolute()

    @field_validator("filename_pattern")
    @classmethod
    def _named(cls, value: str) -> str:
        return naming.check(value)

    @field_validator("models")
    @classmethod
    def _all_absolute(cls, value: tuple[Path, ...], info: ValidationInfo) -> tuple[Path, ...]:
        return tuple(expanded(_key(info), path).absolute() for path in value)

    @field_validator("vram_budget", "ram_budget", mode="before")
    @classmethod
    def _gigabytes(cls, value: Any) -> Any:
        match = SIZE.fullmatch(value) if isinstance(value, str) else None
        return value if match is None else float(match[1]) / (1024 if match[2].lower() == "m" else 1)

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.auth and not all(self.auth.partition(":")[::2]):
            raise FieldError("auth", "…", "not a user and a password", "user:password")
        if (self.tls_certfile is None) != (self.tls_keyfile is None):
            raise FieldError("tls_certfile", str(self.tls_certfile), "certificate and key go together", "both, none")
        if self.share and self.offline:
            raise FieldError("share", True, "a public link is an outgoing connection, and offline forbids those",
                             "one of the two")
        return self

    @property
    def home_dir(self) -> Path:
        """The folder everything of the user is under: the repository itself, unless it was set otherwise."""
        return self.home or ROOT

    @property
    def outputs_dir(self) -> Path:
        return self.outputs or self.home_dir / "outputs"

    @property
    def data_dir(self) -> Path:
        """Queue, caches, uploads: never served, may be deleted while the studio is off."""
        return self.state or self.home_dir / "state"

    @property
    def uploads_dir(self) -> Path:
        """What a browser sent and what Gradio copied; handed to Gradio as GRADIO_TEMP_DIR."""
        return self.data_dir / "uploads"

    @property
    def model_roots(self) -> tuple[Path, ...]:
        return unique(ROOT / "models", self.home_dir / "models", *self.models)

    @property
    def preset_folders(self) -> tuple[Path, ...]:
        """Folders of presets and styles; new ones are written to the last."""
        return unique(ROOT / "presets", self.home_dir / "presets")

    @property
    def extension_folders(self) -> tuple[Path, ...]:
        return unique(ROOT / "extensions", self.home_dir / "extensions")

    @property
    def file(self) -> Path:
        return self.home_dir / "settings.json"

    @property
    def memory_policy(self) -> str:
        """Name of the policy by which weights reach the device."""
        return "lowvram" if self.lowvram else "medvram" if self.medvram else "normal"

    @property
    def exposed(self) -> bool:
        """True when anyone but this machine's users may reach the page."""
        return self.listen or self.share or self.server_name not in ("", "127.0.0.1", "localhost", "::1", "[::1]")


class Loaded(NamedTuple):
    settings: Settings
    notes: tuple[str, ...]      # one line each, for stderr


def load(flags: Mapping[str, Any] | None = None, env: Mapping[str, str] | None = None) -> Loaded:
    """Settings from all sources. Raises RequestError when a flag or a variable is wrong, never because of the file."""
    given = {**from_environment(os.environ if env is None else env), **(flags or {})}
    given.setdefault("data_dir", None if writable(ROOT) else user_data())
    base = checked({"data_dir": given["data_dir"]})
    stored, notes = from_file(base.file)
    try:
        return Loaded(checked({**stored, **given}), notes)
    except RequestError:
        checked(given)      # a wrong flag is the caller's to correct; the file's values are not
        moved = set_aside(base.file)
        return Loaded(checked(given), (*notes, f"settings.json contradicts itself; kept as {moved}, defaults used."))


def checked(values: Mapping[str, Any]) -> Settings:
    """Raises RequestError with one line a refused setting."""
    try:
        return Settings.model_validate(dict(values))
    except ValidationError as error:
        raise RequestError([_refusal(item) for item in error.errors()]) from None


def from_environment(env: Mapping[str, str]) -> dict[str, Any]:
    """ATELIER_MODELS_DIR=/a:/b and friends; lists are separated as PATH is."""
    found: dict[str, Any] = {}
    for key, field in by_key().items():
        text = env.get(ENV_PREFIX + key.upper(), "")
        if text:
            found[key] = [t for t in text.split(os.pathsep) if t] if is_list(field.annotation) else text
    return found


def from_file(path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The values of settings.json one by one: what is wrong is named and left out, a broken file is set aside."""
    stored, notes = _written(path)
    good: dict[str, Any] = {}
    for name, value in stored.items():
        try:
            checked({name: value})
            good[name] = value
        except RequestError as error:
            notes += (f"settings.json: {error} Left out.",)
    return good, notes


def _written(path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What settings.json says, right or wrong; a file that says nothing is set aside, and a note says so."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(stored, dict):
            raise ValueError("not a JSON object")
    except FileNotFoundError:
        return {}, ()
    except OSError as error:
        return {}, (f"settings.json cannot be read ({error.strerror}); defaults are used.",)
    except (ValueError, RecursionError):
        return {}, (f"settings.json is damaged; kept as {set_aside(path)}, defaults are used.",)
    return stored, ()


def store(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """Write `changes` to settings.json (whole or not at all) and return the settings of the next start.

    What else is written there stays, also what this version could not use: a slip can be mended, another version's key used.
    """
    after = checked({**settings.model_dump(by_alias=True), **changes})
    kept, _ = _written(settings.file)
    new = {key: value for key, value in after.model_dump(mode="json", by_alias=True).items() if key in changes}
    text = json.dumps({**kept, **new}, indent=1, ensure_ascii=False)
    temporary = settings.file.with_suffix(".tmp")
    settings.file.parent.mkdir(parents=True, exist_ok=True)
    with temporary.open("w", encoding="utf-8", errors="backslashreplace") as file:      # \udce9 is JSON for what is no UTF-8
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(settings.file)
    return after


def by_key() -> dict[str, FieldInfo]:
    """The fields under the names the user types: `models_dir` in settings.json, --models-dir, ATELIER_MODELS_DIR."""
    return {field.alias or name: field for name, field in Settings.model_fields.items()}


def _key(info: ValidationInfo) -> str:
    name = info.field_name or ""
    return Settings.model_fields[name].alias or name


def set_aside(path: Path) -> str:
    """Rename a damaged file so that nothing overwrites it; returns its new name (the old one on a read-only disk)."""
    bad = path.with_name(f"{path.name}.bad-{time.strftime('%Y%m%d-%H%M%S')}")
    try:
        path.replace(bad)
    except OSError:
        return path.name
    return bad.name


def writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK)


def user_data() -> Path:
    """The user's own data folder, for a studio installed where nobody may write."""
    from platformdirs import user_data_path

    return user_data_path("atelier", appauthor=False)


def unique(*folders: Path) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(folders))


def is_list(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) is tuple


def _refusal(item: Any) -> FieldError:
    cause = item.get("ctx", {}).get("error")
    if isinstance(cause, FieldError):
        return cause
    name = str(item["loc"][0]) if item["loc"] else "settings"
    if item["type"] == "extra_forbidden":
        return FieldError(name, item["input"], "no such setting")
    why = item["msg"][0].lower() + item["msg"][1:]
    field = by_key().get(name)
    return FieldError(name, item["input"], why, fix=field.description or "" if field else "")
