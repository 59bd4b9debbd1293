"""How a prompt is built: which of the study's six slots are filled, in which order, and what pulls against what.

Reads words only, by a small vocabulary; it knows no tokenizer. Time grows linearly with the prompt, of which the first
`READ` characters are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

READ = 20_000                # characters; advice is given at every key stroke
SLOTS = ("subject", "medium", "style", "details", "resolution", "lighting")
KINDS = ("people", "animal", "landscape", "thing")
LONGEST = 4                  # words of the longest entry in the vocabulary
SMALL = frozenset(("a", "an", "the", "of", "in", "on", "at", "to", "with", "and", "or", "for", "by", "from", "into",
                   "is", "are", "his", "her", "its", "my", "your", "one", "two", "three", "very"))
NETWORK = re.compile(r"<(\w+):([^<>:]{1,200})[^<>]{0,200}>")
WEIGHT = re.compile(r":\s{0,4}[-+]?\d{0,4}\.?\d{1,4}\s{0,4}(?=[)\]])")
PHRASES = re.compile(r"[,;\n|]|\bBREAK\b|\bAND\b|\.\s")
WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")


@dataclass(frozen=True)
class Phrase:
    """One comma-separated piece: as it stands (without weights and brackets), and its words in lower case."""

    text: str
    words: tuple[str, ...]

    def terms(self) -> Iterator[str]:
        """Every run of up to LONGEST words, longest first; a plural also as its singular."""
        for length in range(min(LONGEST, len(self.words)), 0, -1):
            for start in range(len(self.words) - length + 1):
                run = self.words[start:start + length]
                yield " ".join(run)
                if len(run[-1]) > 3 and run[-1].endswith("s"):
                    yield " ".join((*run[:-1], run[-1][:-1]))


def phrases(text: str) -> tuple[Phrase, ...]:
    """The pieces of a prompt, weights, brackets and `<lora:…>` taken off."""
    plain = WEIGHT.sub("", NETWORK.sub(",", text[:READ]))
    plain = re.sub(r"[()\[\]{}\\]", " ", plain)
    pieces = (" ".join(piece.split()) for piece in PHRASES.split(plain))
    return tuple(Phrase(piece, tuple(WORD.findall(piece.lower()))) for piece in pieces if WORD.search(piece))


def networks(text: str) -> tuple[str, ...]:
    """Names of the `<lora:name:…>` in a prompt."""
    return tuple(name for _kind, name in NETWORK.findall(text[:READ]))


@dataclass(frozen=True)
class Slot:
    """One part of a prompt: what was found for it, and what could be added when nothing was."""

    id: str
    label: str
    text: str
    found: tuple[str, ...]
    example: str

    @property
    def present(self) -> bool:
        return bool(self.found)


@dataclass(frozen=True)
class Contradiction:
    """Words of the prompt and of the negative prompt that pull against each other."""

    positive: str
    negative: str


class Vocabulary:
    """The words of presets/advice/vocabulary.yaml, ready for look-up."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.kind_of = {word: kind for kind in reversed(KINDS) for word in _words(data["subjects"][kind])}
        self.slots_of: dict[str, set[str]] = {}
        for slot, words in data["slots"].items():
            for word in _words(words):
                self.slots_of.setdefault(word, set()).add(slot)
        self.looks = {word: look for look, words in data["looks"].items() for word in _words(words)}
        self.examples: Mapping[str, Mapping[str, str]] = data["examples"]
        self.body = frozenset(_words(data["body_words"]))
        self.faults = frozenset(_words(data["contradictions"]["faults"]))
        self.near = tuple(frozenset(_words(group)) for group in data["contradictions"]["near"])


class Reading:
    """A prompt and its negative prompt, read once. All properties are drawn from the vocabulary."""

    def __init__(self, prompt: str, negative: str, vocabulary: Vocabulary) -> None:
        self.phrases, self.negatives = phrases(prompt), phrases(negative)
        self.networks = networks(prompt)
        self.vocabulary = vocabulary
        self.foreign = _foreign(prompt[:READ])

    @cached_property
    def found(self) -> Mapping[str, tuple[str, ...]]:
        """Slot -> the phrases that fill it, in the order they stand."""
        slots: dict[str, list[str]] = {slot: [] for slot in SLOTS}
        for index, phrase in enumerate(self.phrases):
            for slot in self._slots(phrase, first=index == 0, has_subject=bool(slots["subject"])):
                slots[slot].append(phrase.text)
        return {slot: tuple(texts) for slot, texts in slots.items()}

    def _slots(self, phrase: Phrase, first: bool, has_subject: bool) -> set[str]:
        """A phrase may fill several slots; one with unknown words is the subject when it comes first, else a detail."""
        words = self.vocabulary
        terms = list(phrase.terms())
        slots = {slot for term in terms for slot in words.slots_of.get(term, ())}
        subjects = {_singular(term) for term in terms if term in words.kind_of}
        if subjects:
            return slots | ({"subject"} if not has_subject else set()) | (
                {"details"} if has_subject or len(subjects) > 1 else set())
        covered = {word for term in terms if term in words.slots_of for word in term.split()}
        rest = [w for w in phrase.words if not (w in SMALL or w in covered or (w.endswith("s") and w[:-1] in covered))]
        if rest and not has_subject and first:
            return slots | {"subject"}
        return slots | {"details"} if rest else slots

    @cached_property
    def kind(self) -> str:
        """"people", "landscape", "animal", "thing", or "other". People anywhere make it a picture of people."""
        kinds = [self.vocabulary.kind_of[t] for p in self.phrases for t in p.terms() if t in self.vocabulary.kind_of]
        if "people" in kinds and kinds[0] != "landscape":
            return "people"
        return kinds[0] if kinds else "other"

    @cached_property
    def look(self) -> str:
        """"photorealism", "illustration" or ""."""
        found = (self.vocabulary.looks[t] for p in self.phrases for t in p.terms() if t in self.vocabulary.looks)
        return next(found, "")

    @property
    def word_count(self) -> int:
        return sum(len(p.words) for p in self.phrases)

    @cached_property
    def too_early(self) -> tuple[str, str] | None:
        """(subject phrase, earlier phrase) when style, light or quality words stand before the subject."""
        subject = self.found["subject"][:1]
        first = self.phrases[0].text if self.phrases else ""
        early = any(first in self.found[slot][:1] for slot in ("style", "resolution", "lighting"))
        return (subject[0], first) if subject and early and subject[0] != first else None

    @cached_property
    def useless(self) -> tuple[str, ...]:
        """Body words in the negative prompt of a picture without people or animals."""
        if self.kind not in ("landscape", "thing"):
            return ()
        return tuple(dict.fromkeys(t for p in self.negatives for t in p.terms() if t in self.vocabulary.body))

    @cached_property
    def contradictions(self) -> tuple[Contradiction, ...]:
        """At most five pairs, each phrase named once."""
        found: dict[str, Contradiction] = {}
        by_word: dict[str, Phrase] = {}
        for phrase in self.phrases:
            for term in phrase.terms():
                by_word.setdefault(term, phrase)
        for phrase in self.negatives:
            clash = self._clash(phrase, by_word)
            if clash and phrase.text not in found:
                found[phrase.text] = Contradiction(clash.text, phrase.text)
        return tuple(found.values())[:5]

    def _clash(self, negative: Phrase, by_word: Mapping[str, Phrase]) -> Phrase | None:
        """The prompt's phrase that a negative phrase pulls against: the same words, the same thing, or a near word."""
        whole = " ".join(negative.words)
        if whole in by_word:
            return by_word[whole]
        if set(negative.words) & self.vocabulary.faults:
            return None
        terms = list(negative.terms())
        if len(negative.words) <= 3 and (head := _singular(negative.words[-1])) in by_word and head not in SMALL:
            ours = by_word[head]
            if _singular(ours.words[-1]) == head:
                return ours
        for group in self.vocabulary.near:
            if group.intersection(terms):
                hit = next((by_word[word] for word in sorted(group) if word in by_word), None)
                if hit:
                    return hit
        return None


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _words(entries: Any) -> list[str]:
    return [str(entry).lower() for entry in entries]


def _foreign(text: str) -> bool:
    """Whether most letters are outside the Latin script."""
    letters = [c for c in text if c.isalpha()]
    return bool(letters) and sum(c > "\u024f" for c in letters) * 2 > len(letters)
