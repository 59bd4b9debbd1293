"""Named partial requests: the studio's own and the user's, one YAML file each. Nothing is ever overwritten or lost.

Shipped presets lie in `presets/*.yaml` and are read-only; the user's lie in `user/` of the last folder, deleted ones in
`user/.trash/`. A file that cannot be read is named with its line, kept as `.bad-<time>` and left where it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from pipelines.presets import files
from pipelines.presets.names import display, stem
from pipelines.presets.preset import LIMIT, Preset, checked, partial, read
from pipelines.spec.errors import FieldError, unknown
from pipelines.spec.request import GenerationRequest

__all__ = ["Preset", "Presets", "partial"]


class Presets:
    """`folders`: where shipped presets lie, in this order; the user's own are kept in `user/` of the last one."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(folders)
        self.user = self.folders[-1] / "user"
        self._seen: dict[Path, tuple[tuple[int, int], Preset | FieldError | None]] = {}

    def list(self, family: str = "") -> Sequence[Preset]:
        """Every readable preset: shipped ones in order, then the user's by title; those made for `family` first."""
        found = [p for p in self._all() if isinstance(p, Preset)]
        found.sort(key=lambda p: (bool(family) and p.family not in ("", family), not p.shipped,
                                  p.order if p.shipped else 0, p.shown().lower()))
        return found

    def problems(self) -> Sequence[str]:
        """One line for every file that cannot be read: file, line, reason."""
        return [str(p) for p in self._all() if isinstance(p, FieldError)]

    def get(self, name: str) -> Preset:
        """By file stem, else by a title in any language. Raises FieldError naming the nearest."""
        found = self.list()
        wanted = str(name).strip().lower()
        for preset in found:
            if preset.name.lower() == wanted:
                return preset
        for preset in found:
            if wanted in (t.lower() for t in preset.title.values()):
                return preset
        raise unknown("Preset", name, [p.shown() for p in found])

    def save(self, name: str, request: GenerationRequest, fields: Iterable[str] | None = None, family: str = "",
             overwrite: bool = False) -> Preset:
        """Keep the whole request, or the named fields of it, under a new name.

        Raises FieldError when the name is taken (with `overwrite` the user's older one goes to the trash first) or
        belongs to a shipped preset, StorageError when it cannot be written.
        """
        title = display(name)
        changes = checked(partial(request, fields))
        return self._write(Preset(self._stem(title, overwrite), {"en": title}, {}, changes, family), overwrite)

    def rename(self, name: str, new_name: str) -> Preset:
        """Give one of the user's presets another name. Raises FieldError when that name is taken."""
        old = self._mine(name)
        title = display(new_name)
        target = stem(title)
        if target != old.name:
            target = self._stem(title, False)
        preset = replace(old, name=target, title={"en": title})
        files.write(self._file(target), preset.to_yaml())
        if target != old.name:
            self._file(old.name).unlink(missing_ok=True)
        return preset

    def delete(self, name: str) -> str:
        """Move one of the user's presets to the trash; returns the token with which `restore` brings it back."""
        return files.to_trash(self._file(self._mine(name).name))

    def trashed(self) -> Sequence[tuple[str, Preset]]:
        """(token, preset) of what was deleted, newest first."""
        found = []
        for file in sorted((self.user / ".trash").glob("*.yaml"), reverse=True):
            preset = self._read(file, shipped=False)
            if isinstance(preset, Preset):
                found.append((file.stem, preset))
        return sorted(found, key=lambda pair: pair[0].rpartition("~")[2], reverse=True)

    def restore(self, token: str) -> Preset:
        """Bring a deleted preset back, under a free name when its own is taken meanwhile."""
        found = dict(self.trashed())
        if token not in found:
            raise unknown("Preset", token, [p.shown() for p in found.values()])
        preset = self._write(self._free(found[token]), False)
        (self.user / ".trash" / f"{token}.yaml").unlink(missing_ok=True)
        return preset

    def export(self, name: str) -> tuple[str, str]:
        """(file name, text) of a preset as one YAML file."""
        preset = self.get(name)
        return f"{preset.name}.yaml", preset.to_yaml()

    def import_file(self, file: Path, shown_name: str = "") -> Preset:
        """Take in one exported file, under a free name when its own is taken.

        Raises FieldError naming the line when it is no preset, too large or not to be read; nothing is written then.
        """
        name = Path(shown_name or file.name).stem[:60]
        try:
            preset = self._parse(file, name)
        except OSError as error:
            raise FieldError("Preset", shown_name or file.name, f"cannot be read ({error.strerror})",
                             "a preset exported by this studio") from None
        if preset is None:
            raise FieldError("Preset", f"{name}.yaml", "another kind of file", "a preset exported by this studio")
        return self._write(self._free(replace(preset, name=stem(preset.shown()), order=0, shipped=False)), False)

    # -- files ---------------------------------------------------------------------------------------------------------

    def _all(self) -> Sequence[Preset | FieldError | None]:
        places = [(folder, True) for folder in dict.fromkeys(self.folders)] + [(self.user, False)]
        return [self._read(file, shipped) for folder, shipped in places for file in sorted(folder.glob("*.yaml"))]

    def _read(self, file: Path, shipped: bool) -> Preset | FieldError | None:
        """What a file holds; read again only when it changed."""
        try:
            stat = file.stat()
            key = (stat.st_mtime_ns, stat.st_size)
            if file not in self._seen or self._seen[file][0] != key:
                self._seen[file] = key, self._parsed(file, shipped)
            return self._seen[file][1]
        except OSError as error:
            return FieldError("Preset", file.name, f"cannot be read ({error.strerror})")

    def _parsed(self, file: Path, shipped: bool) -> Preset | FieldError | None:
        try:
            return self._parse(file, file.stem, shipped)
        except FieldError as error:
            copy = None if shipped else files.keep_bad(file)
            fix = f"Kept as {copy.name}; correct the file or delete it" if copy else ""
            return FieldError("Preset", file.name, error.why, fix=fix)

    def _parse(self, file: Path, name: str, shipped: bool = False) -> Preset | None:
        size = file.stat().st_size
        if size > LIMIT:
            raise FieldError("Preset", file.name, f"{size / 1024:.0f} KB are too large", f"up to {LIMIT // 1024} KB")
        try:
            return read(file.read_bytes().decode("utf-8-sig"), name, shipped)
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            raise FieldError("Preset", file.name, f"line {line}: not UTF-8 text") from None

    def _file(self, name: str) -> Path:
        return self.user / f"{name}.yaml"

    def _stem(self, title: str, overwrite: bool) -> str:
        name = stem(title)
        same = title.lower()
        taken = next((p for p in self.list() if same in (p.name, *(t.lower() for t in p.title.values()))), None)
        if taken is not None and taken.shipped:
            raise FieldError("Preset name", title, "belongs to a preset of the studio", fix="Choose another name")
        if not overwrite and (taken is not None or self._file(name).exists()):
            raise FieldError("Preset name", title, "exists already", fix="Choose another name or replace it")
        return name if taken is None else taken.name

    def _free(self, preset: Preset) -> Preset:
        """`preset` under its own title, or with a number behind it when that is taken."""
        base = preset.shown()
        for number in range(1, 1000):
            title = base if number == 1 else f"{base[:90]} ({number})"
            try:
                name = self._stem(title, False)
            except FieldError:
                continue
            return replace(preset, name=name, title=preset.title if number == 1 else {"en": title})
        raise FieldError("Preset name", base, "is taken many times over", fix="Choose another name")

    def _mine(self, name: str) -> Preset:
        preset = self.get(name)
        if preset.shipped:
            raise FieldError("Preset", preset.shown(), "belongs to the studio and stays as it is",
                             fix="Save it under another name and change that")
        return preset

    def _write(self, preset: Preset, overwrite: bool) -> Preset:
        text = preset.to_yaml()
        if len(text.encode("utf-8")) > LIMIT:
            raise FieldError("Preset", preset.shown(), "too large for a preset", f"up to {LIMIT // 1024} KB")
        if overwrite and self._file(preset.name).exists():
            files.to_trash(self._file(preset.name), copy=True)
        files.write(self._file(preset.name), text)
        return preset
