"""The command line: what was typed becomes an Order; bad input is one line and exit code 2. Imports no torch."""

from pipelines.cli.batch import batch
from pipelines.cli.explain import explain
from pipelines.cli.flags import Order, WrongUse, complain, parse
from pipelines.cli.generate import generate
from pipelines.cli.grid import grid
from pipelines.cli.preprocess import preprocess
from pipelines.cli.rank import rank
from pipelines.cli.reproduce import reproduce
from pipelines.cli.upscale import upscale

__all__ = ["Order", "WrongUse", "batch", "complain", "explain", "generate", "grid", "parse", "preprocess", "rank", "reproduce",
           "upscale"]
