"""The photos of the likeness tab: looked at for a face, cropped, kept by their hash, deleted with one click. One component.

The photo itself stays in the browser; what is kept is the square that is used. Drawn by photos.js.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines.images import open_image
from pipelines.portraits.photos import portraits
from pipelines.spec.errors import FieldError, StudioError
from pipelines.studio import Studio
from pipelines.words import Words
from tabs.form import Form
from tabs.pose_editor import data_url

FIELD = "identity.photos"
SCRIPT = Path(__file__).parent / "assets" / "photos.js"
LIMIT = 6 * 2**20       # characters of one photo, 1024 px a side at most
WORDS = ("photos_remove", "photos_crop", "photos_small", "photos_looking", "photos_most", "photos_unread")


class Photos:
    """Place inside the tab; it stands for the field `identity.photos` of the form."""

    def __init__(self, studio: Studio, form: Form) -> None:
        desk = Desk(studio)

        def ask(data: Any) -> dict[str, Any]:
            return desk.ask(data)

        self.panel = gr.HTML(
            [], js_on_load=SCRIPT.read_text(encoding="utf-8"), server_functions=[ask], elem_id=f"{form.prefix}-photos",
            elem_classes="card photos", apply_default_css=False, html_template=template(studio.words))
        form.hold(FIELD, self.panel)


def template(words: Words) -> str:
    """Buttons, the line of consent, what is amiss, and the photos below."""
    said = html.escape(json.dumps({name: words(name) for name in WORDS}), quote=True)
    told = {name: html.escape(words(name)) for name in ("photos_add", "photos_delete", "photos_consent")}
    return (f'<div class="tools"><label class="file">⇪ {told["photos_add"]}'
            '<input type="file" data-act="add" accept="image/*" multiple></label>'
            f'<button type="button" data-act="delete" disabled>{told["photos_delete"]}</button></div>'
            f'<p class="consent">{told["photos_consent"]}</p><p class="line" role="status"></p>'
            f'<div class="shelf" data-words="{said}"></div>')


class Desk:
    """Answers the script: one question, one answer of plain data; a refusal is {"error": line}."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._answers = {"look": self._look, "keep": self._keep, "seen": self._seen, "forget": self._forget}

    def ask(self, data: Any) -> dict[str, Any]:
        try:
            return self._answers[data["what"]](data)
        except StudioError as error:
            return {"error": str(error)}
        except (KeyError, TypeError):
            return {"error": "Request: not a question of this page. Reload it."}

    @cached_property
    def _detector(self) -> Any:
        from pipelines.tasks.identity import face_finder

        return face_finder(self._studio.settings.model_roots, self._studio.preprocessors)

    def _look(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The square round the face of `photo`, and one line where something is amiss."""
        [portrait] = portraits([decoded(data["photo"])], self._detector)
        box = portrait.crop
        return {"box": {"left": box.left, "top": box.top, "side": min(box.width, box.height)}, "faces": len(portrait.faces),
                "note": portrait.note.partition(": ")[2]}

    def _keep(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The name of the square `photo`."""
        photo = open_image(decoded(data["photo"])).convert("RGB")
        return {"name": self._studio.photos.keep(photo, str(data.get("instead") or ""))}

    def _seen(self, data: Mapping[str, Any]) -> dict[str, Any]:
        return {"thumb": data_url(self._studio.inputs.open(str(data["name"])), 256)}

    def _forget(self, data: Mapping[str, Any]) -> dict[str, Any]:
        gone, later = self._studio.photos.delete([str(name) for name in data["names"]])
        told = self._studio.words("photos_deleted", count=gone)
        return {"told": f"{told} {self._studio.words('photos_later', count=later)}" if later else told}


def decoded(address: Any) -> bytes:
    """The bytes of a picture's data address. Raises FieldError."""
    if not isinstance(address, str) or len(address) > LIMIT or not address.startswith("data:image/"):
        raise FieldError("Photo", "", "not a photo of this page", fix="Reload the page")
    try:
        return base64.b64decode(address.partition(",")[2], validate=True)
    except ValueError:      # no base64, or not even ASCII
        raise FieldError("Photo", "", "not a photo of this page", fix="Reload the page") from None
