"""Flags, made from the declarations: one for every setting and one for every field of a request."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, NoReturn

from pipelines.cli.batch_flags import batch_flags
from pipelines.cli.control_flags import control_flag
from pipelines.cli.foreign import translated
from pipelines.cli.looking_flags import explain_flags, rank_flags, reproduce_flags
from pipelines.cli.upscale_flags import upscale_flags
from pipelines.preprocess import RESIZE_MODES, RESOLUTION, ROWS
from pipelines.preprocess.rows import DEFAULT_RESOLUTION
from pipelines.settings import by_key, is_list
from pipelines.spec.errors import shown
from pipelines.spec.param import Declared, declared, nested, number
from pipelines.spec.parts import Outpaint
from pipelines.spec.request import GenerationRequest

EPILOG = "Exit codes: 0 done, 1 failed, 2 bad input (one line says what), 130 stopped with Ctrl+C."

SHORT = MappingProxyType({      # a name of its own, where nothing else could be meant
    "init.image": "--init-image", "init.strokes": "--painted-over",
    "init.denoising_strength": "--denoising-strength", "init.resize_mode": "--resize-mode",
    "init.exact_steps": "--exact-steps", "init.color_correction": "--color-correction", "inpaint.mask": "--mask-image",
    "inpaint.mask_blur": "--mask-blur", "inpaint.mask_grow": "--mask-grow", "inpaint.mask_mode": "--mask-mode",
    "inpaint.masked_content": "--masked-content", "inpaint.area": "--inpaint-area", "inpaint.padding": "--mask-padding",
    "inpaint.soft": "--soft-inpainting", "inpaint.seam_strength": "--coherence-pass",
    "inpaint.seam_width": "--coherence-width", "sketch.lines": "--sketch", "sketch.strokes": "--strokes",
    "identity.photos": "--identity", "identity.style_strength": "--style-strength",
    "sketch.stroke_faithfulness": "--stroke-faithfulness", "sketch.realism": "--realism",
})


class WrongUse(Exception):
    """What was typed cannot be understood. `str(error)` is one line; the exit code is 2."""


@dataclass(frozen=True)
class Order:
    """What was asked for.

    command: "studio", "generate", "grid", "batch", "preprocess", "upscale", "reproduce", "explain", "doctor".
    settings: flags of settings, by key.
    changes: a partial request.
    notes: one line for each flag of another program that was accepted or could not be.
    """

    command: str = "studio"
    settings: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    request_file: str = ""
    like: str = ""
    quiet: bool = False
    given: dict[str, Any] = field(default_factory=dict)      # of `preprocess` and `upscale`: file, output …
    notes: tuple[str, ...] = ()
    axes: tuple[str, ...] = ()
    dry_run: bool = False
    exact: bool = False


class Parser(argparse.ArgumentParser):
    """argparse with one line instead of a page, and with the nearest name for a flag it does not know."""

    def error(self, message: str) -> NoReturn:
        raise WrongUse(f"{message[0].upper()}{message[1:]}. See {self.prog} --help.")


def parse(argv: Sequence[str], env: Mapping[str, str] = os.environ) -> Order:
    """What `argv` (without the program) asks for; COMMANDLINE_ARGS stands before it, as webui-user.sh has it.

    Raises WrongUse. `--help` prints and leaves with SystemExit(0).
    """
    try:
        before = shlex.split(env.get("COMMANDLINE_ARGS", ""))
    except ValueError as error:
        raise WrongUse(f"COMMANDLINE_ARGS: {error}.") from None
    words, notes = translated([*before, *argv])
    parser = main_parser()
    found, left = parser.parse_known_args(words)
    if left:
        raise WrongUse(f"{shown(left[0])}: no such flag.{nearest(left[0], parser, found.command)} See --help.")
    values = vars(found)
    return Order(
        command=values.get("command") or "studio",
        settings={key: values[key] for key in by_key() if key in values},
        changes=nested(_outpaint(values.get("outpaint", "")) | {
            row.path: values[row.path] for row in declared(GenerationRequest) if row.path in values}),
        request_file=values.get("request") or "", like=values.get("like") or "", quiet=bool(values.get("quiet")),
        given={key.removeprefix("given."): value for key, value in values.items() if key.startswith("given.")},
        notes=tuple(notes), axes=tuple(values[a] for a in ("x", "y", "z") if values.get(a)),
        dry_run=bool(values.get("dry_run")), exact=bool(values.get("exact")))


def main_parser() -> Parser:
    settings = settings_flags()
    main = Parser(prog="app.py", description="A local image studio. Without a command it opens the page.",
                  parents=[settings], epilog=EPILOG, allow_abbrev=False)
    commands = main.add_subparsers(dest="command", metavar="command", parser_class=Parser)
    made = commands.add_parser("generate", help="paint pictures, print their paths", parents=[settings], epilog=EPILOG,
                               description="Paint pictures and print one path a line.", allow_abbrev=False)
    request_flags(made)
    looked = commands.add_parser("preprocess", help="make the condition for a ControlNet", parents=[settings], epilog=EPILOG,
                                 description="Make a ControlNet's condition from a picture.", allow_abbrev=False)
    preprocess_flags(looked)
    grid = commands.add_parser("grid", help="paint an X/Y/Z experiment", parents=[settings], epilog=EPILOG, allow_abbrev=False,
                               description="Paint every cell of a grid; the same words again make what is missing.")
    grid_flags(grid)
    request_flags(grid)
    many = commands.add_parser("batch", help="take every picture of a folder through img2img or inpaint", parents=[settings],
                               epilog=EPILOG, allow_abbrev=False,
                               description="Paint from every picture of IN, keep the results in OUT under the same names and "
                                           "print one path a line. The same words again make what is missing.")
    batch_flags(many)
    request_flags(many, out=False)
    larger = commands.add_parser("upscale", help="make pictures larger", parents=[settings], epilog=EPILOG,
                                 description="Make pictures larger and print one path a line.", allow_abbrev=False)
    upscale_flags(larger)
    again = commands.add_parser("reproduce", help="make a picture again and compare the pixels", parents=[settings],
                                epilog=EPILOG, allow_abbrev=False,
                                description="Make a picture again from its file; 0: identical, 1: different, with the reasons.")
    reproduce_flags(again)
    told = commands.add_parser("explain", help="say how a prompt is read", parents=[settings], epilog=EPILOG, allow_abbrev=False,
                               description="Say how a prompt is read: tokens, weights, what holds at a step, what is not there.")
    explain_flags(told)
    judged = commands.add_parser("rank", help="order finished pictures, the best first", parents=[settings], epilog=EPILOG,
                                 allow_abbrev=False, description="Order finished pictures by their words, an aesthetic mark "
                                                                 "and photos they should be like; one a line, the best first.")
    rank_flags(judged)
    commands.add_parser("doctor", help="say what works here and what does not", parents=[settings], allow_abbrev=False,
                        description="Say what works on this machine and what is mismatched.")
    return main


def settings_flags() -> Parser:
    """The flags of every command. Nothing has a default here: what was not typed is left to file and environment."""
    parser = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    group = parser.add_argument_group("settings (also in settings.json, or as ATELIER_NAME in the environment)")
    for key, row in by_key().items():
        name, text = "--" + key.replace("_", "-"), escaped(row.description or "")
        if row.annotation is bool:
            group.add_argument(name, action=argparse.BooleanOptionalAction, help=text)
        elif is_list(row.annotation):
            group.add_argument(name, action="append", metavar=metavar(key), help=text)
        else:
            group.add_argument(name, metavar=metavar(key), help=text)
    return parser


def grid_flags(parser: argparse.ArgumentParser) -> None:
    """The axes; their names are those of the fields, and what `pipelines.grid.kinds` adds."""
    group = parser.add_argument_group("axes, as NAME=VALUES: \"cfg_scale=3-9 (+2)\", \"sampler=Euler a, DDIM\", \"seed=1-4\"")
    group.add_argument("--x", metavar="AXIS", required=True, help="what runs from left to right")
    group.add_argument("--y", metavar="AXIS", help="what runs from top to bottom")
    group.add_argument("--z", metavar="AXIS", help="one sheet for each of its values")
    group.add_argument("--exact", action="store_true", help="sample each cell alone, bit for bit like its single run")
    group.add_argument("--dry-run", action="store_true", help="say how many cells and how long, and paint nothing")


def request_flags(parser: argparse.ArgumentParser, out: bool = True) -> None:
    """A flag for each declared field of a request, and where a whole request may come from.

    out: also one for the folder of the results."""
    source = parser.add_argument_group("where the settings of the picture come from (flags below override them)")
    source.add_argument("--request", metavar="FILE", help="a request as JSON; - reads it from standard input")
    source.add_argument("--like", metavar="IMAGE", help="repeat a picture from what its file says of it")
    if out:
        source.add_argument("--out", dest="outputs_dir", metavar="DIR", default=argparse.SUPPRESS,
                            help="keep the pictures in this folder")
    source.add_argument("--quiet", action="store_true", help="no progress on standard error")
    group = parser.add_argument_group("the picture")
    group.add_argument("--outpaint", metavar="SIDES", default=argparse.SUPPRESS,
                       help="pixels to add at each side, in one: left=128,top=64")
    control_flag(group)
    for row in declared(GenerationRequest):
        names, text = flag_names(row), escaped(help_of(row))
        if row.kind is bool:
            group.add_argument(*names, dest=row.path, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS,
                               help=text)
        else:
            several: dict[str, Any] = {"action": "extend", "nargs": "+"} if row.param.picture else {"action": "append"}
            group.add_argument(*names, dest=row.path, **(several if row.kind is tuple else {"action": "store"}),
                               metavar=metavar(row.path), default=argparse.SUPPRESS, help=text)


def preprocess_flags(parser: argparse.ArgumentParser) -> None:
    """Name, file and output, and a flag for each parameter that some preprocessor has."""
    parser.add_argument("given.name", metavar="NAME", nargs="?", help="preprocessor: canny, depth_midas, openpose …; see --list")
    parser.add_argument("given.file", metavar="FILE", nargs="?", help="a picture; or the JSON of a pose, to be drawn")
    parser.add_argument("-o", "--output", dest="given.output", metavar="OUT", default=argparse.SUPPRESS,
                        help="write here: a picture, or for openpose a .json")
    parser.add_argument("--list", dest="given.list", action="store_true", default=argparse.SUPPRESS,
                        help="name all preprocessors, their parameters and the weights they need")
    for name, text in (("resolution", f"{RESOLUTION.help} Allowed: {RESOLUTION.allowed}. Default: {DEFAULT_RESOLUTION}."),
                       ("size", "width x height of the condition, 512x768; then the resolution is pixel perfect"),
                       ("resize-mode", f"how it comes to that size. Allowed: {', '.join(RESIZE_MODES)}.")):
        parser.add_argument("--" + name, dest="given." + name, metavar=name.rpartition("-")[2].upper(),
                            default=argparse.SUPPRESS, help=text)
    group = parser.add_argument_group("parameters of preprocessors")
    of = [(option, row) for row in ROWS for option in row.options]
    for key in dict.fromkeys(option.key for option, _ in of):
        texts = dict.fromkeys(f"{row.name}: {o.param.label}, {o.param.allowed}, default {number(o.default)}."
                              for o, row in of if o.key == key)
        group.add_argument("--" + key, dest="given.option." + key, metavar=key.upper(), default=argparse.SUPPRESS,
                           help=escaped(" ".join(texts)))


def _outpaint(text: str) -> dict[str, str]:
    """"left=128,top=64" as fields of a request. Raises WrongUse."""
    sides: dict[str, str] = {}
    for item in filter(None, text.replace(" ", "").split(",")):
        side, equals, pixels = item.partition("=")
        if not equals or side not in Outpaint.model_fields:
            raise WrongUse(f"--outpaint: {shown(item)} is no side. Allowed: left=128,right=128,top=64,bottom=64.")
        sides[f"outpaint.{side}"] = pixels
    return sides


def flag_names(row: Declared) -> list[str]:
    """`variation.seed` -> --variation-seed; a list may be given one by one: `styles` -> --style, --styles."""
    name = "--" + row.path.replace(".", "-").replace("_", "-")
    if row.path in SHORT:
        return [SHORT[row.path], name]
    return [name.removesuffix("s"), name] if row.kind is tuple else [name]


def help_of(row: Declared) -> str:
    param = row.param
    default = "" if row.default in ("", (), None) else f" Default: {row.default}."
    if isinstance(row.default, float) and row.default is not None:
        default = f" Default: {number(row.default)}."
    many = " (repeatable)" if row.kind is tuple else ""
    allowed = f" Allowed: {param.allowed}." if param.allowed and (param.minimum is not None or param.choices) else ""
    file = " A picture file." if param.picture else ""
    return f"{param.label}{many}. {param.help}{file}{allowed}{default}"


def nearest(word: str, parser: argparse.ArgumentParser, command: str | None) -> str:
    """" Did you mean --steps?" or nothing."""
    known = {option for action in parser._actions for option in action.option_strings}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) and command in action.choices:
            known |= {option for sub in action.choices[command]._actions for option in sub.option_strings}
    near = get_close_matches(word.partition("=")[0], sorted(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]}?" if near else ""


def metavar(key: str) -> str:
    last = key.rpartition(".")[2]
    return {"dir": "DIR", "file": "FILE"}.get(last.rpartition("_")[2], last.rpartition("_")[2].upper())


def escaped(text: str) -> str:
    return text.replace("%", "%%")      # argparse formats help texts


def complain(line: object) -> None:
    """One line for the person at the keyboard."""
    print(str(line).replace("\n", " "), file=sys.stderr, flush=True)
