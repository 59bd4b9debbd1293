"""What the OpenPose editor of the page asks the studio: shipped poses, reading JSON, finding people in a photo, drawing.

The editor itself is `assets/pose_editor.js`; it shows and changes points, and knows neither files nor networks.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

from PIL import Image

from pipelines import pose
from pipelines.images import open_image
from pipelines.pose.figure import MIRRORED
from pipelines.spec.errors import FieldError, ImageFileError
from pipelines.spec.geometry import Size
from pipelines.studio import Studio
from pipelines.tasks.preprocess import Preprocessors

CONTROL = "OpenPose"
STANDING = "standing"       # the preset that a new person is
CANVAS = (64, 2048)         # px a side


class PoseEditor:
    """Answers plain data; every method raises StudioError with a line for the editor."""

    def __init__(self, studio: Studio, preprocessors: Preprocessors) -> None:
        self._studio, self._preprocessors = studio, preprocessors

    def told(self) -> dict[str, Any]:
        """Once a page: the figure and the presets in their order."""
        presets = pose.Poses(self._studio.settings.preset_folders).list()
        language = self._studio.settings.language
        standing = next((p.pose for p in presets if p.name == STANDING), pose.Pose())
        return {"figure": {"names": pose.KEYPOINTS, "limbs": pose.LIMBS, "colours": pose.COLOURS, "mirrored": MIRRORED,
                           "standing": pose.to_data(standing)},
                "poses": [{"name": p.name, "title": p.shown(language), "pose": pose.to_data(p.pose)} for p in presets]}

    def read(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """`text`: any of the JSON forms that are found in the wild; the editor's own form of it."""
        return pose.to_data(pose.from_json(str(data["text"])))

    def detect(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """`path`: an uploaded photo; its people on a canvas of `width` × `height`, whole and undistorted, and by what."""
        name = self.estimator()
        found = self._preprocessors.pose(open_image(data["path"]), name)
        if not found.people:
            raise self._preprocessors.rows.get(name).nothing_found()
        return pose.to_data(found.fitted(*canvas(data))) | {"by": self._preprocessors.rows.get(name).title}

    def estimator(self) -> str:
        """The first estimator whose weights are on disk. Raises ModelFileError saying which file of the smallest goes where."""
        rows = [row for row in self._preprocessors.rows if row.control == CONTROL]
        ready = next((row for row in rows if not self._preprocessors.missing(row.name)), None)
        if ready is None:
            raise rows[0].missing(self._preprocessors.missing(rows[0].name)[0])
        return ready.name

    def kept(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """`text`: a pose as JSON; the name under which its drawing is kept, and the drawing for the page."""
        drawn = pose.draw(self._checked(str(data["text"])))
        return {"image": self._studio.inputs.keep(drawn), "thumb": data_url(drawn)}

    def _checked(self, text: str) -> pose.Pose:
        found = pose.from_json(text)
        if not all(CANVAS[0] <= side <= CANVAS[1] for side in (found.width, found.height)):
            raise FieldError("Pose canvas", f"{found.width}×{found.height}", "no size", f"{CANVAS[0]}-{CANVAS[1]} a side")
        if not any(point for person in found.people for point in person.body):
            raise FieldError("Pose", "nobody", "there is no point in it", fix="Add a person")
        return found


def canvas(data: Mapping[str, Any]) -> Size:
    """`width` and `height` of what the page sent, within bounds."""
    try:
        width, height = (min(max(int(data[side]), CANVAS[0]), CANVAS[1]) for side in ("width", "height"))
    except (KeyError, TypeError, ValueError):
        raise FieldError("Size", "", "not two whole numbers") from None
    return Size(width, height)


def data_url(picture: Image.Image, longest: int = 1024) -> str:
    """The picture inside an address, at most `longest` pixels a side: drawings as PNG, photos as JPEG."""
    if max(picture.size) > longest:
        picture = picture.copy()
        picture.thumbnail((longest, longest))
    few = picture.convert("RGB").getcolors(4096) is not None
    data = io.BytesIO()
    try:
        picture.convert("RGBA" if picture.mode == "RGBA" and few else "RGB").save(data, "PNG" if few else "JPEG", quality=88)
    except OSError as error:
        raise ImageFileError("picture", "it could not be shown") from error
    return f"data:image/{'png' if few else 'jpeg'};base64,{base64.b64encode(data.getvalue()).decode()}"
