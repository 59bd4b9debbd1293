"""Requests in picture files: `write` puts one in, `read` takes it out, our JSON exact and A1111's text beside it."""

from pipelines.images import open_image
from pipelines.metadata.containers import read_texts
from pipelines.metadata.infotext import infotext, parse_infotext
from pipelines.metadata.reading import NOTHING, Read, from_infotext, read
from pipelines.metadata.writing import QUALITY, SUFFIXES, check_size, envelope, png_texts, write

__all__ = ["NOTHING", "QUALITY", "SUFFIXES", "Read", "check_size", "envelope", "from_infotext", "infotext", "open_image",
           "parse_infotext", "png_texts", "read", "read_texts", "write"]
