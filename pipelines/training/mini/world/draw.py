"""From a scene to its picture."""

from __future__ import annotations

from PIL import Image

from pipelines.training.mini.world.paint import Painter
from pipelines.training.mini.world.palette import LIGHTS
from pipelines.training.mini.world.people import paint_person
from pipelines.training.mini.world.places import paint_place
from pipelines.training.mini.world.scene import Scene
from pipelines.training.mini.world.styles import finish
from pipelines.training.mini.world.things import paint_thing


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
