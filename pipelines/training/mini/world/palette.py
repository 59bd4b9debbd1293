"""The colours of the picture-book world: named paints, skin and hair tones, skies and the light of each time of day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

Colour = tuple[int, int, int]
Paint = tuple[int, int, int] | tuple[int, int, int, int]

COLOURS: Mapping[str, Colour] = MappingProxyType(
    {
        "red": (218, 58, 52),
        "orange": (240, 138, 48),
        "yellow": (248, 204, 66),
        "green": (78, 158, 84),
        "blue": (58, 112, 196),
        "purple": (134, 88, 182),
        "pink": (244, 142, 176),
        "white": (250, 247, 240),
        "black": (48, 45, 56),
        "brown": (136, 88, 58),
        "grey": (150, 153, 162),
    }
)
HAIR: Mapping[str, Colour] = MappingProxyType(
    {
        "black": (46, 40, 48),
        "brown": (112, 70, 46),
        "blonde": (240, 203, 112),
        "red": (196, 84, 44),
        "pink": (246, 128, 178),
        "blue": (74, 128, 206),
        "white": (232, 230, 232),
        "purple": (146, 98, 190),
    }
)
SKIN: Mapping[str, Colour] = MappingProxyType(
    {
        "pale": (255, 226, 204),
        "fair": (250, 208, 178),
        "tan": (222, 170, 128),
        "brown": (164, 112, 80),
        "dark": (112, 74, 56),
    }
)
NEON: tuple[Colour, ...] = ((255, 72, 160), (64, 224, 240), (255, 214, 84), (160, 104, 255), (255, 110, 90))


@dataclass(frozen=True)
class Light:
    """What a time of day does: sky stops from zenith to horizon, factors on scenery and on subjects (0..1 a channel)."""

    sky: tuple[Colour, Colour, Colour]
    scenery: tuple[float, float, float]
    subject: tuple[float, float, float]
    disc: Colour


LIGHTS: Mapping[str, Light] = MappingProxyType(
    {
        "morning": Light(
            ((148, 206, 240), (206, 228, 236), (255, 232, 196)), (1.0, 0.98, 0.92), (1.0, 0.99, 0.95), (255, 244, 190)
        ),
        "day": Light(((74, 160, 234), (128, 198, 244), (198, 234, 250)), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (255, 232, 104)),
        "sunset": Light(((98, 70, 146), (232, 112, 116), (255, 194, 112)), (0.98, 0.80, 0.74), (1.0, 0.90, 0.84), (255, 226, 130)),
        "night": Light(((16, 20, 56), (32, 42, 92), (60, 74, 132)), (0.50, 0.56, 0.80), (0.90, 0.89, 0.98), (250, 246, 214)),
    }
)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`first` moved towards `second` by `share` (0..1)."""
    return tuple(round(a + (b - a) * share) for a, b in zip(first, second, strict=True))  # type: ignore[return-value]


def darker(colour: Colour, share: float = 0.22) -> Colour:
    """A shade of the colour: towards a warm dark blue, which looks painted where black looks dirty."""
    return mix(colour, (34, 26, 60), share)


def lighter(colour: Colour, share: float = 0.3) -> Colour:
    """A tint of the colour: towards warm white."""
    return mix(colour, (255, 252, 240), share)


def lit(colour: Colour, factors: tuple[float, float, float]) -> Colour:
    """The colour under a light whose factors are 0..1 a channel."""
    return tuple(min(255, round(c * f)) for c, f in zip(colour, factors, strict=True))  # type: ignore[return-value]
