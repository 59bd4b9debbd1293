"""The flags of `batch` beside those of a request. What they give lies in `Order.given`."""

from __future__ import annotations

import argparse


def batch_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("given.in", metavar="IN", help="a folder with pictures, sub-folders too")
    parser.add_argument("outputs_dir", metavar="OUT", help="where the results are kept, under the same names")
    parser.add_argument("--masks", dest="given.masks", metavar="DIR", default=argparse.SUPPRESS,
                        help="masks of the same names, white is painted anew; or one mask for all")
    parser.add_argument("--own-size", dest="given.own-size", action="store_true", default=argparse.SUPPRESS,
                        help="paint each picture at about its own size instead of --width and --height")
    parser.add_argument("--dry-run", action="store_true", help="say how many, and paint nothing")
