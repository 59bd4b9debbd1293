"""Which files a browser may name: what it uploaded, and finished pictures. Knows paths, no HTTP."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tabs.bodies import Refused

PICTURES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
FILE_ROUTE = re.compile(r"^(?:/gradio_api)?/file(?:=|/)(.*)$", re.DOTALL)


@dataclass(frozen=True)
class Readable:
    """uploads: Gradio's folder, any file in it. pictures: folders of which only picture files may be read."""

    uploads: Path
    pictures: tuple[Path, ...] = ()

    def allows(self, name: str) -> bool:
        """Whether `name` (absolute, as Gradio writes it) is a file in one of the folders, links and dots followed."""
        if "\0" in name or not Path(name).is_absolute():
            return False
        try:
            path = Path(name).resolve()
            if not path.is_file():
                return False
        except (OSError, RuntimeError):     # a name too long, or links in a circle
            return False
        if path.is_relative_to(self.uploads.resolve()):
            return True
        return path.suffix.lower() in PICTURES and any(path.is_relative_to(f.resolve()) for f in self.pictures)

    def is_file_route(self, route: str) -> bool:
        return FILE_ROUTE.match(route) is not None

    def check_route(self, route: str) -> None:
        """Raises Refused for a download of anything else, and for addresses of the net."""
        match = FILE_ROUTE.match(route)
        if match and not self.allows(match.group(1)):
            raise Refused(403, "File: not one of this studio's pictures or uploads.")
