"""From a scene to its picture."""

from __future__ import annotations

from PIL import Image

from .paint import Painter
from .palette import LIGHTS
from .people import paint_person
from .places import paint_place
from .scene import Scene
from .styles import finish
from .things import paint_thing


def record(scene: Scene) -> Painter:
    """All shapes of the scene, back to front, with owners 1.. in the order things, people."""
    p = Painter(scene.width, scene.height)
    paint_place(p, scene)
    p.light = LIGHTS[scene.time].subject
    owner = 0
    for thing in sorted(scene.things, key=lambda t: t.base):
        owner += 1
        paint_thing(p, thing, owner, scene)
    for person in scene.people:
        owner += 1
        paint_person(p, person, owner, scene)
    return p


def draw(scene: Scene) -> Image.Image:
    """The RGB picture of a scene, (width, height) pixels."""
    return finish(record(scene), scene.style, scene.seed)
