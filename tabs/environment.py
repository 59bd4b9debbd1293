"""The environment Gradio finds when it is imported: what it may not read, where it keeps files. Imports no Gradio."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import MutableMapping
from pathlib import Path

from pipelines.settings import Settings
from pipelines.spec.errors import StorageError

# Variables that open more than the user asked of us, or change what we set; each with what to use instead.
IGNORED = {
    "GRADIO_SHARE": "--share", "GRADIO_SERVER_NAME": "--server-name", "GRADIO_SERVER_PORT": "--port",
    "GRADIO_TEMP_DIR": "--state-dir", **dict.fromkeys((
        "GRADIO_ALLOWED_PATHS", "GRADIO_BLOCKED_PATHS", "GRADIO_VIBE_MODE", "GRADIO_LOCAL_DEV_MODE",
        "GRADIO_HOT_RELOAD", "GRADIO_WATCH_DIRS", "GRADIO_MCP_SERVER", "GRADIO_NUM_PORTS", "GRADIO_SSR_MODE",
        "GRADIO_RUN_HISTORY", "GRADIO_SHARE_SERVER_ADDRESS", "GRADIO_NUM_WORKERS", "GRADIO_ROOT_PATH", "GRADIO_DEBUG",
        "GRADIO_PROFILING", "GRADIO_CACHE_EXAMPLES"), "")}
log = logging.getLogger(__name__)
DAY = 86_400       # seconds
LOCAL = ("localhost", "127.0.0.1", "::1")


def prepare_gradio(settings: Settings, environ: MutableMapping[str, str] = os.environ) -> list[str]:
    """Call it before Gradio is imported. Logs and returns one line for each variable that was set and is ignored.

    Uploads go to a folder of ours that no other user of the machine can read, instead of a shared /tmp/gradio. Raises
    StorageError when it cannot be made.
    """
    notes = []
    for name, instead in IGNORED.items():
        value = environ.pop(name, "")
        if value:
            notes.append(f"{name} is ignored" + (f"; use {instead}." if instead else "."))
            log.warning(notes[-1])
    try:
        settings.uploads_dir.mkdir(parents=True, exist_ok=True)
        settings.uploads_dir.chmod(0o700)
        forget_cut(settings.uploads_dir)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise StorageError(f"Data folder: {settings.data_dir} - nothing can be kept there ({why}). It must be a folder that can "
                           "be written. Choose another with --data-dir or --state-dir.") from error
    environ["GRADIO_TEMP_DIR"] = str(settings.uploads_dir.resolve())
    spare_from_proxies(settings, environ)
    return notes


def forget_cut(uploads: Path) -> None:
    """Delete what is left of uploads that were cut off: Gradio writes them straight into the folder, and never looks at them again.

    Those of the last day stay: one may be on its way to another page of this studio.
    """
    for left in uploads.glob("tmp*"):
        with contextlib.suppress(OSError):
            if left.is_file() and left.stat().st_mtime < time.time() - DAY:
                left.unlink()


def spare_from_proxies(settings: Settings, environ: MutableMapping[str, str]) -> None:
    """Gradio asks its own server once at the start; a proxy of the environment would be asked to find 127.0.0.1."""
    here = [*LOCAL, *([settings.server_name] if settings.server_name else [])]
    for name in ("NO_PROXY", "no_proxy"):
        known = [part.strip() for part in environ.get(name, "").split(",") if part.strip()]
        environ[name] = ",".join([*known, *(host for host in here if host not in known)])
