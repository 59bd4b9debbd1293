"""The flags of `reproduce`, `explain` and `rank`. What they give lies in `Order.given`."""

from __future__ import annotations

import argparse
from typing import Any


def reproduce_flags(parser: argparse.ArgumentParser) -> None:
    """On a parser that already has those of the settings, as the next one."""
    flag = _adding(parser)
    parser.add_argument("given.file", metavar="IMAGE", help="a picture that carries its settings: ours, A1111's, ComfyUI's …")
    flag("--model", metavar="NAME", default="", help="paint with this one instead of the one named")
    flag("-o", "--output", metavar="FILE", default="", help="write the picture made again here (PNG)")
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")


def explain_flags(parser: argparse.ArgumentParser) -> None:
    flag = _adding(parser)
    parser.add_argument("given.prompt", metavar="PROMPT", help="as it would stand in the prompt field; - reads standard input")
    flag("--step", type=int, default=1, metavar="N", help="what holds at this step, from 1; default 1")
    flag("--steps", type=int, default=25, metavar="N", help="of so many; default 25")
    flag("--model", default="mini", metavar="NAME", help="whose vocabulary cuts the words; default mini")
    flag("--emphasis", default="Original", metavar="MODE", help="Original, No norm, Ignore or None; default Original")


def rank_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("given.files", metavar="FILE", nargs="+", help="finished pictures")
    flag = _adding(parser)
    flag("--prompt", default="", metavar="TEXT", help="what they should show; without it each picture's own prompt")
    flag("--photo", action="append", default=[], metavar="FILE", help="a photo they should be like (repeatable)")
    flag("--keep", type=int, default=0, metavar="K", help="print the K best only")
    flag("--model", default="", metavar="NAME", help="the checkpoint whose own judges are asked first")


def _adding(parser: argparse.ArgumentParser) -> Any:
    def flag(*names: str, **more: Any) -> None:
        parser.add_argument(*names, dest="given." + names[-1].lstrip("-"), **more)

    return flag
