"""Writes PNG files with 16 bits a channel and text chunks. Pillow writes 16 bits for grey pictures only."""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO

import numpy as np
from PIL import PngImagePlugin

from pipelines.deep import Deep
from pipelines.metadata.containers import PNG_MAGIC

COLOURS = {"RGB": 2, "RGBA": 6}     # PNG's numbers for them
SUB, UP = 1, 2                      # filters of a row: less its left neighbour, less the row above


def write_png16(picture: Deep, file: BinaryIO, texts: PngImagePlugin.PngInfo, level: int = 4) -> None:
    """The whole file, rows packed a band at a time. Raises OSError."""
    width, height = picture.size
    file.write(PNG_MAGIC)
    PngImagePlugin.putchunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 16, COLOURS[picture.mode], 0, 0, 0))
    for kind, data, *_ in texts.chunks:
        PngImagePlugin.putchunk(file, kind, data)
    packer = zlib.compressobj(level)
    channels = len(picture.mode)
    above = np.zeros((1, width * channels * 2), np.uint8)
    for band in picture.bands():
        rows = band.astype(">u2").reshape(len(band), -1).view(np.uint8)
        _idat(file, packer.compress(_filtered(rows, above, channels * 2)))
        above = rows[-1:]
    _idat(file, packer.flush())
    PngImagePlugin.putchunk(file, b"IEND", b"")


def _filtered(rows: np.ndarray, above: np.ndarray, step: int) -> bytes:
    """Each row behind the number of whichever of two filters leaves it smaller (PNG specification, 12.8)."""
    left = np.zeros_like(rows)
    left[:, step:] = rows[:, :-step]
    ways = np.stack([rows - left, rows - np.concatenate([above, rows[:-1]])])      # wraps at 256, as PNG's filters do
    cost = np.abs(ways.view(np.int8).astype(np.int16)).sum(-1, dtype=np.int64)
    best = cost.argmin(0)
    numbers = np.where(best == 0, SUB, UP).astype(np.uint8)
    return np.concatenate([numbers[:, None], ways[best, np.arange(len(rows))]], axis=1).tobytes()


def _idat(file: BinaryIO, data: bytes) -> None:
    if data:
        PngImagePlugin.putchunk(file, b"IDAT", data)
