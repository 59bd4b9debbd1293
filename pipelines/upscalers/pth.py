"""What the first bytes of a .pth file say; its tensors are another room's business. No torch."""

from __future__ import annotations

from pathlib import Path

from pipelines.spec.errors import ModelFileError

ZIP, OLD_PICKLE = b"PK\x03\x04", b"\x80"


def check_pth(path: Path, name: str) -> None:
    """Raises ModelFileError when the first bytes are not those of a .pth file."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise ModelFileError(name, f"cannot be opened ({error.strerror})", "Check its permissions.") from None
    if not head:
        raise ModelFileError(name, "the file is empty", "Download it again.")
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise ModelFileError(name, "this is a web page, not a model",
                             "The download link led to a login or error page: download it again.")
    if not head.startswith((ZIP, OLD_PICKLE)):
        raise ModelFileError(name, "this is no PyTorch file", "Download it again.")
