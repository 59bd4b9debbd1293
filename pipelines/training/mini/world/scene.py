"""A scene: everything that determines one picture of the world, sampled from a seed under a curriculum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

PLACES = ("meadow", "beach", "street", "desert", "snow", "mountains", "park", "room")
TIMES = ("morning", "day", "sunset", "night")
PERSONS = ("girl", "boy", "woman", "man", "baby")
THINGS = ("house", "tree", "car", "cat", "dog", "boat", "flower", "bird")
POSES = ("standing", "waving", "arms up", "walking", "hands on hips")
FRAMINGS = ("close-up", "cowboy shot", "full figure")
STYLES = ("flat illustration", "line drawing", "watercolour", "pixel art", "soft 3d shading")
HAIR_STYLES = ("long", "bob", "short", "bun", "ponytail", "bald")
GARMENTS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black", "brown", "grey")

_USUAL_COLOURS = {
    "house": ("red", "yellow", "white", "blue", "orange", "pink", "green", "brown", "purple", "grey"),
    "tree": ("green", "green", "orange", "pink", "yellow", "red"),
    "car": ("red", "blue", "yellow", "green", "white", "black", "orange", "pink", "purple", "grey"),
    "cat": ("white", "black", "orange", "grey", "brown"),
    "dog": ("white", "black", "orange", "grey", "brown"),
    "boat": ("red", "blue", "yellow", "green", "white", "orange", "brown", "purple"),
    "flower": ("red", "yellow", "pink", "purple", "blue", "orange", "white"),
    "bird": ("red", "yellow", "blue", "green", "white", "black", "pink", "orange"),
}


@dataclass(frozen=True)
class Person:
    """One figure. `x`, `top`, `head` are fractions of the picture's width, height and height (head is one head's height)."""

    kind: str
    skin: str
    hair: str
    hair_colour: str
    top_colour: str
    bottom_colour: str
    top: str  # "jacket" | "sweater" | "dress"
    bottom: str  # "trousers" | "jeans" | "skirt"
    pose: str
    x: float
    crown: float
    head: float
    glasses: bool = False
    beard: bool = False
    hat: str | None = None
    facing: int = 1


@dataclass(frozen=True)
class Thing:
    """One object. `x` and `base` are fractions of width and height, `size` is its extent in fractions of the shorter side."""

    kind: str
    colour: str
    x: float
    base: float
    size: float
    facing: int = 1


@dataclass(frozen=True)
class Scene:
    """A picture before it is painted. The same scene is always the same pixels."""

    seed: int
    width: int
    height: int
    place: str
    time: str
    style: str
    framing: str
    horizon: float  # fraction of the height
    ground: str = "meadow"  # what lies before the mountains: "meadow" or "snow"
    people: tuple[Person, ...] = ()
    things: tuple[Thing, ...] = ()
    layout: int = 0  # seed of the scenery's small variations


@dataclass(frozen=True)
class Curriculum:
    """How wide the world is. Widen `wander`, `layouts`, `odd` and `styles` as training time allows.

    people, nothing: shares of pictures with a person and without any subject; the rest shows things.
    several: share of thing pictures with two or three of a kind. odd: share of unusual colours (a blue cat).
    wander: jitter of position and size as a factor, 1 is the full world. layouts: number of scenery layouts a place has.
    styles: share of each style in the order of STYLES. sizes: (width, height, share) of each bucket.
    """

    people: float = 0.42
    nothing: float = 0.12
    several: float = 0.12
    odd: float = 0.1
    wander: float = 0.5
    layouts: int = 24
    styles: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 0.0)
    sizes: tuple[tuple[int, int, float], ...] = ((256, 256, 1.0),)
    framings: tuple[float, float, float] = (0.3, 0.4, 0.3)
    poses: tuple[float, ...] = (0.5, 0.2, 0.1, 0.1, 0.1)


FIRST = Curriculum()
# What a model that knows the first world goes on with: more counts, poses, odd colours, a fifth in other sizes and in other styles.
GROWN = Curriculum(
    people=0.46,
    nothing=0.08,
    several=0.2,
    odd=0.15,
    wander=0.6,
    styles=(0.8, 0.05, 0.05, 0.05, 0.05),
    sizes=((256, 256, 0.8), (208, 320, 0.1), (320, 208, 0.1)),
    poses=(0.4, 0.2, 0.14, 0.13, 0.13),
)
# More whole figures and more of the rarer poses: trousers and arms are learned last.
LIVELY = replace(GROWN, people=0.5, nothing=0.05, framings=(0.24, 0.38, 0.38), poses=(0.28, 0.2, 0.18, 0.17, 0.17))
WIDE = Curriculum(
    wander=1.0,
    layouts=100_000,
    several=0.25,
    odd=0.25,
    styles=(0.6, 0.1, 0.1, 0.1, 0.1),
    sizes=((256, 256, 0.5), (208, 320, 0.25), (320, 208, 0.25)),
)


@dataclass
class _Dice:
    """A seeded source of choices."""

    random: Random = field(default_factory=Random)

    def pick(self, items: Sequence, shares: Sequence[float] | None = None):  # noqa: ANN202 - any item
        return self.random.choices(items, shares)[0]

    def near(self, middle: float, spread: float) -> float:
        return middle + self.random.uniform(-spread, spread)

    def chance(self, share: float) -> bool:
        return self.random.random() < share


def sample(seed: int, mix: Curriculum = FIRST) -> Scene:
    """The scene of a seed (any int) under a curriculum."""
    dice = _Dice(Random(seed))
    width, height = dice.pick([(w, h) for w, h, _ in mix.sizes], [s for *_, s in mix.sizes])
    place, time = dice.pick(PLACES), dice.pick(TIMES, (0.15, 0.35, 0.25, 0.25))
    people: tuple[Person, ...] = ()
    things: tuple[Thing, ...] = ()
    framing, draw = "landscape", dice.random.random()
    if draw < mix.people:
        framing = dice.pick(FRAMINGS, mix.framings)
        people = (sample_person(dice, framing, (width, height), mix),)
    elif draw < 1 - mix.nothing or place == "room":
        things = sample_things(dice, place, mix)
    return Scene(
        seed=seed,
        width=width,
        height=height,
        place=place,
        time=time,
        style=dice.pick(STYLES, mix.styles),
        framing=framing,
        horizon=dice.near(0.56, 0.05 * mix.wander),
        ground="snow" if dice.chance(0.2) else "meadow",
        people=people,
        things=things,
        layout=dice.random.randrange(mix.layouts),
    )


def sample_things(dice: _Dice, place: str, mix: Curriculum) -> tuple[Thing, ...]:
    """One to three objects of one kind and colour, standing on the ground of the lower half."""
    kinds = [k for k in THINGS if not (place == "room" and k in ("house", "tree", "car", "boat"))]
    kind = dice.pick(kinds, [{"car": 1.3, "cat": 1.3}.get(k, 1.0) for k in kinds])
    colour = dice.pick(GARMENTS if dice.chance(mix.odd) else _USUAL_COLOURS[kind])
    count = dice.pick((2, 3)) if dice.chance(mix.several) else 1
    size = dice.near({1: 0.64, 2: 0.4, 3: 0.29}[count], (0.12 if count == 1 else 0.05) * mix.wander)
    size *= {"car": 1.12, "house": 1.05, "tree": 1.15, "flower": 0.95, "bird": 0.9}.get(kind, 1.0)
    gap = 0.9 / count
    middle = dice.near(0.5, 0.14 * mix.wander) if count == 1 else 0.5
    base = dice.near(0.86 if place != "room" else 0.9, 0.05 * mix.wander)
    facing = dice.pick((1, -1))
    return tuple(
        Thing(kind, colour, middle + (k - (count - 1) / 2) * gap, dice.near(base, 0.02 if count > 1 else 0.0), size, facing)
        for k in range(count)
    )


def sample_person(dice: _Dice, framing: str, size: tuple[int, int], mix: Curriculum) -> Person:
    """A figure that fits its framing; height counts in heads (see people.py)."""
    kind = dice.pick(PERSONS, (0.25, 0.22, 0.25, 0.2, 0.08))
    female, grown = kind in ("girl", "woman"), kind in ("woman", "man")
    if kind == "baby":
        framing_head, crown = {"close-up": (0.5, 0.16), "cowboy shot": (0.42, 0.14), "full figure": (0.33, 0.17)}[framing]
    else:
        framing_head, crown = {"close-up": (0.46, 0.15), "cowboy shot": (0.29, 0.12), "full figure": (0.185, 0.1)}[framing]
        framing_head *= 1.0 if grown else {"close-up": 1.0, "cowboy shot": 1.08, "full figure": 1.2}[framing]
    if size[1] < size[0]:
        crown *= 0.8
    hair = dice.pick(HAIR_STYLES, {True: (0.4, 0.2, 0.06, 0.14, 0.2, 0.0), False: (0.06, 0.08, 0.72, 0.02, 0.04, 0.08)}[female])
    if kind == "baby":
        hair = dice.pick(("short", "bald"))
    top = "dress" if female and dice.chance(0.2) else dice.pick(("jacket", "sweater"), (0.6, 0.4))
    bottom = "skirt" if female and dice.chance(0.2) else dice.pick(("jeans", "trousers"))
    bottoms = (
        ("blue", "blue", "black", "black", "grey")
        if bottom == "jeans"
        else ("blue", "black", "white", "brown", "grey", "green", "red")
    )
    return Person(
        kind=kind,
        skin=dice.pick(("pale", "fair", "tan", "brown", "dark")),
        hair=hair,
        hair_colour=dice.pick(("black", "brown", "blonde", "red", "pink", "blue", "white", "purple"), (3, 3, 3, 2, 2.5, 1, 1, 1)),
        top_colour=dice.pick(GARMENTS),
        bottom_colour=dice.pick(bottoms),
        top=top,
        bottom=bottom,
        pose=dice.pick(POSES, mix.poses),
        x=dice.near(0.5, 0.1 * mix.wander),
        crown=dice.near(crown, 0.03 * mix.wander),
        head=framing_head * dice.near(1.0, 0.1 * mix.wander),
        glasses=dice.chance(0.18),
        beard=kind == "man" and dice.chance(0.4),
        hat=dice.pick(GARMENTS) if dice.chance(0.15) else None,
        facing=dice.pick((1, -1)),
    )
