"""Reads settings, loads extensions, opens the studio, serves the page: `python app.py --help` names its commands."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipelines.loading.environment import prepare_environment

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from pipelines.cli import Order
    from pipelines.settings import Settings
    from pipelines.studio import Hooks, Studio


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code. Nothing that is imported here before the page answers brings torch with it."""
    gc.disable()        # a start makes next to no garbage (5 MiB); looking for it was a quarter of the time to the page
    try:
        return started(argv)
    finally:
        gc.unfreeze()
        gc.enable()


def settled() -> None:
    """The start is over: garbage is looked for again, but not among what the start made, which stays to the end."""
    gc.freeze()
    gc.enable()


def started(argv: Sequence[str] | None) -> int:
    """The exit code: settings, extensions, then the page or the command."""
    prepare_environment()
    from extensions import loader
    from pipelines import cli, settings
    from pipelines.spec.errors import FieldError, RequestError, StudioError

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        order = cli.parse(sys.argv[1:] if argv is None else argv)
        known, notes = settings.load(order.settings)
        for line in (*order.notes, *notes):
            cli.complain(line)
        if known.offline:
            os.environ["HF_HUB_OFFLINE"] = "1"
        hooks = loader.load(known)
        return serve(known, hooks) if order.command == "studio" else run(order, known, hooks)
    except (cli.WrongUse, StudioError) as error:
        cli.complain(error)
        return 2 if isinstance(error, cli.WrongUse | FieldError | RequestError) else 1
    except OSError as error:        # a folder or file that nobody who knows its purpose has looked after
        place = error.filename or "a file"
        cli.complain(f"Disk: {place} - {error.strerror or error}. Look at that place or choose another folder.")
        return 1


def run(order: Order, known: Settings, hooks: Hooks) -> int:
    """The exit code of a command."""
    settled()
    if order.command == "doctor":
        from pipelines import doctor

        return doctor.report(known, hooks.faults)
    command = getattr(importlib.import_module(f"pipelines.cli.{order.command}"), order.command)
    return int(command(order, known, hooks))


def serve(known: Settings, hooks: Hooks) -> int:
    """Open the page and stay until Ctrl+C. torch comes in when somebody has looked at the page."""
    from tabs.environment import prepare_gradio

    prepare_gradio(known)
    from pipelines.studio import Studio
    from tabs import launch, shell, theme

    ended = launch.end_signal()
    with Studio.open(known, hooks) as studio, \
            launch.launch(shell.build(studio), known, theme.look(studio.words), api_of(studio)) as served:
        settled()
        served.announce()
        served.after_the_first_visit(lambda: studio.engine)
        ended.wait()
    return 0


def api_of(studio: Studio) -> Sequence[BaseRoute]:
    """What programs may ask for: nothing without --api."""
    if not studio.settings.api:
        return ()
    from pipelines.api.routes import routes

    return routes(studio)


if __name__ == "__main__":
    sys.exit(main())
