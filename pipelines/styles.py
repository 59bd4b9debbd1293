"""Styles: named additions to prompt and negative prompt, in AUTOMATIC1111's `styles.csv`. Reading loses nothing.

Its columns are `name,prompt,negative_prompt`. `{prompt}` in a style is where the user's words go; without it the style
is appended after ", ". Rows that cannot be read are named with their line and the file is kept as `.bad-<time>`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.presets import files
from pipelines.presets.names import display
from pipelines.spec.errors import FieldError, shown, unknown

FILE = "styles.csv"
COLUMNS = ("name", "prompt", "negative_prompt")
PLACEHOLDER = "{prompt}"
LIMIT = 50 * 2**20              # bytes
FIELD = 100_000                 # characters of a cell
MANY = 20_000                   # styles in one file
TOLD = 50                       # broken rows that are named; the rest are counted
FORMULA = re.compile(r"^'*[=+\-@\t\r]")     # what a spreadsheet would run


@dataclass(frozen=True)
class Style:
    """`prompt` and `negative_prompt` may hold `{prompt}`. `shipped` ones are read-only."""

    name: str
    prompt: str = ""
    negative_prompt: str = ""
    shipped: bool = False


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
        """Write the user's file whole, the older one beside it as `.bak`."""
        if self.user.exists():
            files.write(self.user.with_name(f"{FILE}.bak"), self.user.read_bytes())
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


def written(styles: Iterable[Style]) -> str:
    """The text of a styles.csv for spreadsheets and AUTOMATIC1111, with nothing in it that a spreadsheet would run."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows([_guarded(cell) for cell in (s.name, s.prompt, s.negative_prompt)] for s in styles)
    return "\ufeff" + out.getvalue()


def parse(data: bytes, shipped: bool = False) -> tuple[list[Style], list[str]]:
    """Styles and problems of a styles.csv: any of comma and semicolon, with or without BOM and header."""
    problems: list[str] = []
    lines = io.StringIO(_decoded(data, problems), newline="").readlines()
    comma = _delimiter(lines[0] if lines else "", problems)
    columns: dict[str, int] | None = None
    styles: dict[str, Style] = {}
    for number, row in _rows(lines, comma, problems):
        if columns is None:
            header = [cell.strip().lower() for cell in row]
            columns = {name: at for at, name in enumerate(header)} if "name" in header else dict(zip(COLUMNS, range(3)))
            width = max(3, len(header)) if "name" in header else 3
            if "name" in header:
                continue
        if why := _refusal(row, width, columns["name"]):
            problems.append(f"Styles: line {number} - {why}.")
            continue
        cells = {name: _plain(row[at]) if at < len(row) else "" for name, at in columns.items()}
        name = _free(cells["name"].strip(), styles, number, problems)
        prompt = cells.get("prompt") or cells.get("text", "")      # "text" in the oldest files
        styles[name] = Style(name, prompt, cells.get("negative_prompt", ""), shipped)
        if len(styles) >= MANY:
            problems.append(f"Styles: line {number} - more than {MANY} styles; the rest is not read.")
            break
    if len(problems) > TOLD:
        problems[TOLD:] = [f"Styles: {len(problems) - TOLD} more lines cannot be read."]
    return list(styles.values()), problems


def _rows(lines: list[str], comma: str, problems: list[str]) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of every readable row; after a broken one it goes on with the next line."""
    at = 0
    while at < len(lines):
        reader = csv.reader(iter(lines[at:]), delimiter=comma, strict=True)
        base, start = at, at
        try:
            for row in reader:
                if row:
                    yield start + 1, row
                start = base + reader.line_num
            return
        except csv.Error as error:
            problems.append(f"Styles: line {start + 1} - {error}.")
            if len(problems) > TOLD:
                problems.append(f"Styles: {len(lines) - start} lines from there on are not read.")
                return
            at = start + 1


def _refusal(row: list[str], width: int, name_at: int) -> str:
    """Why a row is no style, or ""."""
    if not 2 <= len(row) <= width:
        return f"{len(row)} columns. Allowed: {', '.join(COLUMNS)}. Put cells with commas in quotes"
    if name_at >= len(row) or not row[name_at].strip():
        return "no name"
    if any("\0" in cell for cell in row):
        return f"a NUL character in {shown(row[name_at])}"
    return f"a cell of more than {FIELD} characters" if any(len(cell) > FIELD for cell in row) else ""


def _free(name: str, styles: dict[str, Style], line: int, problems: list[str]) -> str:
    """`name`, or with its line behind it when an earlier row has it: nothing is dropped."""
    if name not in styles:
        return name
    new = f"{name} ({line})"
    problems.append(f"Styles: line {line} - the name {shown(name)} is there twice; shown as {shown(new)}.")
    return new


def _decoded(data: bytes, problems: list[str]) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problems.append(f"Styles: line {line} - not UTF-8 text; save the file as \"CSV UTF-8\".")
        return data.decode("utf-8-sig", "replace")


def _delimiter(first: str, problems: list[str]) -> str:
    """Comma, or the semicolon or tab that some spreadsheets write instead."""
    for other in (";", "\t"):
        if first.count(other) > first.count(","):
            problems.append("Styles: line 1 - the columns are parted by "
                            f"{'semicolons' if other == ';' else 'tabs'}; read so, will be written with commas.")
            return other
    return ","


def _guarded(cell: str) -> str:
    """A leading apostrophe keeps spreadsheets from running a cell; `_plain` takes it off again."""
    return f"'{cell}" if FORMULA.match(cell) else cell


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell
