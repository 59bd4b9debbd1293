"""Before and after: a result laid over what it was made from, with a slider."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import ImageOps

from pipelines import metadata
from pipelines.archive.outputs import VIEWED
from pipelines.archive.thumbnails import VIEW_SIDE, VIEWS
from pipelines.images import open_image
from pipelines.spec.errors import StudioError
from pipelines.spec.param import SHA256
from pipelines.studio import Studio
from tabs.form import refused
from tabs.listeners import QUIET, SPOKEN

Pair = tuple[str, str]


class BeforeAfter:
    """`button` goes into the row under the results, `slider` below them; `wire` connects the two."""

    def __init__(self, studio: Studio, prefix: str) -> None:
        self._studio, self._prefix = studio, prefix

    def place_button(self) -> None:
        self.button = gr.Button(self._studio.words("before_after"), size="sm", min_width=90, visible=False,
                                elem_id=f"{self._prefix}-before")

    def place_slider(self, height: int = 640) -> None:
        self.slider = gr.ImageSlider(type="filepath", interactive=False, show_label=False, max_height=height, visible=False,
                                     buttons=["fullscreen"], elem_id=f"{self._prefix}-slider")

    def wire(self, results: gr.Gallery, looked_at: gr.State) -> None:
        """looked_at: the name of the file that was clicked, "" for none. New results put the slider away.

        The pictures of one job have one source, so the newest says whether there is anything to lay below them.
        """
        self.button.click(self._shown, [results, looked_at], self.slider, **SPOKEN)
        results.change(self._offered, results, [self.slider, self.button], **QUIET)

    def _offered(self, shown: list[Any] | None) -> list[Any]:
        newest = chosen_of(originals(self._studio, shown), "")
        return [gr.update(visible=False), gr.Button(visible=bool(newest and source_of(self._studio, newest)))]

    def _shown(self, shown: list[Any] | None, looked_at: str) -> Any:
        try:
            return self.update(originals(self._studio, shown), looked_at)
        except StudioError as error:
            raise refused(error) from None

    def update(self, files: Sequence[str], looked_at: str) -> Any:
        """The update of the slider for the file `looked_at` of `files`, else for the newest."""
        found = pair(self._studio, files, looked_at)
        if found is None:
            gr.Info(html.escape(self._studio.words("nothing_to_compare")))
            return gr.skip()
        return gr.update(value=found, visible=True)


def pair(studio: Studio, files: Sequence[str], looked_at: str = "") -> Pair | None:
    """(before, after) as files a browser may show: source and result; None without a source."""
    chosen = chosen_of(files, looked_at)
    if chosen is None:
        return None
    source = source_of(studio, chosen)
    return (cropped(studio, source, chosen), viewed(studio, chosen)) if source else None


def source_of(studio: Studio, file: str | Path) -> str | None:
    """The kept picture that the result `file` was made from; None when there is none, or it is gone."""
    said = metadata.read(file)
    name = said.made.get("source") or (said.full.init.image if said.full and said.full.init else "")
    if not isinstance(name, str) or not SHA256.fullmatch(name):
        return None
    try:
        return str(studio.inputs.path(name))
    except StudioError:
        return None


def cropped(studio: Studio, source: str, file: str | Path) -> str:
    """`source`, cut as the result `file` was where its settings say that it was cut, so that the two lie on one another.

    A copy of `VIEW_SIDE` pixels where it is too large for a browser.
    """
    said = metadata.read(file)
    upscaled = said.made.get("upscaled")
    target = upscaled.get("target") if isinstance(upscaled, dict) else None
    cut = (bool(target.get("width") and target.get("height") and target.get("crop")) if isinstance(target, dict)
           else said.full is not None and said.full.init is not None and said.full.init.resize_mode == "Crop and resize")
    width, height = whole = metadata.read_texts(source, brief=True).size
    ratio = said.size[0] / max(1, said.size[1])
    if cut and abs(width / max(1, height) / ratio - 1) >= 0.01:
        width, height = max(1, round(min(width, height * ratio))), max(1, round(min(height, width / ratio)))
    if width * height > VIEWED:
        shrink = VIEW_SIDE / max(width, height)
        width, height = max(1, round(width * shrink)), max(1, round(height * shrink))
    if (width, height) == whole:
        return source
    place = studio.settings.uploads_dir / "before" / f"{Path(source).stem}-{width}x{height}.png"
    if not place.is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        ImageOps.fit(open_image(source), (width, height)).save(place)
    return str(place)


def originals(studio: Studio, shown: Sequence[Any] | None) -> list[str]:
    """The files a gallery of results shows; where it shows a smaller copy, the picture that is a copy of."""
    root = studio.archive.root.resolve()
    views = root / VIEWS
    files = [Path(entry[0] if isinstance(entry, (list, tuple)) else entry) for entry in shown or ()]
    return [str(root / file.resolve().relative_to(views).with_suffix("")) if file.resolve().is_relative_to(views)
            else str(file) for file in files]


def chosen_of(files: Sequence[str], looked_at: str) -> str | None:
    """That of `files` whose name, or whose copy's name, is `looked_at`; else the newest."""
    return next((file for file in files if looked_at in (Path(file).name, f"{Path(file).name}.jpg")), files[-1] if files else None)


def viewed(studio: Studio, file: str | Path) -> str:
    """`file` as a page shows it: a smaller copy of one that is too large for a browser."""
    root = studio.archive.root.resolve()
    path = Path(file).resolve()
    return str(studio.archive.view(path.relative_to(root).as_posix())) if path.is_relative_to(root) else str(path)
