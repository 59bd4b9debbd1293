"""Styles: named additions to prompt and negative prompt, in AUTOMATIC1111's `styles.csv`. Reading loses nothing.

Its columns are `name,prompt,negative_prompt`. `{prompt}` in a style is where the user's words go; without it the style
is appended after ", ". Rows that cannot be read are named with their line and the file is kept as `.bad-<time>`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pipelines.presets import files
from pipelines.presets.names import display
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
        """The other way: what is left of both prompts, and the styles that, applied again, give them back."""
        names: list[str] = []
        styles = sorted(self._by_name().values(), key=lambda s: -len(s.prompt) - len(s.negative_prompt))
        while True:
            for style in styles:
                left, left_negative = removed(prompt, style.prompt), removed(negative_prompt, style.negative_prompt)
                if left is None or left_negative is None:
                    continue
                if len(left) + len(left_negative) < len(prompt) + len(negative_prompt):     # so that this ends
                    prompt, negative_prompt = left, left_negative
                    names.insert(0, style.name)
                    break
            else:
                return prompt, negative_prompt, names

    def save(self, name: str, prompt: str = "", negative_prompt: str = "") -> Style:
        """Add one of the user's styles or replace the one of that name. Raises FieldError, StorageError."""
        style = Style(display(name, "Style name"), prompt, negative_prompt)
        mine = {s.name: s for s in self._mine()} | {style.name: style}
        self._write(mine.values())
        return style

    def delete(self, name: str) -> None:
        """Take one of the user's styles away; the file as it was stays beside it as `.bak`. Raises FieldError."""
        mine = {s.name: s for s in self._mine()}
        if name not in mine:
            raise unknown("Styles", name, mine) if name not in self._by_name() else FieldError(
                "Styles", name, "belongs to the studio and stays as it is")
        self._write(s for s in mine.values() if s.name != name)

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
