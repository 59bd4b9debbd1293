"""Very many pictures: requests of every kind through a PNG, and texts of another program by a writer that is not ours."""

from __future__ import annotations

import io
from random import Random
from typing import Any

from PIL import Image

from pipelines.metadata import from_infotext, read, write
from tests.metadata.drawn import drawn, told


def test_ten_thousand_requests_come_back_from_png() -> None:
    rng, picture = Random(8), Image.new("RGB", (2, 2))
    for number in range(10_000):
        request, file = drawn(rng), io.BytesIO()
        write(picture, file, request)
        found = read(file.getvalue())
        assert (found.full, found.notes) == (request, ()), number


def test_a_thousand_texts_of_automatic1111_are_read_to_the_right_fields() -> None:
    rng = Random(1111)
    for number in range(1000):
        wanted = told(rng)
        found = from_infotext(wanted.text).request
        assert {path: at(found, path) for path in wanted.fields} == wanted.fields, (number, wanted.text)


def at(request: dict[str, Any], path: str) -> Any:
    part, _, name = path.rpartition(".")
    return (request.get(part) or {} if part else request).get(name)
