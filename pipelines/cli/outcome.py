"""How a command ends: what went wrong is one line on standard error and an exit code. The only place that maps the two."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from pipelines.archive import Archive, NotSaved
from pipelines.archive.moving import why
from pipelines.cli.flags import complain
from pipelines.metadata import write
from pipelines.spec.errors import FieldError, ImageFileError, RequestError, StudioError

DONE, FAILED, BAD_INPUT, STOPPED = 0, 1, 2, 130


def outcome(command: Callable[[], int], stopped: str = "") -> int:
    """The exit code of `command()`: its own, or 1 failed, 2 bad input, 130 stopped with Ctrl+C, which is told as `stopped`."""
    try:
        return command()
    except StudioError as error:
        told(error)
        return code_of(error)
    except KeyboardInterrupt:
        if stopped:
            complain(stopped)
        return STOPPED


def told(error: StudioError, before: str = "") -> None:
    """Complain, a line for each refused field. A picture that was not saved is rescued: memory ends here."""
    for line in (rescued(error) if isinstance(error, NotSaved) else f"{before}{error}").splitlines():
        complain(line)


def rescued(lost: NotSaved) -> str:
    """Write the picture into a folder of its own for temporary files. The line that says where, or that it is lost."""
    begun = f"Outputs: {lost.what} - finished, not saved ({lost.why})."
    try:
        file = Path(tempfile.mkdtemp(prefix="atelier-")) / "picture.png"      # a folder that nobody else may read
        write(lost.image, file, lost.request, lost.extra, "png16")
    except OSError as error:
        return f"{begun} It is lost: the folder for temporary files refused it too ({why(error)}). Make room, then start again."
    return f"{begun} It is in {file}: move it from there, temporary files do not last."


def with_room(archive: Archive) -> None:
    """Before anything is painted: raises StorageError where nothing could be saved, and complains of little room."""
    if warning := archive.check():
        complain(warning)


def code_of(error: StudioError) -> int:
    """Whether what was typed is at fault, or what is there."""
    return BAD_INPUT if isinstance(error, FieldError | RequestError | ImageFileError) else FAILED
