"""Heads: face, hair in its styles, glasses, beard, hat."""

from __future__ import annotations

from pipelines.training.mini.world.paint import Painter, Point
from pipelines.training.mini.world.palette import COLOURS, HAIR, SKIN, Colour, darker, lighter, mix
from pipelines.training.mini.world.scene import Person

INK: Colour = (52, 42, 52)


def paint_hair_back(p: Painter, person: Person, crown: Point, head: float) -> None:
    """The hair that falls behind neck and shoulders."""
    (x, top), tone = crown, HAIR[person.hair_colour]
    back = darker(tone, 0.16)
    if person.hair == "long":
        p.box((x - 0.56 * head, top + 0.2 * head), (1.12 * head, 1.34 * head), back, radius=0.4 * head)
    elif person.hair == "bob":
        p.box((x - 0.56 * head, top + 0.2 * head), (1.12 * head, 0.88 * head), back, radius=0.3 * head)
    elif person.hair == "ponytail":
        side = person.facing
        p.line(
            (
                (x + side * 0.36 * head, top + 0.3 * head),
                (x + side * 0.74 * head, top + 0.52 * head),
                (x + side * 0.7 * head, top + 1.2 * head),
            ),
            0.27 * head,
            back,
        )
    elif person.hair == "bun":
        p.disc((x, top - 0.02 * head), 0.25 * head, back)


def paint_head(p: Painter, person: Person, crown: Point, head: float) -> None:
    """Ears, face, features, fringe, then what is worn."""
    (x, top), skin = crown, SKIN[person.skin]
    for side in (-1, 1):
        p.disc((x + side * 0.45 * head, top + 0.58 * head), 0.1 * head, darker(skin, 0.1))
    p.oval((x, top + 0.54 * head), 0.46 * head, 0.46 * head, skin)
    paint_age(p, person, crown, head)
    paint_face(p, person, crown, head)
    if person.beard:
        tone = HAIR[person.hair_colour]
        p.poly(
            (
                (x - 0.45 * head, top + 0.6 * head),
                (x - 0.36 * head, top + 0.92 * head),
                (x, top + 1.1 * head),
                (x + 0.36 * head, top + 0.92 * head),
                (x + 0.45 * head, top + 0.6 * head),
                (x + 0.24 * head, top + 0.72 * head),
                (x - 0.24 * head, top + 0.72 * head),
            ),
            tone,
        )
        p.arc((x, top + 0.76 * head), (0.11 * head, 0.07 * head), (10, 170), 0.04 * head, mix((214, 92, 92), skin, 0.2))
    paint_fringe(p, person, crown, head)
    if person.glasses:
        for side in (-1, 1):
            p.arc((x + side * 0.19 * head, top + 0.57 * head), (0.155 * head, 0.145 * head), (0, 360), 0.038 * head, INK)
        p.line(((x - 0.05 * head, top + 0.56 * head), (x + 0.05 * head, top + 0.56 * head)), 0.035 * head, INK)
    if person.hat:
        paint_hat(p, COLOURS[person.hat], crown, head)


def paint_age(p: Painter, person: Person, crown: Point, head: float) -> None:
    """What tells girl from woman and boy from man where the figure's height does not show: jaw, moustache, dummy, freckles.

    The large ones are a quarter of a head (see also ear-rings, bows, neckerchief): a sixteenfold autoencoder loses what is smaller.
    """
    (x, top), skin = crown, SKIN[person.skin]
    if person.kind == "man":
        p.box((x - 0.36 * head, top + 0.62 * head), (0.72 * head, 0.42 * head), skin, radius=0.12 * head)
        for side in (-1, 1):
            brow = (x + side * 0.19 * head, top + 0.44 * head)
            p.line(
                ((brow[0] - 0.09 * head, brow[1]), (brow[0] + 0.09 * head, brow[1])),
                0.06 * head,
                darker(HAIR[person.hair_colour], 0.3),
            )
        if not person.beard:
            paint_moustache(p, person, crown, head)
    elif person.kind == "baby":
        p.disc((x, top + 0.79 * head), 0.13 * head, (96, 178, 232))
        p.disc((x, top + 0.79 * head), 0.06 * head, (250, 250, 250))
    elif person.kind == "boy":
        for side in (-1, 1):
            for dx, dy in ((0.2, 0.7), (0.28, 0.67), (0.25, 0.75)):
                p.disc((x + side * dx * head, top + dy * head), 0.022 * head, darker(skin, 0.35))


def paint_moustache(p: Painter, person: Person, crown: Point, head: float) -> None:
    """A man's, where he has no beard; of his hair's colour, or dark where he has none."""
    (x, top), tone = crown, darker(HAIR[person.hair_colour], 0.2)
    for side in (-1, 1):
        p.poly(
            (
                (x, top + 0.68 * head),
                (x + side * 0.16 * head, top + 0.7 * head),
                (x + side * 0.27 * head, top + 0.82 * head),
                (x, top + 0.79 * head),
            ),
            tone,
        )


def paint_face(p: Painter, person: Person, crown: Point, head: float) -> None:
    """Eyes with a gleam, brows, cheeks, nose, smile."""
    (x, top), skin = crown, SKIN[person.skin]
    big = {"baby": 1.15, "girl": 1.1, "boy": 1.05}.get(person.kind, 1.0)
    for side in (-1, 1):
        eye = (x + side * 0.18 * head, top + 0.57 * head)
        p.oval(eye, 0.062 * head * big, 0.085 * head * big, INK)
        p.disc((eye[0] + 0.018 * head, eye[1] - 0.03 * head), 0.024 * head * big, (255, 255, 255))
        p.oval((x + side * 0.29 * head, top + 0.72 * head), 0.085 * head, 0.055 * head, (240, 110, 110, 110))
        p.arc(
            (eye[0], eye[1] - 0.1 * head),
            (0.08 * head, 0.06 * head),
            (205, 335),
            0.028 * head,
            darker(HAIR[person.hair_colour], 0.3),
        )
        if person.kind in ("woman", "girl"):
            p.line(
                ((eye[0] + side * 0.05 * head, eye[1] - 0.05 * head), (eye[0] + side * 0.1 * head, eye[1] - 0.09 * head)),
                0.028 * head,
                INK,
            )
    p.line(((x - 0.02 * head, top + 0.69 * head), (x + 0.02 * head, top + 0.69 * head)), 0.035 * head, darker(skin, 0.22))
    if person.kind == "baby":
        return  # a dummy is there
    if not person.beard:
        low = 0.8 if person.kind == "man" else 0.75
        red, wide = ((196, 40, 60), 0.075) if person.kind == "woman" else ((206, 84, 92), 0.04)
        p.arc((x, top + low * head), (0.12 * head, 0.08 * head), (10, 170), wide * head, red)


def paint_fringe(p: Painter, person: Person, crown: Point, head: float) -> None:
    """The hair over the forehead."""
    (x, top), tone = crown, HAIR[person.hair_colour]
    if person.hair == "bald":
        if person.kind == "baby":
            p.arc((x, top + 0.1 * head), (0.07 * head, 0.07 * head), (150, 400), 0.035 * head, tone)
        return
    points = [
        (x - 0.5 * head, top + 0.52 * head),
        (x - 0.49 * head, top + 0.3 * head),
        (x - 0.34 * head, top + 0.08 * head),
        (x - 0.12 * head, top - 0.02 * head),
        (x + 0.14 * head, top - 0.02 * head),
        (x + 0.36 * head, top + 0.08 * head),
        (x + 0.49 * head, top + 0.3 * head),
        (x + 0.5 * head, top + 0.52 * head),
        (x + 0.38 * head, top + 0.36 * head),
        (x + person.facing * 0.16 * head, top + 0.26 * head),
        (x - person.facing * 0.05 * head, top + 0.38 * head),
        (x - 0.38 * head, top + 0.36 * head),
    ]
    p.poly(points, tone)
    if person.hair == "short":
        for dx in (-0.26, -0.06, 0.16):
            p.poly(
                [
                    (x + (dx - 0.08) * head, top + 0.05 * head),
                    (x + (dx + 0.04) * head, top - 0.1 * head),
                    (x + (dx + 0.16) * head, top + 0.05 * head),
                ],
                tone,
            )
    if person.hair in ("long", "bob"):
        low = 1.25 if person.hair == "long" else 0.95
        for side in (-1, 1):
            p.line(((x + side * 0.47 * head, top + 0.42 * head), (x + side * 0.5 * head, top + low * head)), 0.17 * head, tone)
    p.arc((x, top + 0.36 * head), (0.36 * head, 0.26 * head), (215, 275), 0.045 * head, lighter(tone, 0.35))
    if person.kind == "girl":  # two bows, over whatever hair
        for side in (-1, 1):
            knot = (x + side * 0.46 * head, top + 0.2 * head)
            for wing in (-1, 1):
                tip = knot[0] + wing * 0.16 * head
                p.poly((knot, (tip, knot[1] - 0.11 * head), (tip, knot[1] + 0.11 * head)), (232, 66, 96))
            p.disc(knot, 0.045 * head, (176, 40, 70))
    elif person.kind == "woman":  # ear-rings, likewise
        for side in (-1, 1):
            p.disc((x + side * 0.5 * head, top + 0.84 * head), 0.12 * head, (250, 206, 70), raw=True)


def paint_hat(p: Painter, colour: Colour, crown: Point, head: float) -> None:
    """A knitted cap with a brim and a pompom."""
    x, top = crown
    p.poly(
        (
            (x - 0.5 * head, top + 0.28 * head),
            (x - 0.42 * head, top + 0.02 * head),
            (x - 0.22 * head, top - 0.14 * head),
            (x + 0.22 * head, top - 0.14 * head),
            (x + 0.42 * head, top + 0.02 * head),
            (x + 0.5 * head, top + 0.28 * head),
        ),
        colour,
    )
    p.box(
        (x - 0.54 * head, top + 0.2 * head),
        (1.08 * head, 0.16 * head),
        darker(colour, 0.18) if sum(colour) > 200 else lighter(colour, 0.2),
        radius=0.07 * head,
    )
    p.disc((x, top - 0.2 * head), 0.12 * head, lighter(colour, 0.4))
