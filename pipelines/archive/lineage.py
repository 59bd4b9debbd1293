"""What was made from what: from a picture to the one it was started from, and on to those that were made of it.

A picture names its start by the sha256 of the kept copy (`init.image`). That the copy was once a picture of the outputs
is written down when it is kept, one line in `.inputs/origins.txt`: "hash<TAB>file". The rest follows from the pictures.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.archive.inputs import Inputs
from pipelines.archive.outputs import Archive
from pipelines.spec.errors import StudioError
from pipelines.spec.param import SHA256
from pipelines.spec.paths import is_utf8

ORIGINS = "origins.txt"
MOST = 80           # pictures shown of one tree
DEEPEST = 40
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Node:
    """One picture of a tree. file: of the outputs, "" for one that came from elsewhere.   kept: its copy's hash, or "".

    there: whether it can still be opened.   made: those made from it, oldest first.
    """

    file: str
    kept: str
    there: bool
    made: tuple[Node, ...] = ()


class Lineage:
    """Safe to use from several threads. A line that cannot be read says nothing; one that cannot be written is only logged."""

    def __init__(self, archive: Archive, inputs: Inputs) -> None:
        self._archive, self._inputs = archive, inputs
        self._lock = threading.Lock()
        self._file_of: dict[str, str] = {}
        self._read = (0, 0)         # time (ns) and size of what was read

    def note(self, kept: str, path: str | Path) -> None:
        """The kept picture is a copy of the file at `path`; nothing is noted of files that lie elsewhere."""
        try:
            file = Path(path).resolve().relative_to(self._archive.root.resolve()).as_posix()
        except (ValueError, OSError):
            return
        if file.startswith(".") or any(c in file for c in "\t\r\n") or not is_utf8(file) or self.origin(kept) == file:
            return
        try:
            with self._path.open("a", encoding="utf-8") as lines:
                lines.write(f"\n{kept}\t{file}")       # a torn line before it stays alone
        except OSError as error:
            log.warning("What %s was made from is not written down: %s", file, error)

    def origin(self, kept: str) -> str:
        """The file of the outputs that the kept picture was, "" when it was none."""
        return self._known().get(kept, "")

    def start_of(self, file: str) -> str:
        """The kept name of what the picture `file` was started from, "" for none."""
        try:
            request = self._archive.get(file).request
        except StudioError:
            return ""
        init = request.get("init")
        name = init.get("image") if isinstance(init, dict) else ""
        return name if isinstance(name, str) and SHA256.fullmatch(name) else ""

    def tree(self, file: str) -> Node:
        """The whole family of a picture, from the first one it goes back to; at most `MOST` pictures."""
        top, seen = file, {file}
        kept = self.start_of(top)
        while kept and (above := self.origin(kept)) and above not in seen and len(seen) < DEEPEST:
            top = above
            seen.add(top)
            kept = self.start_of(top)
        left = [MOST]
        node = self._node(top, left, set())
        return node if not kept or self.origin(kept) else Node("", kept, self._is_kept(kept), self._siblings(kept, node, left))

    def _siblings(self, kept: str, node: Node, left: list[int]) -> tuple[Node, ...]:
        """All that was made from a picture that came from elsewhere, `node` among them."""
        others = tuple(self._node(f, left, {node.file}) for f in self._made_from([kept]) if f != node.file and left[0] > 0)
        return tuple(sorted((node, *others), key=lambda n: n.file))

    def _node(self, file: str, left: list[int], above: set[str]) -> Node:
        left[0] -= 1
        copies = [kept for kept, origin in self._known().items() if origin == file]
        made = [f for f in self._made_from(copies) if f not in above and f != file]
        below = tuple(self._node(f, left, above | {file}) for f in made if left[0] > 0 and len(above) < DEEPEST)
        return Node(file, copies[0] if copies else "", self._is_there(file), below)

    def _made_from(self, copies: list[str]) -> Iterator[str]:
        found = {item.file: item.made for kept in copies for item in self._archive.items(f"from:{kept}", limit=MOST)}
        yield from sorted(found, key=lambda file: (found[file], file))

    def _is_there(self, file: str) -> bool:
        try:
            return bool(self._archive.open(file))
        except StudioError:
            return False

    def _is_kept(self, kept: str) -> bool:
        try:
            return bool(self._inputs.path(kept))
        except StudioError:
            return False

    @property
    def _path(self) -> Path:
        return self._inputs.folder / ORIGINS

    def _known(self) -> dict[str, str]:
        """Every line so far; read again when another process has written."""
        with self._lock:
            try:
                stat = self._path.stat()
                if (stat.st_mtime_ns, stat.st_size) != self._read:
                    text = self._path.read_text(encoding="utf-8", errors="replace")
                    pairs = (line.split("\t") for line in text.splitlines())
                    self._file_of = {p[0]: p[1] for p in pairs if len(p) == 2 and SHA256.fullmatch(p[0])}
                    self._read = (stat.st_mtime_ns, stat.st_size)
            except OSError:         # none has been written yet
                self._file_of = {}
            return self._file_of
