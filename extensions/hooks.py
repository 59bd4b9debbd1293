"""The hooks an extension may implement, and `Hooks`: how the studio calls them so that no extension can stop it.

A hook that raises, returns the wrong thing or takes too long is named in the log, its extension is off until the next
start, and the job goes on. One exception: a StudioError is a line for the user ("Wildcard: colour - not found") and is
handed to him; its extension stays on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import pluggy

from extensions.deadline import Failed, within
from pipelines.spec.errors import StudioError
from pipelines.spec.request import GenerationRequest
from pipelines.upscalers import Upscaler

if TYPE_CHECKING:
    from PIL.Image import Image

PROJECT = "atelier"
HOOK_SECONDS = 10.0     # longer work belongs on a thread of the extension's own

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
log = logging.getLogger(__name__)


class Tab(NamedTuple):
    """One tab of an extension: its title, and what builds its components (called once, inside the open tab)."""

    title: str
    build: Callable[[Any, Any], None]    # gets the Studio, and the Page with the other tabs' forms

    @property
    def name(self) -> str:
        """What the page calls this tab in its addresses."""
        return "extension-" + "".join(c if c.isalnum() else "-" for c in self.title.lower())


class Specs:
    """The hooks. An implementation may take fewer arguments than are named here."""

    @hookspec
    def atelier_transform_request(self, request: GenerationRequest) -> GenerationRequest | None:
        """Change or refuse a request before it is queued (StudioError refuses). None leaves it as it is."""

    @hookspec
    def atelier_image_request(self, request: GenerationRequest) -> tuple[GenerationRequest, dict[str, str]] | None:
        """Change the request of one picture (its own seed is drawn) and say what its file should remember of it.

        The picture's file carries the returned request; given that request again, the hook must change nothing,
        so that the picture can be made again from its file.
        """

    @hookspec
    def atelier_image_finished(self, image: Image, request: GenerationRequest) -> None:
        """A picture is saved. `image` is the extension's own copy."""

    @hookspec
    def atelier_tabs(self) -> list[Tab]:
        """Tabs to put behind the studio's own."""

    @hookspec
    def atelier_upscalers(self) -> list[Upscaler]:
        """Upscalers to put behind the studio's own. Asked at every listing: look for files, load nothing."""

    @hookspec
    def atelier_wildcards(self) -> list[str]:
        """Names that the prompt fields offer after `__`: what stands between two pairs of underscores for something else."""


class Fault(NamedTuple):
    """Why an extension is off."""

    extension: str
    why: str

    def __str__(self) -> str:
        return f"Extension: {self.extension} - {self.why}. It is switched off until the next start."


class Hooks:
    """What the studio holds of the extensions. Thread-safe as far as its extensions are."""

    def __init__(self, seconds: float = HOOK_SECONDS) -> None:
        self.manager = pluggy.PluginManager(PROJECT)
        self.manager.add_hookspecs(Specs)
        self.seconds = seconds
        self.faults: list[Fault] = []

    # -- who is here ---------------------------------------------------------------------------------------------------

    def add(self, name: str, plugin: object) -> None:
        """Take an extension in. Raises ValueError when it implements a hook that does not exist, or a wrapper."""
        try:
            self.manager.register(plugin, name=name)
            self.manager.check_pending()
            wrappers = [i for i in self._implementations(plugin) if i.wrapper or i.hookwrapper]
            if wrappers:
                raise ValueError(f"{wrappers[0].function.__name__} is a wrapper; hooks here stand side by side")
        except (pluggy.PluginValidationError, ValueError) as error:
            if self.manager.is_registered(plugin):
                self.manager.unregister(plugin)
            raise ValueError(str(error).splitlines()[-1]) from error

    def names(self) -> list[str]:
        return [name for name, plugin in self.manager.list_name_plugin() if plugin is not None]

    def note(self, name: str, why: str) -> None:
        """Keep the reason why an extension is not in, for whoever shows it."""
        self.faults.append(Fault(name, why))
        log.warning("%s", self.faults[-1])

    def switch_off(self, name: str, why: str) -> None:
        """The extension is not called again until the next start."""
        self.note(name, why)
        if self.manager.has_plugin(name):
            self.manager.unregister(name=name)

    # -- what the studio calls -----------------------------------------------------------------------------------------

    def transform_request(self, request: GenerationRequest) -> GenerationRequest:
        """`request` after every extension has seen it. Raises StudioError when one refuses it."""
        for impl in self._in_turn("atelier_transform_request"):
            request = self._call(impl, is_request, request=request) or request
        return request

    def image_request(self, request: GenerationRequest) -> tuple[GenerationRequest, dict[str, str]]:
        """The request of one picture, and what its file should say beside it. Raises StudioError."""
        extra: dict[str, str] = {}
        for impl in self._in_turn("atelier_image_request"):
            request, more = self._call(impl, is_planned, request=request) or (request, {})
            extra |= more
        return request, extra

    def finished(self, image: Image, request: GenerationRequest) -> None:
        """Tell every extension that a picture is saved. Raises StudioError."""
        for impl in self._in_turn("atelier_image_finished"):
            self._call(impl, is_nothing, image=image.copy(), request=request)

    def tabs(self) -> list[Tab]:
        """The extensions' tabs; one whose builder fails stays, and is named among the faults."""
        found = [(impl.plugin_name, self._call(impl, is_tabs) or []) for impl in self._in_turn("atelier_tabs")]
        return [Tab(tab.title, self._guarded(name, tab.build)) for name, tabs in found for tab in tabs]

    def upscalers(self) -> list[Upscaler]:
        """The extensions' upscalers."""
        return [u for impl in self._in_turn("atelier_upscalers") for u in self._call(impl, is_upscalers) or []]

    def wildcards(self) -> list[str]:
        """What the prompt fields offer after `__`."""
        return [name for impl in self._in_turn("atelier_wildcards") for name in self._call(impl, is_names) or []]

    # -- how an extension is called ------------------------------------------------------------------------------------

    def _implementations(self, plugin: object) -> list[pluggy.HookImpl]:
        return [i for caller in self.manager.get_hookcallers(plugin) or [] for i in caller.get_hookimpls()
                if i.plugin is plugin]

    def _in_turn(self, hook: str) -> list[pluggy.HookImpl]:
        """In order of registration (pluggy itself would begin with the last)."""
        return getattr(self.manager.hook, hook).get_hookimpls()

    def _call(self, impl: pluggy.HookImpl, fits: Callable[[Any], bool], **arguments: Any) -> Any:
        """The answer of one extension, or None when it has none or is now switched off. Raises its StudioErrors."""
        hook = impl.function.__name__
        try:
            given = {name: value for name, value in arguments.items() if name in impl.argnames}
            answer = within(self.seconds, impl.function, **given)
        except Failed as failure:
            if isinstance(failure.cause, StudioError):
                raise failure.cause from None
            log.debug("%s in %s", hook, impl.plugin_name, exc_info=failure.cause)
            self.switch_off(impl.plugin_name, f"{hook} {failure}")
            return None
        if answer is None or fits(answer):
            return answer
        self.switch_off(impl.plugin_name, f"{hook} returned a {type(answer).__name__}")
        return None

    def _guarded(self, name: str, build: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
        """A builder that never raises. It runs on the page's own thread: Gradio keeps the open tab there."""
        def build_or_name_the_fault(studio: Any, page: Any) -> None:
            try:
                build(studio, page)
            except (Exception, SystemExit) as error:
                log.debug("the tab of %s", name, exc_info=error)
                self.switch_off(name, f"its tab raised {type(error).__name__}: {error}")

        return build_or_name_the_fault


def is_request(answer: Any) -> bool:
    return isinstance(answer, GenerationRequest)


def is_planned(answer: Any) -> bool:
    return (isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[0], GenerationRequest)
            and isinstance(answer[1], dict) and all(isinstance(t, str) for pair in answer[1].items() for t in pair))


def is_tabs(answer: Any) -> bool:
    return isinstance(answer, list) and all(
        isinstance(t, Tab) and isinstance(t.title, str) and callable(t.build) for t in answer)


def is_upscalers(answer: Any) -> bool:
    return isinstance(answer, list) and all(isinstance(u, Upscaler) for u in answer)


def is_names(answer: Any) -> bool:
    return isinstance(answer, list) and all(isinstance(name, str) for name in answer)


def is_nothing(answer: Any) -> bool:
    return False        # the hook announces; any answer is a misunderstanding worth naming
