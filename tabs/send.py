"""What may be done next with a picture: start from it in another tab, take its settings, or vary it."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines import metadata
from pipelines.reception import at_home
from pipelines.spec.errors import FieldError, StudioError
from pipelines.spec.parts import RANDOM_SEED
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from pipelines.words import Words
from tabs.absent import tell
from tabs.before_after import BeforeAfter, chosen_of, originals
from tabs.culling import SETTLED, Culling
from tabs.form import refused
from tabs.listeners import QUIET, SPOKEN
from tabs.page import Page
from tabs.source import fitted, keep, needed, size_of
from tabs.undo import keeping, settled

VARIED = (("vary_subtle", 0.1), ("vary_strong", 0.35))      # how much of a second noise is mixed into the first
STARTS = ("img2img", "inpaint")


class Results:
    """The row under the results of one tab. It acts on the picture that is looked at, else on the newest.

    looked_at: its name, "" for the newest; whoever has the page choose another picture says so there, for no event tells.
    """

    def __init__(self, studio: Studio, prefix: str, results: gr.Gallery) -> None:
        words = studio.words
        self._studio, self.results = studio, results
        self.looked_at = gr.State("")
        self._compared = BeforeAfter(studio, prefix)
        with gr.Row(elem_classes="chips", visible=False, elem_id=f"{prefix}-after") as self.row:
            self._sends = {name: gr.Button(words(f"send_to_{name}"), size="sm", min_width=90,
                                           elem_id=f"{prefix}-to-{name}") for name in STARTS}
            self._upscale = gr.Button(words("send_to_upscale"), size="sm", min_width=90, elem_id=f"{prefix}-to-upscale")
            self._settings = gr.Button(words("settings_to_txt2img"), size="sm", min_width=90, visible=prefix != "txt2img",
                                       elem_id=f"{prefix}-to-txt2img")
            self._vary = vary_buttons(words, prefix)
            self._compared.place_button()
            self._culling = Culling(studio, prefix)
        self._compared.place_slider()

    def wire(self, page: Page, submit_on: Callable[..., None]) -> None:
        """Call when all tabs are placed. `submit_on(event, request_of, inputs)` queues a request."""
        seen: list[Component] = [self.results, self.looked_at]
        self.results.select(clicked, None, self.looked_at, **SPOKEN).then(None, None, None, js=SETTLED)
        self._compared.wire(self.results, self.looked_at)
        self._culling.wire(self.results, self.looked_at)
        for name, button in self._sends.items():
            settle(page, name, keeping(page.forms[name], button.click)(self._starting(page, name), seen, page.targets, **SPOKEN))
        self._settings.click(self._settings_of(page), seen, page.targets, **SPOKEN)
        to_upscale(page, self._upscale.click, self._file, seen)
        for amount, button in self._vary.items():
            submit_on(button.click, self._varying(amount), set(seen))

    def _starting(self, page: Page, name: str) -> Callable[..., list[Any]]:
        def start(shown: list[Any] | None, looked_at: str) -> list[Any]:
            try:
                file = self._chosen(shown, looked_at)
                return start_from(self._studio, page, name, file, metadata.read(file))
            except StudioError as error:
                raise refused(error) from None

        return start

    def _settings_of(self, page: Page) -> Callable[..., list[Any]]:
        def take(shown: list[Any] | None, looked_at: str) -> list[Any]:
            try:
                read = metadata.read(self._chosen(shown, looked_at))
            except StudioError as error:
                raise refused(error) from None
            form = page.forms["txt2img"]
            tell(self._studio, read)
            return page.show("txt2img", form.write_all(read.full) if read.full else form.write(at_home(self._studio, read)))

        return take

    def _varying(self, amount: float) -> Callable[[Mapping[Component, Any]], GenerationRequest]:
        def varied_of(data: Mapping[Component, Any]) -> GenerationRequest:
            file = self._chosen(data[self.results], data[self.looked_at])
            return varied(self._studio, metadata.read(file).full, amount)

        return varied_of

    @property
    def seen(self) -> list[Component]:
        """What `chosen` needs to know."""
        return [self.results, self.looked_at]

    def chosen(self, data: Mapping[Component, Any]) -> str:
        """The file of the picture that is looked at, from the values of `seen`. Raises FieldError while there is none."""
        return self._chosen(data[self.results], data[self.looked_at])

    def _file(self, shown: list[Any] | None, looked_at: str) -> str:
        try:
            return self._chosen(shown, looked_at)
        except StudioError as error:
            raise refused(error) from None

    def _chosen(self, shown: list[Any] | None, looked_at: str) -> str:
        """The file of the picture that is looked at. Raises FieldError while there is none."""
        chosen = chosen_of(originals(self._studio, shown), looked_at)
        if chosen is None:
            raise FieldError(self._studio.words("picture"), "", self._studio.words("nothing_to_send"))
        return chosen


def vary_buttons(words: Words, prefix: str) -> dict[float, gr.Button]:
    """A button for each share of another noise; place them in a row of a picture's deeds."""
    return {amount: gr.Button(words(word), size="sm", min_width=90, elem_id=f"{prefix}-{word.replace('_', '-')}")
            for word, amount in VARIED}


def pass_on(studio: Studio, page: Page, prefix: str, picture: Component) -> None:
    """Under the picture that a tab starts from: the same one, with the settings of this form, in the other tabs."""
    words, sources = studio.words, [picture]
    with gr.Row(elem_classes="chips", visible=False, elem_id=f"{prefix}-pass-on") as row:
        sends = {name: gr.Button(words(f"send_to_{name}"), size="sm", min_width=90, elem_id=f"{prefix}-source-to-{name}")
                 for name in STARTS if name != prefix}
        upscale = gr.Button(words("send_to_upscale"), size="sm", min_width=90, elem_id=f"{prefix}-source-to-upscale")
    picture.change(lambda path: gr.Row(visible=bool(path)), sources, row, **QUIET)      # type: ignore[attr-defined]

    def starting(name: str) -> Callable[[Mapping[Component, Any]], list[Any]]:
        def start(data: Mapping[Component, Any]) -> list[Any]:
            try:
                kept = needed(studio, data[picture])
            except StudioError as error:
                raise refused(error) from None
            return page.show(name, page.forms[name].start_from(kept, page.forms[prefix].values(data)))

        return start

    def wire() -> None:
        for name, button in sends.items():
            seen = {picture, *page.forms[prefix].fields.values()}
            settle(page, name, keeping(page.forms[name], button.click)(starting(name), seen, page.targets, **SPOKEN))
        to_upscale(page, upscale.click, lambda path: path, sources)

    page.later.append(wire)


def start_from(studio: Studio, page: Page, name: str, file: str | Path, read: metadata.Read) -> list[Any]:
    """Updates for `page.targets`: the tab `name` starting from `file`, with what the file says of its settings."""
    kept = keep(studio, file)
    said = read.request if read.full else at_home(studio, read)
    tell(studio, read)
    settings: Any = read.full or said
    model = read.full.model if read.full else str(said.get("model", GenerationRequest().model))
    try:
        size = fitted(studio, size_of(studio.inputs.path(kept)), model)
    except StudioError:         # its model is not here; the form says so when it is to paint
        return page.show(name, page.forms[name].start_from(kept, settings))
    sides = {"width": size.width, "height": size.height}
    settings = read.full.merged(sides) if read.full else {**said, **sides}
    return page.show(name, page.forms[name].start_from(kept, settings))


def settle(page: Page, name: str, sent: Any) -> None:
    """Let the tab's editor, should it have one, show all that it was sent with `sent` (see `undo.settled`)."""
    canvas: Any = page.forms[name].pictures
    if hasattr(canvas, "again"):
        settled(canvas, sent)


def to_upscale(page: Page, event: Callable[..., Any], file_of: Callable[..., str], inputs: list[Any]) -> None:
    """Open the upscale tab with the file that `file_of(*inputs)` names whenever `event` happens."""
    if "upscale" in page.doors:
        event(lambda *values: [gr.Tabs(selected="upscale"), [file_of(*values)]], inputs, [page.tabs, page.doors["upscale"]],
              **SPOKEN)


def varied(studio: Studio, request: GenerationRequest | None, amount: float) -> GenerationRequest:
    """The same picture with `amount` of another noise mixed in. Raises FieldError when it is not known how it was made."""
    if request is None:
        raise FieldError(studio.words("picture"), "", studio.words("no_settings_in_file").rstrip("."))
    return request.merged({"variation": {"seed": RANDOM_SEED, "strength": amount}, "model_hash": "", "vae_hash": ""})


def clicked(event: gr.SelectData) -> str:
    """The name of the picture that was clicked; its place alone would go stale with the next results."""
    value = event.value if isinstance(event.value, dict) else {}
    return Path(html.unescape(str(value.get("image", {}).get("path", "")))).name
