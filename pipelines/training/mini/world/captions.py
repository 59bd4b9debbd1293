"""Captions: many phrasings of what a scene shows, and the labels that exactly these words state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType

from pipelines.training.mini.world.labels import labels
from pipelines.training.mini.world.scene import Person, Scene
from pipelines.training.mini.world.words import (
    FRAMING_WORDS,
    LANDSCAPES,
    LIGHT_WORDS,
    NEON_WORDS,
    PERSON_WORDS,
    PLACE_WORDS,
    PREFIXES,
    QUALITY,
    STYLE_WORDS,
    THING_WORDS,
    TIME_WORDS,
)


@dataclass(frozen=True)
class Caption:
    """A text and what it states: label name to value; what the text leaves open is absent."""

    text: str
    states: Mapping[str, str]


@dataclass
class _Writer:
    """Collects words and what they state."""

    rng: Random
    truth: Mapping[str, str]
    states: dict[str, str]

    def say(self, *names: str) -> None:
        for name in names:
            if name in self.truth:
                self.states[name] = self.truth[name]

    def pick(self, words: Sequence[str]) -> str:
        return self.rng.choice(words)

    def often(self, share: float) -> bool:
        return self.rng.random() < share


def caption(scene: Scene, rng: Random) -> Caption:
    """One of many captions of the scene. Attributes are dropped and reordered; nothing untrue is said."""
    w = _Writer(rng, labels(scene), {})
    place = w.pick(place_words(scene, w)) if w.often(0.85) else ""
    time = w.pick(TIME_WORDS[scene.time]) if w.often(0.8) else ""
    if place:
        w.say("place", "ground") if scene.place == "mountains" else w.say("place")
    if time and time != "in the evening" and time != "evening":
        w.say("time")
    details: list[str] = []
    if scene.people:
        subject, details = person_words(scene.people[0], w)
        if w.often(0.55):
            w.say("framing")
            details.insert(0, w.pick(FRAMING_WORDS[scene.framing]))
    elif scene.things:
        subject = thing_words(scene, w)
    else:
        subject, place = w.pick(LANDSCAPES[scene.place + ("" if scene.place != "mountains" else " " + scene.ground)]), ""
        w.say("place", "ground") if scene.place == "mountains" else w.say("place")
    if w.often(0.5 if scene.style == "flat illustration" else 0.95):
        style = w.pick(STYLE_WORDS[scene.style])
        w.say("style")
    else:
        style = ""
    return Caption(arrange(w, (subject, place, time, style), details, scene).strip(" ,").lower(), MappingProxyType(w.states))


def place_words(scene: Scene, w: _Writer) -> Sequence[str]:
    """Phrases for the place; the street glows only in the evening, and mountains have a foreground."""
    if scene.place == "street" and scene.time in ("night", "sunset") and w.often(0.5):
        return NEON_WORDS
    return PLACE_WORDS[scene.place if scene.place != "mountains" else f"mountains {scene.ground}"]


def thing_words(scene: Scene, w: _Writer) -> str:
    """`a red car`, `two white cats`, `car`."""
    thing, count = scene.things[0], len(scene.things)
    one, many = w.pick(THING_WORDS[thing.kind])
    colour = ""
    if w.often(0.9):
        colour = thing.colour + " "
        w.say("colour")
    w.say("subject")
    if count == 1:
        w.say("count")
        article = w.pick(("a ", "a ", "one ", ""))
        return ("an " if article == "a " and (colour + one)[0] in "aeiou" else article) + colour + one
    w.say("count")
    return f"{ {2: 'two', 3: 'three'}[count] } {colour}{many}"


def person_words(person: Person, w: _Writer) -> tuple[str, list[str]]:
    """The noun phrase of a person with some attributes inside, and the others as details."""
    noun = w.pick(PERSON_WORDS[person.kind])
    w.say("subject", "count")
    facts: list[tuple[str, tuple[str, ...]]] = []
    if person.hair != "bald":
        facts.append(
            (
                w.pick(
                    (
                        f"{person.hair_colour} hair",
                        f"{person.hair_colour} hair",
                        f"{person.hair} {person.hair_colour} hair",
                        f"{person.hair_colour} {person.hair} hair",
                    )
                ),
                ("hair colour",),
            )
        )
        if person.hair in facts[-1][0].split():
            facts[-1] = (facts[-1][0], ("hair colour", "hair"))
    elif person.kind != "baby":
        facts.append(("bald head", ("hair",)))
    cloth = (
        {("jacket", "blue"): "denim jacket", ("jacket", "black"): "leather jacket"}.get((person.top, person.top_colour), "")
        if w.often(0.5)
        else ""
    )
    facts.append((cloth or f"{person.top_colour} {person.top}", ("top", "top colour")))
    if person.top != "dress" and w.truth.get("framing") != "close-up":
        facts.append((f"{person.bottom_colour} {person.bottom}", ("bottom", "bottom colour")))
    facts += [
        (text, (name,)) for held, text, name in ((person.glasses, "glasses", "glasses"), (person.beard, "beard", "beard")) if held
    ]
    if person.hat:
        facts.append((w.pick((f"{person.hat} hat", f"{person.hat} cap")), ("hat",)))
    if person.skin != "fair" and w.often(0.4):
        facts.append((f"{person.skin} skin", ("skin",)))
    if person.pose != "standing" or w.often(0.2):
        facts.append((person.pose, ("pose",)))
    kept = [f for f in facts if w.often(0.62)]
    for _, names in kept:
        w.say(*names)
    w.rng.shuffle(kept)
    phrase = w.pick(("a ", "a ", "one ", "")) + noun
    inside = [t for t, names in kept if names[0] not in ("pose",)][: w.rng.choice((0, 1, 2))]
    if inside:
        phrase += " with " + " and ".join(
            t if t.endswith(("hair", "jeans", "trousers", "glasses", "skin")) else f"a {t}" for t in inside
        )
    return phrase, [t for t, _ in kept if t not in inside]


def arrange(w: _Writer, core: tuple[str, str, str, str], details: list[str], scene: Scene) -> str:
    """Sentence, half sentence, the study's order (subject, medium, style, details, resolution, lighting), or shuffled tags."""
    subject, place, time, style = core
    quality = [w.pick(QUALITY) for _ in range(w.rng.choice((0, 0, 0, 1, 2)))]
    light = [w.pick(LIGHT_WORDS[scene.time])] if w.often(0.25) else []
    if light:
        w.say("time")
    way = w.rng.choice(("sentence", "sentence", "halves", "study", "tags"))
    if way == "sentence":
        head = " ".join(x for x in (subject, place, time) if x)
        head = w.pick(PREFIXES) + " " + head if w.often(0.3) and not style else head
        return ", ".join(x for x in (head, *details, style, *quality, *light) if x)
    if way == "halves":
        return ", ".join(x for x in (subject, *details, " ".join(x for x in (place, time) if x), style, *quality) if x)
    if way == "study":
        return ", ".join(x for x in (subject, style, *details, time, place, *quality, *light) if x)
    rest = [x for x in (place, time, style, *details, *light) if x]
    w.rng.shuffle(rest)
    return ", ".join([subject, *rest, *quality] if w.often(0.7) else [*quality, *rest, subject])
