"""The command line: what was typed becomes an Order; bad input is one line and exit code 2. Imports no torch.

Each command has a module of its own, imported when it is asked for: the page must not wait for what it does not use.
"""

from pipelines.cli.flags import Order, WrongUse, complain, parse

__all__ = ["Order", "WrongUse", "complain", "parse"]
