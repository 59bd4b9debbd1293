"""Poses from and to OpenPose's JSON, in the forms found in the wild. Trusts nothing it reads.

Read are: `{"people": [{"pose_keypoints_2d": [x, y, c, …]}]}` of OpenPose, sd-webui-controlnet and sd-webui-openpose-editor
(`canvas_width`, `canvas_height`); the editor of fkunn1326 (`width`, `height`, `keypoints`); a list of frames (the first
counts); a plain list of people or of one person's points. Triples or pairs; bodies of 18 points or BODY_25's 25; pixels or
fractions of the canvas: where no number is above 1, they are fractions. Confidence 0 or below means "not there".
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.pose.figure import KEYPOINTS, NOBODY, Person, Point, Points, Pose
from pipelines.spec.errors import FieldError

FIELD = "Pose"
LIMIT = 4 * 1024 * 1024     # bytes of JSON
MOST_PEOPLE = 100
LARGEST = 16384             # pixels a side
FORMS = "OpenPose JSON: {\"people\": [{\"pose_keypoints_2d\": [x, y, confidence, …]}], \"canvas_width\": …, \"canvas_height\": …}"
# Where the 18 points stand in BODY_25 (8 is the middle of the hips, 19-24 are feet).
BODY_25 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)


def from_json(text: str | bytes) -> Pose:
    """Raises FieldError, one line."""
    if len(text) > LIMIT:
        raise FieldError(FIELD, "the file", "it is larger than 4 MB", FORMS)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise FieldError(FIELD, "the file", "not JSON", FORMS) from None
    return from_data(data)


def from_data(data: Any) -> Pose:
    """As `from_json`, from the parsed value."""
    if isinstance(data, Sequence) and not isinstance(data, str) and data and isinstance(data[0], Mapping) and "people" in data[0]:
        data = data[0]
    frame: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
    found = frame.get("people", frame.get("keypoints")) if frame else data
    if not isinstance(found, list):
        raise FieldError(FIELD, data, "no people in it", FORMS)
    if found and not isinstance(found[0], Mapping) and not _is_person(found[0]):
        found = [found]     # one person's points, as they are
    if len(found) > MOST_PEOPLE:
        raise FieldError(FIELD, len(found), "too many people", f"up to {MOST_PEOPLE}")
    people = tuple(_person(entry) for entry in found)
    return _on_canvas(people, _side(frame, "width"), _side(frame, "height"))


def to_data(pose: Pose) -> dict[str, Any]:
    """As sd-webui-openpose-editor writes it: pixels, `canvas_width`, `canvas_height`; parts that are not there are absent."""
    people = [{f"{name}_keypoints_2d": _numbers(points) for name, points in (
        ("pose", p.body), ("face", p.face), ("hand_left", p.left_hand), ("hand_right", p.right_hand)) if points}
        for p in pose.people]
    return {"people": people, "canvas_width": pose.width, "canvas_height": pose.height}


def to_json(pose: Pose) -> str:
    return json.dumps(to_data(pose), separators=(",", ":"))


def _numbers(points: Points) -> list[float]:
    triples = ((p.x, p.y, p.confidence) if p is not None else (0, 0, 0) for p in points)
    return [int(v) if v == int(v) else v for triple in triples for v in triple]


def _is_person(entry: Any) -> bool:
    """A list of points, or a flat list of numbers of a whole body (a point alone has two or three)."""
    return isinstance(entry, list) and len(entry) > 3


def _person(entry: Any) -> Person:
    if not isinstance(entry, Mapping):
        return Person(_body(entry))
    body = entry.get("pose_keypoints_2d", entry.get("pose_keypoints"))
    return Person(_body(body) if body else NOBODY, _part(entry, "hand_left", 21), _part(entry, "hand_right", 21),
                  _part(entry, "face", 0))


def _body(values: Any) -> Points:
    points = _points(values, (len(KEYPOINTS), 25))
    return tuple(points[i] for i in BODY_25) if len(points) == 25 else points


def _part(entry: Mapping[str, Any], name: str, count: int) -> Points:
    values = entry.get(f"{name}_keypoints_2d")
    return _points(values, (count,) if count else (68, 70)) if values else ()


def _points(values: Any, counts: tuple[int, ...]) -> Points:
    """Points of nested or flat numbers. A flat list is read in triples where that gives one of `counts`, else in pairs."""
    expected = " or ".join(map(str, counts))
    if not isinstance(values, list):
        raise FieldError(FIELD, values, "not a list of points", FORMS)
    if any(isinstance(v, list) or v is None for v in values):
        groups = [v if isinstance(v, list) else [0, 0, 0] for v in values]
    else:
        width = 3 if len(values) in [3 * n for n in counts] else 2
        groups = [values[i:i + width] for i in range(0, len(values), width)]
    if len(groups) not in counts or any(len(g) not in (2, 3) for g in groups):
        raise FieldError(FIELD, f"{len(groups)} points", "not the number of points of this part", expected)
    return tuple(_point([_number(v) for v in g]) for g in groups)


def _point(values: list[float]) -> Point | None:
    x, y, confidence = values if len(values) == 3 else (*values, 1.0)
    return Point(x, y, min(confidence, 1.0)) if confidence > 0 and (len(values) == 3 or (x, y) not in ((0, 0), (-1, -1))) else None


def _number(value: Any) -> float:
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or abs(value) > 10 * LARGEST:
        raise FieldError(FIELD, value, "not a coordinate", f"numbers up to {LARGEST}")
    return float(value)


def _side(frame: Mapping[str, Any], name: str) -> int:
    """The canvas' width or height; 0 where the file does not say it."""
    value = frame.get(f"canvas_{name}", frame.get(name, frame.get(f"image_{name}"))) or 0
    size = _number(value)
    if not 0 <= size <= LARGEST:
        raise FieldError(f"{FIELD} canvas {name}", value, "no size", f"1-{LARGEST}")
    return int(size)


def _on_canvas(people: tuple[Person, ...], width: int, height: int) -> Pose:
    """Fractions become pixels. An unsaid canvas is 512×512, or larger in steps of 64 where the points need it."""
    points = [point for person in people for point in person.points()]
    fractions = bool(points) and all(abs(v) <= 1 for p in points for v in (p.x, p.y))
    if fractions:
        width, height = width or 512, height or 512
        # Rounded, so that a pixel divided and multiplied by the same size is that pixel again.
        people = tuple(p.every(lambda q: Point(round(q.x * width, 6), round(q.y * height, 6), q.confidence)) for p in people)
    else:
        width = width or _enough([p.x for p in points])
        height = height or _enough([p.y for p in points])
    return Pose(people, width, height)


def _enough(values: list[float]) -> int:
    return min(max(512, 64 * math.ceil((max(values, default=0) + 1) / 64)), LARGEST)
