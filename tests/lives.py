"""Lives of a studio that may end by SIGKILL at any moment. Each is a process of its own that has opened nothing before it begins.

Importing torch and diffusers costs most of a short life: one server imports them, and every life is forked from it.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["pipelines.loading.compat", "pipelines.studio", "pipelines.engine", "pipelines.cli.grid",
                               "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion"])


def begun(told: Path, life: Callable[..., object], *words: object) -> BaseProcess:
    """A process that runs `life(*words)`, a function of a module; what it prints goes to the file `told`."""
    child = SERVER.Process(target=_lived, args=(told, life, words), daemon=True)
    child.start()
    return child


def _lived(told: Path, life: Callable[..., object], words: tuple[object, ...]) -> None:
    os.environ["COMMANDLINE_ARGS"] = ""
    os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
    sys.exit(life(*words))


def durable(home: str, room: str, submit: str) -> None:
    """Open the studio of `home` and submit its only job, or take it up again, and wait for its end; both are printed.

    submit: an expression for the job's id, with `studio`, `base` and the `room` experiments or batch in reach.
    """
    from importlib import import_module

    from extensions.hooks import Hooks
    from pipelines import settings
    from pipelines.spec.request import GenerationRequest
    from pipelines.studio import Studio

    with Studio.open(settings.checked({"data_dir": home}), Hooks()) as studio:
        if jobs := studio.queue.jobs():
            print(jobs[0].status, len(jobs[0].files))
            studio.queue.retry(jobs[0].id)
            name = jobs[0].id
        else:
            base = GenerationRequest(prompt="a red car", seed=5, steps=12, width=64, height=64)
            name = eval(submit, {"studio": studio, "base": base, room: import_module(f"pipelines.{room}")})
        print(studio.queue.wait(name, 240).status, sorted(studio.queue.get(name).files))
