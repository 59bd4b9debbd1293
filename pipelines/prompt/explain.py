"""What the studio makes of a prompt: its tree, a weight for every token, what holds at which step, what is not there. No torch.

Pure: names of LoRAs and embeddings, and the tokenizer, are given.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipelines.prompt.chunks import CAPACITY
from pipelines.prompt.inversion import mentioned
from pipelines.prompt.networks import networks, without_networks
from pipelines.prompt.parse import parts, pieces, strip_comments
from pipelines.prompt.printed import printed
from pipelines.prompt.regions import check
from pipelines.prompt.tree import Alternating, Break, Network, Node, Prompt, Scheduled, Span, Weighted, at_step, timeline
from pipelines.spec.errors import FieldError, unknown

Tokens = Callable[[str], list[tuple[int, str]]]     # words -> (id, the characters it stands for)
DEEPEST = 40        # levels of the tree that are shown
VECTOR = "•"        # stands for every further vector of an embedding


@dataclass(frozen=True)
class Piece:
    """One token with its weight; `chunk` counts from 0, and `embedding` names the file it comes from."""

    text: str
    weight: float
    chunk: int
    embedding: str = ""


@dataclass(frozen=True)
class Branch:
    """One node of the tree: what it is, in words; `active` says whether it holds at the step that was asked for."""

    kind: str       # "text", "weight", "schedule", "option", "break"
    text: str
    active: bool = True
    children: tuple[Branch, ...] = ()


@dataclass(frozen=True)
class Condition:
    """One prompt of an AND (or the only one). `stretches`: (first step, words) in order. `region`: as written; "": everywhere."""

    weight: float
    tree: tuple[Branch, ...]
    pieces: tuple[Piece, ...]
    chunks: int
    stretches: tuple[tuple[int, str], ...]
    region: str = ""


@dataclass(frozen=True)
class Explained:
    """`troubles` stop a run (unknown LoRA, unreadable number); `notes` only tell.

    read_as: the prompt as one would type what it was read as, where that is not what was typed; else "".
    """

    conditions: tuple[Condition, ...]
    loras: tuple[Network, ...]
    embeddings: tuple[str, ...]
    notes: tuple[str, ...]
    troubles: tuple[str, ...]
    read_as: str = ""


@dataclass(frozen=True)
class Known:
    """What a prompt may name, and the vocabulary it is cut with (None: no tokens are shown).

    embeddings: with the number of their vectors, each of which takes a token's place.
    """

    loras: Collection[str] = ()
    embeddings: Mapping[str, int] = field(default_factory=dict)
    tokens: Tokens | None = None


def explain(text: str, step: int = 0, steps: int = 1, emphasis: str = "Original", known: Known = Known()) -> Explained:
    """The prompt as it stands at `step` (0-based) of `steps`. Never raises for what is written."""
    troubles: list[str] = []
    try:
        loras = networks(text)
    except FieldError as error:
        loras, troubles = (), [str(error)]
    try:
        check(pieces(text))
    except FieldError as error:
        troubles.append(str(error))
    stems = {name.rpartition("/")[2].lower() for name in known.loras} | {name.lower() for name in known.loras}
    troubles += [str(unknown("LoRA", n.name, known.loras)) for n in loras if n.name.lower() not in stems]
    named = {name: known.embeddings[name] for _, _, name in mentioned(text, tuple(known.embeddings))}
    known = replace(known, embeddings=named)
    read = parts(text, emphasis != "None")
    conditions = tuple(_condition(one, (step, steps), known) for one in read)
    used = {piece.embedding: None for one in conditions for piece in one.pieces if piece.embedding}
    notes = [note for one in read for note in one.notes]
    chunks = max(one.chunks for one in conditions)
    if chunks > 1:
        notes.append(f"The prompt takes {chunks} chunks of {CAPACITY} tokens; nothing is cut off, but later chunks weigh less.")
    if emphasis == "Ignore" and any(piece.weight != 1 for one in conditions for piece in one.pieces):
        notes.append("Emphasis is Ignore: the weights are read and not used.")
    return Explained(conditions, loras, tuple(used), tuple(dict.fromkeys(notes)), tuple(troubles),
                     "" if emphasis == "None" else _read_as(text, read))


def _read_as(text: str, read: Sequence[Prompt]) -> str:
    weighed = (("" if one.weight == 1 else f" :{one.weight:g}") + (f" {one.region}" if one.region else "") for one in read)
    again = " AND ".join(printed(one).strip() + weight for one, weight in zip(read, weighed, strict=True))
    return again if again.split() != without_networks(strip_comments(text)).split() else ""


def _condition(prompt: Prompt, when: tuple[int, int], known: Known) -> Condition:
    step, steps = when
    spans = at_step(prompt, step, steps)
    pieces, chunks = _pieces(spans, known)
    stretches = tuple((start, _words(words)) for start, words in timeline(prompt, steps))
    return Condition(prompt.weight, _branches(prompt.nodes, when, True, 0), pieces, chunks, stretches,
                     str(prompt.region or ""))


def _words(spans: Sequence[Span]) -> str:
    return "".join(" BREAK " if span.text is None else span.text for span in spans).strip()


def _pieces(spans: Sequence[Span], known: Known) -> tuple[tuple[Piece, ...], int]:
    """Tokens in order with the chunk each falls into, as `chunks.chunked` cuts them."""
    from pipelines.prompt.chunks import chunked

    if known.tokens is None:
        return tuple(Piece(s.text, s.weight, 0) for s in spans if s.text is not None), 1
    seen: list[tuple[str, str, int]] = []   # what token number i of the whole prompt shows, its embedding, how many stay together
    tokens = known.tokens
    comma = (tokens(",") or [(-1, "")])[-1][0]

    def numbered(words: str) -> list[int]:
        if words == ",":                # `chunked` asks once which token a comma is
            return [-1]
        ids = []
        for token, shows, embedding in _tokens(words, known):
            ids.append(-1 if token == comma else len(seen))
            first = embedding and shows != VECTOR
            seen.append((shows, embedding, known.embeddings[embedding] if first else 1))
        return ids

    def together(ids: Sequence[int], at: int) -> int:
        return 1 if ids[at] < 0 else seen[ids[at]][2]

    cut = chunked([Span(" ,", s.weight) if s.text == "," else s for s in spans], numbered,
                  together=together)
    weights = [(weight, index) for index, chunk in enumerate(cut) for weight in chunk.weights]
    return tuple(Piece(shows, weight, chunk, embedding)
                 for (shows, embedding, _), (weight, chunk) in zip(seen, weights, strict=True)), len(cut)


def _tokens(words: str, known: Known) -> list[tuple[int, str, str]]:
    at, found = 0, []
    tokens = known.tokens or (lambda text: [(0, text)])
    for start, end, name in mentioned(words, tuple(known.embeddings)):
        found += [(token, shows, "") for token, shows in tokens(words[at:start])]
        found += [(-2, words[start:end], name), *[(-2, VECTOR, name)] * (known.embeddings[name] - 1)]
        at = end
    return found + [(token, shows, "") for token, shows in tokens(words[at:])]


def _branches(nodes: Sequence[Node], when: tuple[int, int], active: bool, depth: int) -> tuple[Branch, ...]:
    if depth > DEEPEST:
        return (Branch("text", "…", active),) if nodes else ()
    return tuple(_branch(node, when, active, depth + 1) for node in nodes)


def _branch(node: Node, when: tuple[int, int], active: bool, depth: int) -> Branch:
    if isinstance(node, str):
        return Branch("text", node, active)
    if isinstance(node, Break):
        return Branch("break", "BREAK", active)
    if isinstance(node, Weighted):
        return Branch("weight", f"× {node.weight:g}", active, _branches(node.nodes, when, active, depth))
    return _changing(node, when, active, depth)


def _changing(node: Scheduled | Alternating, when: tuple[int, int], active: bool, depth: int) -> Branch:
    step, steps = when
    if isinstance(node, Scheduled):
        begins = node.begins(steps)
        later = step >= begins
        until = f"to step {min(begins, steps)}" if begins > 0 else "never"
        since = f"from step {begins + 1}" if begins < steps else "never in this pass"
        return Branch("schedule", f"changes at {node.when:g}", active, (
            Branch("option", until, active and not later, _branches(node.before, when, active and not later, depth)),
            Branch("option", since, active and later, _branches(node.after, when, active and later, depth))))
    turn = step % len(node.options)
    return Branch("schedule", "another at every step", active, tuple(
        Branch("option", f"option {i + 1}", active and i == turn, _branches(option, when, active and i == turn, depth))
        for i, option in enumerate(node.options)))
