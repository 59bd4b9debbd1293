"""Styles: named additions to prompt and negative prompt, in AUTOMATIC1111's `styles.csv`. Reading loses nothing.

Its columns are `name,prompt,negative_prompt`. `{prompt}` in a style is where the user's words go; without it the style
is appended after ", ". Rows that cannot be read are named with their line and the file is kept as `.bad-<time>`.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from pipelines.presets import files
from pipelines.presets.names import display, stem
from pipelines.spec.errors import FieldError, StorageError, unknown
from pipelines.styles.table import Style, parse, written

__all__ = ["Style", "Styles", "joined", "removed"]

FILE = "styles.csv"
PLACEHOLDER = "{prompt}"
LIMIT = 50 * 2**20              # bytes


class Styles:
    """`folders` as for presets: shipped `styles.csv` in each, the user's in `user/` of the last one."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.files = [folder / FILE for folder in dict.fromkeys(folders)]
        self.user = folders[-1] / "user" / FILE
        self._seen: dict[Path, tuple[tuple[int, int], tuple[Style, ...], tuple[str, ...]]] = {}

    def names(self) -> list[str]:
        return list(self._by_name())

    def get(self, name: str) -> Style:
        """By name, as it is written. Raises FieldError naming the nearest."""
        found = self._by_name()
        if name not in found:
            raise unknown("Styles", name, found)
        return found[name]

    def problems(self) -> list[str]:
        """One line for every row or file that could not be read, and for a file written with semicolons."""
        return [line for file in (*self.files, self.user) for line in self._read(file)[1]]

    def apply(self, prompt: str, negative_prompt: str, names: Iterable[str]) -> tuple[str, str]:
        """Prompt and negative prompt with the named styles laid over them, in that order. Raises FieldError."""
        for style in [self.get(name) for name in names]:
            prompt, negative_prompt = joined(prompt, style.prompt), joined(negative_prompt, style.negative_prompt)
        return prompt, negative_prompt

    def extract(self, prompt: str, negative_prompt: str) -> tuple[str, str, list[str]]:
        """The other way: what is left of both prompts, and the styles that, applied again, give them back.

        Where two styles say the same none is taken, and the prompts stay as they are: nobody can know which was meant.
        """
        names: list[str] = []
        left, left_negative = prompt, negative_prompt
        styles = self._by_name().values()
        while fits := [(len(a) + len(b), a, b, style.name) for style in styles
                       if (a := removed(left, style.prompt)) is not None
                       and (b := removed(left_negative, style.negative_prompt)) is not None
                       and len(a) + len(b) < len(left) + len(left_negative)]:       # so that this ends
            shortest = min(fits)[0]
            if sum(length == shortest for length, *_ in fits) > 1:
                return prompt, negative_prompt, []
            _, left, left_negative, name = min(fits)
            names.insert(0, name)
        return left, left_negative, names

    def save(self, name: str, prompt: str = "", negative_prompt: str = "") -> Style:
        """Add one of the user's styles; one of that name before goes to the trash. Raises FieldError, StorageError."""
        style = Style(display(name, "Style name"), prompt, negative_prompt)
        mine = {s.name: s for s in self._mine()}
        if style.name in mine and mine[style.name] != style:
            self._to_trash(mine[style.name])
        self._write((mine | {style.name: style}).values())
        return style

    def delete(self, name: str) -> None:
        """Move one of the user's styles to the trash, a file of its own there. Raises FieldError, StorageError."""
        mine = {s.name: s for s in self._mine()}
        if name not in mine:
            raise unknown("Styles", name, mine) if name not in self._by_name() else FieldError(
                "Styles", name, "belongs to the studio and stays as it is")
        self._to_trash(mine[name])
        self._write(s for s in mine.values() if s.name != name)

    def restore(self) -> Style:
        """Bring the newest style out of the trash, under a free name when its own is taken meanwhile. Raises FieldError."""
        deleted = max(self._trash.glob("*.csv"), key=lambda file: file.stem.rpartition("~")[2], default=None)
        found = parse(deleted.read_bytes())[0] if deleted else []
        if deleted is None or not found:
            raise FieldError("Styles", "", "nothing was deleted")
        [name] = self._taken_in(found, {s.name: s for s in self._mine()})      # it may stand before a shipped one again
        deleted.unlink(missing_ok=True)
        return self.get(name)

    def import_file(self, file: Path) -> list[str]:
        """Take in the styles of another styles.csv (AUTOMATIC1111's, Forge's), and name them; those that are here already stay.

        One whose name is taken by another text gets a number behind it. Raises FieldError when there is none in it.
        """
        size = file.stat().st_size
        if size > LIMIT:
            raise FieldError("Styles", file.name, f"{size / 2**20:.0f} MB are too large", f"{LIMIT // 2**20} MB")
        found, problems = parse(file.read_bytes())
        if not found:
            raise FieldError("Styles", file.name, problems[0].removeprefix("Styles: ") if problems else "no style is in it",
                             "a styles.csv with the columns name, prompt, negative_prompt")
        return self._taken_in(found, self._by_name())

    def _taken_in(self, found: Iterable[Style], here: dict[str, Style]) -> list[str]:
        """Add to the user's styles without replacing one of those `here`; the names they have now."""
        mine, names = {s.name: s for s in self._mine()}, []
        for style in found:
            free = (f"{style.name} ({number})" if number > 1 else style.name for number in itertools.count(1))
            name = next(name for name in free if name not in here or _same(here[name], style))
            names.append(name)
            if name not in here:
                here[name] = mine[name] = replace(style, name=name)
        self._write(mine.values())
        return names

    def _to_trash(self, style: Style) -> None:
        files.write(self._trash / f"{stem(style.name)}~{time.time_ns()}.csv", written([style]))

    @property
    def _trash(self) -> Path:
        return self.user.parent / ".trash" / "styles"

    # -- the file ------------------------------------------------------------------------------------------------------

    def _mine(self) -> tuple[Style, ...]:
        return self._read(self.user)[0]

    def _by_name(self) -> dict[str, Style]:
        """The user's style wins over a shipped one of the same name."""
        shipped = {s.name: s for file in self.files for s in self._read(file)[0]}
        return shipped | {s.name: s for s in self._mine()}

    def _read(self, file: Path) -> tuple[tuple[Style, ...], tuple[str, ...]]:
        """Rows and problems of a file; read again only when it changed, nothing where there is no file."""
        try:
            stat = file.stat()
            key = (stat.st_mtime_ns, stat.st_size)
            if file not in self._seen or self._seen[file][0] != key:
                self._seen[file] = key, *self._parsed(file, stat.st_size)
            return self._seen[file][1:]
        except FileNotFoundError:
            return (), ()
        except OSError as error:
            return (), (f"Styles: {file.name} cannot be read ({error.strerror}). Close the program that holds it.",)

    def _parsed(self, file: Path, size: int) -> tuple[tuple[Style, ...], tuple[str, ...]]:
        if size > LIMIT:
            return (), (f"Styles: {file.name} - {size / 2**20:.0f} MB are too large. Allowed: {LIMIT // 2**20} MB.",)
        styles, problems = parse(file.read_bytes(), file != self.user)
        if problems and file == self.user and (copy := files.keep_bad(file)):
            problems.append(f"Styles: the file as it is was kept as {copy.name}.")
        return tuple(styles), tuple(problems)

    def _write(self, styles: Iterable[Style]) -> None:
        """Write the user's file whole, the older one beside it as `.bak`.

        Raises StorageError where the older one cannot be read: what is in it would be lost.
        """
        try:
            if self.user.exists():
                if self.user.stat().st_size > LIMIT:
                    raise StorageError(f"Styles: {FILE} is too large to be changed here. Make it smaller than {LIMIT // 2**20} MB.")
                files.write(self.user.with_name(f"{FILE}.bak"), self.user.read_bytes())
        except OSError as error:
            raise StorageError(f"Styles: {FILE} cannot be read ({error.strerror}). Close the program that holds it.") from None
        files.write(self.user, written(styles))


def _same(one: Style, other: Style) -> bool:
    return (one.prompt, one.negative_prompt) == (other.prompt, other.negative_prompt)


def joined(text: str, addition: str) -> str:
    """One style laid over one prompt."""
    if PLACEHOLDER in addition:
        return addition.replace(PLACEHOLDER, text)
    return ", ".join(part for part in (text.strip(" ,\n"), addition.strip()) if part) if addition.strip() else text


def removed(text: str, addition: str) -> str | None:
    """`text` without the style, or None when the style was not laid over it."""
    if not addition.strip():
        return text
    before, marker, after = addition.partition(PLACEHOLDER)
    if not marker:
        plain = addition.strip()
        left = "" if text == plain else text.removesuffix(f", {plain}")
    else:
        fits = len(text) >= len(before) + len(after) and text.startswith(before) and text.endswith(after)
        left = text[len(before): len(text) - len(after)] if fits else text
    return left if left != text and joined(left, addition) == text else None
