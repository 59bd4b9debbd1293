"""Attribute labels of a scene: a name and one of a closed list of values for everything a caption may state."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pipelines.training.mini.world.scene import (
    FRAMINGS,
    GARMENTS,
    HAIR_STYLES,
    PERSONS,
    PLACES,
    POSES,
    STYLES,
    THINGS,
    TIMES,
    Scene,
)

VALUES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "subject": ("nothing", *PERSONS, *THINGS),
        "colour": GARMENTS,
        "count": ("0", "1", "2", "3"),
        "place": PLACES,
        "ground": ("meadow", "snow"),
        "time": TIMES,
        "style": STYLES,
        "framing": ("landscape", *FRAMINGS),
        "hair": HAIR_STYLES,
        "hair colour": ("black", "brown", "blonde", "red", "pink", "blue", "white", "purple"),
        "top": ("jacket", "sweater", "dress"),
        "top colour": GARMENTS,
        "bottom": ("trousers", "jeans", "skirt"),
        "bottom colour": GARMENTS,
        "pose": POSES,
        "glasses": ("no", "yes"),
        "beard": ("no", "yes"),
        "hat": ("none", *GARMENTS),
        "skin": ("pale", "fair", "tan", "brown", "dark"),
    }
)


def labels(scene: Scene) -> Mapping[str, str]:
    """Everything that is true of the scene; attributes that it has no place for are absent."""
    found = {
        "place": scene.place,
        "time": scene.time,
        "style": scene.style,
        "framing": scene.framing,
        "count": str(len(scene.people) + len(scene.things)),
        "subject": "nothing",
    }
    if scene.place == "mountains":
        found["ground"] = scene.ground
    for thing in scene.things[:1]:
        found |= {"subject": thing.kind, "colour": thing.colour}
    for person in scene.people[:1]:
        found |= {
            "subject": person.kind,
            "hair": person.hair,
            "hair colour": person.hair_colour,
            "top": person.top,
            "top colour": person.top_colour,
            "pose": person.pose,
            "glasses": "yes" if person.glasses else "no",
            "beard": "yes" if person.beard else "no",
            "hat": person.hat or "none",
            "skin": person.skin,
        }
        if person.top != "dress":
            found |= {"bottom": person.bottom, "bottom colour": person.bottom_colour}
    return MappingProxyType(found)
