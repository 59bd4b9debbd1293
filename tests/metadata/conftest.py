"""Requests of every kind, and small pictures, for the tests of this room."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import pytest
from hypothesis import strategies as st
from PIL import Image

from pipelines import samplers
from pipelines.spec.parts import LAST_SEED
from pipelines.spec.request import GenerationRequest

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\0"), min_size=1, max_size=12)
ANY_TEXT = st.text(st.characters(), max_size=60)  # with lone surrogates, NUL, bidi marks, line breaks, emoji
SEEDS = st.integers(0, LAST_SEED)


def requests(texts: st.SearchStrategy[str] = ANY_TEXT) -> st.SearchStrategy[GenerationRequest]:
    """Whole requests, every field drawn."""
    variation = st.none() | st.fixed_dictionaries({"seed": SEEDS, "strength": st.floats(0, 1)})
    return st.builds(
        GenerationRequest.parse,
        st.fixed_dictionaries(
            {
                "prompt": texts,
                "negative_prompt": texts,
                "styles": st.lists(ANY_TEXT, max_size=2).map(tuple),
                "model": ANY_TEXT,
                "vae": st.just("Automatic") | ANY_TEXT,
                "clip_skip": st.integers(1, 12),
                "sampler": st.sampled_from([s.name for s in samplers.SAMPLERS if not s.broken]),
                "schedule": st.sampled_from([s.name for s in samplers.SCHEDULES if not s.broken]),
                "steps": st.integers(1, 150),
                "cfg_scale": st.floats(1, 30),
                "cfg_rescale": st.floats(0, 1),
                "cfg_start": st.floats(0, 1),
                "cfg_end": st.floats(0, 1),
                "width": st.integers(8, 512).map(lambda n: n * 8),
                "height": st.integers(8, 512).map(lambda n: n * 8),
                "tiling": st.booleans(),
                "seed": SEEDS,
                "variation": variation,
                "batch_count": st.integers(1, 1000),
                "batch_size": st.integers(1, 64),
                "model_hash": st.sampled_from(["", "0a1b2c3d4e"]),
            }
        ),
    )


def chunk(kind: bytes, data: bytes) -> bytes:
    """One PNG chunk with its check sum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.fixture
def png_with() -> Callable[..., bytes]:
    """Makes the bytes of a small PNG that carries the given raw chunks after its header."""

    def make(*chunks: tuple[bytes, bytes]) -> bytes:
        plain = io.BytesIO()
        Image.new("RGB", (8, 8), "teal").save(plain, "PNG")
        data = plain.getvalue()
        return data[:33] + b"".join(chunk(kind, body) for kind, body in chunks) + data[33:]

    return make


@pytest.fixture
def picture() -> Image.Image:
    return Image.new("RGB", (16, 8), "teal")
