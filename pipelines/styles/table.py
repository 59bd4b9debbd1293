"""The text of a styles.csv, read and written: every fault named by its line, nothing dropped, no formula left alive."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipelines.spec.errors import shown

COLUMNS = ("name", "prompt", "negative_prompt")
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
