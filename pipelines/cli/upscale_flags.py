"""The flags of `upscale`. What they give lies in `Order.given`; `upscale.asked` reads it."""

from __future__ import annotations

import argparse
from typing import Any

TILED: tuple[tuple[str, type, str], ...] = (
    ("padding", int, "pixels a tile looks beyond its own area; default 32"),
    ("method", str, "Blended (default), Feathered or Separate"),
    ("mask-blur", int, "of Separate: width of a tile's soft edge; default 8"), ("order", str, "of Separate: Linear or Chess"),
    ("seam-fix", str, "of Separate: None, Band, Half tile or \"Half tile + intersections\""),
    ("seam-denoising-strength", float, "how much a seam is painted anew; default 0.35"),
    ("seam-width", int, "of a Band, pixels; default 64"),
    ("denoising-strength", float, "0 keeps the enlarged picture; default 0.3"),
    ("prompt", str, "default: what the picture's own file says"), ("negative-prompt", str, "likewise"),
    ("model", str, "likewise, else mini"), ("steps", int, "likewise"), ("seed", int, "likewise, else from the picture"))


def upscale_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command, on a parser that already has those of the settings."""
    def flag(*names: str, to: str, **more: Any) -> None:
        parser.add_argument(*names, dest=f"given.{to}", **more)

    parser.add_argument("given.files", nargs="+", metavar="FILE", help="pictures, or folders of pictures")
    flag("-o", "--output", to="out", default="", metavar="OUT",
         help="a file for one picture, else a folder; default: beside each picture, NAME-upscaled")
    flag("--format", to="format", default="", metavar="FORMAT",
         help="png, png16 (16 bits a channel), jpeg or webp; default: as OUT is named, else the setting output-format")
    flag("--quality", to="quality", type=int, default=0, metavar="1-100", help="of jpeg and webp")
    flag("--upscaler", to="upscaler", default="", metavar="NAME", help="as the studio lists it; default: mini's, or Lanczos")
    flag("--second-upscaler", to="second", default="", metavar="NAME", help="laid over the first")
    flag("--second-visibility", to="visibility", type=float, default=0.5, metavar="0-1", help="how much of it shows")
    flag("--scale", to="scale", type=float, default=2.0, metavar="1-8", help="factor; default 2")
    flag("--width", to="width", type=int, default=0, metavar="PIXELS", help="exact size instead of a factor")
    flag("--height", to="height", type=int, default=0, metavar="PIXELS", help="one side alone keeps the aspect")
    flag("--crop", to="crop", action=argparse.BooleanOptionalAction, default=True,
         help="both sides given: cut the centre out, else stretch")
    flag("--tile", to="tile", type=int, default=0, metavar="PIXELS", help="side of a tile; default: from memory")
    flag("--tile-overlap", to="overlap", type=int, default=32, metavar="PIXELS", help="what neighbours share")
    flag("--restore-faces", to="restorer", default="", metavar="NAME", help="GFPGAN, RestoreFormer or CodeFormer, as it is listed")
    flag("--face-visibility", to="face_visibility", type=float, default=1.0, metavar="0-1", help="how much of the restored shows")
    flag("--codeformer-weight", to="weight", type=float, default=0.5, metavar="0-1", help="0 repairs most, 1 stays closest")
    group = parser.add_argument_group("painted again in tiles (--tile is then the side of a tile of the model, 0 its own size)")
    group.add_argument("--tiled-diffusion", dest="given.tiled", action="store_true",
                       help="let a model paint the enlarged picture again, tile by tile")
    for name, kind, text in TILED:
        group.add_argument("--" + name, dest="given.paint." + name.replace("-", "_"), type=kind, default=None,
                           metavar=name.rpartition("-")[2].upper(), help=text)
    group.add_argument("--held", dest="given.paint.held", action="store_true",
                       help="a tile or canny ControlNet of the model keeps what the picture shows: the strength may rise")
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")
