"""The phrases that captions are made of."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PLACE_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "meadow": (
            "in a meadow",
            "on a green meadow",
            "meadow",
            "among green hills",
            "on the grass",
            "in a field of flowers",
            "green meadow",
        ),
        "beach": ("on the beach", "at the beach", "by the sea", "beach", "at the seaside", "on the sand by the ocean", "sea"),
        "street": (
            "in a street",
            "in the city",
            "on a city street",
            "street",
            "street, tokyo",
            "in tokyo",
            "in a town",
            "on the road in the city",
        ),
        "desert": ("in the desert", "desert", "among sand dunes and cacti", "in a hot desert", "in the sand of the desert"),
        "snow": ("in the snow", "snow", "on snow", "in a snowy field", "in winter", "in a snowy forest", "snowy"),
        "mountains meadow": (
            "in the mountains",
            "mountains",
            "before snowy mountains",
            "in a mountain meadow",
            "with snowy mountains behind",
            "in a green valley with snowy mountains",
            "in front of mountains",
            "snowy mountains in the background",
        ),
        "mountains snow": (
            "in snowy mountains",
            "in the mountains in winter",
            "snow, mountains",
            "in the snow before mountains",
            "in the snowy mountains",
        ),
        "park": ("in a park", "in the park", "park", "on a path in the park", "under the trees of a park", "in the garden"),
        "room": ("in a room", "indoors", "in a cosy room", "room", "at home", "inside the house", "in the living room"),
    }
)
NEON_WORDS = (
    "in a neon street",
    "neon street",
    "street, tokyo, cold neon lights",
    "street, tokyo, neon lights",
    "in a neon tokyo street",
    "in a city street with neon signs",
    "in tokyo, neon lights",
    "city, neon signs",
    "street, tokyo, cold neon lights",
)
LANDSCAPES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "meadow": ("a green meadow", "green hills", "a meadow with flowers", "a landscape with a green meadow", "a green field"),
        "beach": ("a beach", "the sea", "a beach with a palm tree", "the ocean and the beach", "an empty beach"),
        "street": ("a city street", "an empty street", "a street in tokyo", "a city", "tokyo street"),
        "desert": ("a desert", "a desert with cacti", "sand dunes", "a desert landscape"),
        "snow": ("a snowy landscape", "snow and fir trees", "a snowy field", "a winter landscape", "a snowy forest"),
        "mountains meadow": (
            "snowy mountains behind a green meadow",
            "snowy mountains behind a green meadow",
            "a green valley with a snowy mountain",
            "a snowy mountain, green valley",
            "mountains and a meadow",
            "a mountain landscape",
            "green valley, snowy mountains",
            "snowy mountains",
        ),
        "mountains snow": (
            "snowy mountains in winter",
            "mountains and snow",
            "snowy mountains behind a snow field",
            "a snowy mountain landscape",
        ),
        "park": ("a park", "a path in a park", "a park with trees", "an empty park"),
        "room": ("a room", "a cosy room", "a room with a window", "an empty room"),
    }
)
TIME_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "morning": ("in the morning", "morning", "at dawn", "in the early morning"),
        "day": ("at noon", "by day", "on a sunny day", "day", "in daylight", "under a blue sky", "during the day"),
        "sunset": ("at sunset", "sunset", "at dusk", "in the evening", "at golden hour", "at sunset"),
        "night": ("at night", "night", "at midnight", "under the moon", "under the stars", "evening", "at night"),
    }
)
LIGHT_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "morning": ("soft morning light", "pale morning light"),
        "day": ("bright daylight", "sunny", "sunlight", "clear blue sky"),
        "sunset": ("warm sunset light", "golden light", "orange sky", "golden hour"),
        "night": ("moonlight", "starry sky", "dark night", "moonlit"),
    }
)
FRAMING_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "close-up": ("close-up", "close-up portrait", "portrait", "head and shoulders", "face"),
        "cowboy shot": ("cowboy shot", "medium shot", "half body"),
        "full figure": ("full figure", "full body", "full body shot", "whole figure"),
    }
)
STYLE_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "flat illustration": (
            "flat illustration",
            "picture book illustration",
            "illustration",
            "vector art",
            "digital painting",
            "cartoon",
        ),
        "line drawing": ("line drawing", "ink drawing", "line art", "sketch"),
        "watercolour": ("watercolour", "watercolor painting", "aquarelle"),
        "pixel art": ("pixel art", "8-bit pixel art", "retro pixel art"),
        "soft 3d shading": ("soft 3d shading", "3d render", "clay render", "3d"),
    }
)
PERSON_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "girl": ("girl", "little girl", "girl", "schoolgirl"),
        "boy": ("boy", "little boy", "boy", "schoolboy"),
        "woman": ("woman", "young lady", "lady", "young woman", "woman", "young lady"),
        "man": ("man", "young man", "gentleman", "man", "guy"),
        "baby": ("baby", "little baby", "toddler"),
    }
)
THING_WORDS: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        "house": (("house", "houses"), ("house", "houses"), ("cottage", "cottages"), ("little house", "little houses")),
        "tree": (("tree", "trees"),),
        "car": (("car", "cars"), ("car", "cars"), ("automobile", "automobiles"), ("little car", "little cars")),
        "cat": (("cat", "cats"), ("cat", "cats"), ("kitten", "kittens"), ("sitting cat", "sitting cats")),
        "dog": (("dog", "dogs"), ("dog", "dogs"), ("puppy", "puppies")),
        "boat": (("boat", "boats"), ("sailing boat", "sailing boats"), ("ship", "ships"), ("sailboat", "sailboats")),
        "flower": (("flower", "flowers"), ("flower", "flowers"), ("blossom", "blossoms")),
        "bird": (("bird", "birds"), ("bird", "birds"), ("little bird", "little birds")),
    }
)
PREFIXES = ("a photo of", "a picture of", "an illustration of", "a drawing of", "a painting of", "an image of", "a photograph of")
QUALITY = (
    "best quality",
    "highly detailed",
    "masterpiece",
    "high resolution",
    "8k",
    "4k",
    "sharp focus",
    "ultra detailed",
    "beautiful",
    "award winning",
    "trending on artstation",
    "intricate details",
    "hd",
    "cinematic",
    "photorealistic",
    "professional",
    "vivid colours",
    "uhd",
    "bokeh",
    "realistic",
)
