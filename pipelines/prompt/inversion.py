"""Textual inversion embeddings by name: vectors of a file in the place of words, without touching vocabulary or weights.

A name in the prompt becomes place holders, one a vector. While a chunk is encoded, a hook on the token embedding puts the
vectors where the place holders stand; it is gone afterwards. Knows no files: it is given names and vectors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.spec.errors import FieldError

if TYPE_CHECKING:
    from torch import Tensor

FIRST_HOLDER = 1 << 40      # beyond every vocabulary
_RUN = re.compile(r"\w+")


@dataclass(frozen=True)
class Inversion:
    """One embedding: (vectors, width) by the width of the encoder it is for; SDXL files hold two. `key` names its file."""

    name: str
    vectors: Mapping[int, Tensor]
    key: str = ""


def mentioned(text: str, names: Sequence[str]) -> list[tuple[int, int, str]]:
    """(start, end, name) of every name that stands alone in `text`, in any case; the longest wins. Linear in the text."""
    by_run: dict[str, list[str]] = {}
    for name in sorted(names, key=len, reverse=True):
        run = _RUN.search(name)
        if run is not None:
            by_run.setdefault(run[0].lower(), []).append(name)
    lowered = text.lower() if len(text.lower()) == len(text) else text
    found: list[tuple[int, int, str]] = []
    for run in _RUN.finditer(lowered) if by_run else ():
        for name in by_run.get(run[0].lower(), ()):
            lead = _RUN.search(name)
            start = run.start() - (lead.start() if lead else 0)
            end = start + len(name)
            alone = not (start and _RUN.match(lowered[start - 1]) and _RUN.match(name)) and not _continues(lowered, end)
            if start >= (found[-1][1] if found else 0) and lowered[start:end].lower() == name.lower() and alone:
                found.append((start, end, name))
                break
    return found


def _continues(text: str, end: int) -> bool:
    return end < len(text) and bool(_RUN.match(text[end])) and bool(_RUN.match(text[end - 1]))


def unfit(name: str, widths: Iterable[int], wanted: int) -> FieldError:
    """The refusal of an embedding that has vectors of `widths` and none of the `wanted` one."""
    had = ", ".join(map(str, widths))
    return FieldError("Embedding", name, f"made for a text encoder {had} wide; this model's is {wanted} wide",
                      fix="Use one made for this kind of model; if the word was meant, rename the file")


class Inversions:
    """The embeddings one run may use."""

    def __init__(self, inversions: Sequence[Inversion] = ()) -> None:
        self._by_name = {inversion.name: inversion for inversion in inversions}
        self._rows: list[tuple[Inversion, int]] = []    # place holder - FIRST_HOLDER -> (embedding, which vector)
        self._first: dict[str, int] = {}
        for inversion in inversions:
            self._first[inversion.name] = len(self._rows)
            most = max((v.shape[0] for v in inversion.vectors.values()), default=0)
            self._rows += [(inversion, row) for row in range(most)]

    def cut(self, words: str, width: int) -> Iterator[str | list[int]]:
        """`words` in order: plain text, and the place holders of an embedding for an encoder `width` wide."""
        at = 0
        for start, end, name in mentioned(words, tuple(self._by_name)):
            vectors = self._by_name[name].vectors.get(width)
            if vectors is None:
                raise unfit(name, self._by_name[name].vectors, width)
            if words[at:start]:
                yield words[at:start]
            first = FIRST_HOLDER + self._first[name]
            yield list(range(first, first + vectors.shape[0]))
            at = end
        if words[at:] or at == 0:
            yield words[at:]

    def together(self, ids: Sequence[int], at: int) -> int:
        """How many of `ids` from place `at` on are one embedding; 1 for words, and within one."""
        if ids[at] < FIRST_HOLDER or self._rows[ids[at] - FIRST_HOLDER][1]:
            return 1
        end = at + 1
        while end < len(ids) and ids[end] == ids[end - 1] + 1 and self._rows[ids[end] - FIRST_HOLDER][1]:
            end += 1
        return end - at

    def named(self, ids: Sequence[int]) -> tuple[Any, ...]:
        """`ids` as a cache may key them: place holders by what they stand for."""
        return tuple(i if i < FIRST_HOLDER else (self._rows[i - FIRST_HOLDER][0].key or self._rows[i - FIRST_HOLDER][0].name,
                                                 self._rows[i - FIRST_HOLDER][1]) for i in ids)

    @contextmanager
    def given(self, encoder: Any, ids: Tensor) -> Iterator[None]:
        """Within the block `encoder` reads the vectors; place holders in `ids` (1, tokens) become a harmless token."""
        held = [(place, int(token) - FIRST_HOLDER) for place, token in enumerate(ids[0].tolist()) if token >= FIRST_HOLDER]
        if not held:
            yield
            return
        ids[ids >= FIRST_HOLDER] = 0        # never the end token, at which the encoder takes its pooled state

        def put(_module: Any, _args: Any, output: Tensor) -> Tensor:
            result = output.clone()
            for place, row in held:
                inversion, vector = self._rows[row]
                result[:, place] = inversion.vectors[output.shape[-1]][vector].to(output)
            return result

        handle = encoder.get_input_embeddings().register_forward_hook(put)
        try:
            yield
        finally:
            handle.remove()


NO_INVERSIONS = Inversions()
