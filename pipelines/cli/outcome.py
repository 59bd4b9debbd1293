"""How a command ends: what went wrong is one line on standard error and an exit code. The only place that maps the two."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.cli.flags import complain
from pipelines.spec.errors import FieldError, ImageFileError, RequestError, StudioError

DONE, FAILED, BAD_INPUT, STOPPED = 0, 1, 2, 130


def outcome(command: Callable[[], int], stopped: str = "") -> int:
    """The exit code of `command()`: its own, or 1 failed, 2 bad input, 130 stopped with Ctrl+C, which is told as `stopped`."""
    try:
        return command()
    except StudioError as error:
        for line in str(error).splitlines():    # a line for each refused field
            complain(line)
        return code_of(error)
    except KeyboardInterrupt:
        if stopped:
            complain(stopped)
        return STOPPED


def code_of(error: StudioError) -> int:
    """Whether what was typed is at fault, or what is there."""
    return BAD_INPUT if isinstance(error, FieldError | RequestError | ImageFileError) else FAILED
