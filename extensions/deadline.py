"""Run foreign code for a limited time: on a thread of its own, which is told to end when the time is over."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Failed(Exception):
    """The call raised `cause`: any exception, sys.exit() included. (Ctrl+C of the user is never inside one.)"""

    def __init__(self, cause: BaseException) -> None:
        self.cause = cause
        super().__init__(f"raised {type(cause).__name__}: {cause}".rstrip(": "))


class TooSlow(Failed):
    """The call did not come back in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(TimeoutError())
        self.args = (f"took more than {seconds:g} s",)


def within(seconds: float, call: Callable[..., T], **arguments: Any) -> T:
    """The call's result. Raises Failed with whatever the call raised, TooSlow when it did not come back."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append((True, call(**arguments)))
        except BaseException as error:  # a foreign sys.exit() must not end the studio
            outcome.append((False, error))

    thread = threading.Thread(target=run, name=f"extension:{getattr(call, '__name__', '')}", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        end(thread)
        raise TooSlow(seconds)
    good, result = outcome[0]
    if good:
        return result
    raise Failed(result)


def end(thread: threading.Thread) -> None:
    """Raise SystemExit inside `thread`, so that an endless loop does not keep a core busy for the session.

    Python delivers it between two bytecodes; a call that is stuck in C stays until it returns (the thread is a daemon).
    """
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))
