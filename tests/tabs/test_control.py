"""What the panel of ControlNet units and the pose editor are told, and how units go through a form. No browser, no net."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from extensions.hooks import Hooks
from pipelines import pose, settings
from pipelines.archive.disk import Disk
from pipelines.queue import Job
from pipelines.spec.errors import ModelFileError
from pipelines.spec.geometry import Size
from pipelines.spec.parts import ControlUnit
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from pipelines.tasks.preprocess import Preprocessors
from tabs import photos
from tabs.form import Form
from tabs.page import shown_in
from tabs.pose_editor import PoseEditor, data_url
from tabs.units import Desk, Units
from tabs.workbench import choices

ARMS_UP = {"canvas_width": 256, "canvas_height": 192, "people": [
    {"pose_keypoints_2d": [120, 40, 1, 120, 70, 1, 90, 70, 1, 80, 40, 1, 78, 12, 1, *([0, 0, 0] * 13)]}]}


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    made = Studio(settings.checked({"data_dir": tmp_path}), Hooks())
    yield made
    made.close()


@pytest.fixture
def desk(studio: Studio) -> Desk:
    return Desk(studio)


@pytest.fixture
def square(tmp_path: Path) -> Path:
    """A white square on blue: four edges."""
    picture = Image.new("RGB", (96, 64), (20, 40, 120))
    picture.paste((255, 255, 255), (32, 16, 64, 48))
    picture.save(tmp_path / "square.png")
    return tmp_path / "square.png"


def asked(desk: Desk, what: str, **data: Any) -> dict[str, Any]:
    answer = desk.ask({"what": what, **data})
    assert "error" not in answer, answer
    json.dumps(answer)      # it must travel
    return answer


def test_a_page_is_told_every_preprocessor_range_and_pose(desk: Desk, studio: Studio) -> None:
    told = asked(desk, "opened")
    assert [row["name"] for row in told["rows"]] == [row.name for row in studio.preprocessors.rows]
    assert set(told["fields"]) == set(told["unit"]) == set(ControlUnit.model_fields)
    assert (told["fields"]["weight"]["maximum"], told["fields"]["control_mode"]["choices"][0]) == (2, "Balanced")
    assert len(told["poses"]) == 17 and told["poses"][0]["pose"]["people"]
    assert all(told["code"].values()) and told["words"]["pose_point_17"]


def test_a_missing_weight_names_its_file_its_folder_and_its_licence(desk: Desk) -> None:
    rows = {row["name"]: row for row in asked(desk, "opened")["rows"]}
    assert rows["canny"]["missing"] == ""
    assert all(part in rows["openpose"]["missing"] for part in ("body_pose_model.pth", "models/annotators", "Licence"))


def test_a_picture_is_kept_and_seen_again(desk: Desk, square: Path) -> None:
    kept = asked(desk, "keep", path=str(square))
    assert len(kept["image"]) == 64 and kept["thumb"].startswith("data:image/png;base64,")
    assert asked(desk, "seen", name=kept["image"])["thumb"] == kept["thumb"]


@pytest.mark.parametrize("own", [True, False], ids=["its own picture", "the input picture"])
def test_the_previewed_condition_is_the_one_the_net_will_see(desk: Desk, studio: Studio, square: Path, own: bool) -> None:
    image = asked(desk, "keep", path=str(square))["image"]
    unit = {"preprocessor": "canny", "threshold_a": 50, "threshold_b": 90}
    unit_of_panel = unit | ({"image": image} if own else {})
    made = asked(desk, "condition", unit=unit_of_panel, path=str(square), width=128, height=64, keep=True)
    seen = studio.inputs.open(made["image"])
    wanted = studio.conditions.of(ControlUnit(**unit, image=image), Size(128, 64))
    assert seen.size == (128, 64) and (np.asarray(seen) == np.asarray(wanted)).all()
    assert set(np.unique(np.asarray(seen))) == {0, 255} and made["thumb"] == data_url(wanted)


@pytest.mark.parametrize(("question", "line"), [
    ({"what": "condition", "unit": {"preprocessor": "cany"}, "width": 64, "height": 64}, "canny"),
    ({"what": "condition", "unit": {"weight": 9}, "width": 64, "height": 64}, "0-2"),
    ({"what": "condition", "unit": {"preprocessor": "openpose"}, "width": 64, "height": 64}, "body_pose_model.pth"),
    ({"what": "seen", "name": "0" * 64}, "no longer kept"),
    ({"what": "read", "text": "{"}, "not JSON"),
    ({"what": "kept", "text": '{"people": []}'}, "Add a person"),
    ({"what": "kept", "text": json.dumps(ARMS_UP | {"canvas_width": 9000})}, "64-2048"),
    ({"what": "models", "model": "nothing"}, "nothing"),
    ({"what": "somebody's own"}, "not a question"), ("text", "not a question"),
], ids=["preprocessor", "range", "weights", "gone", "json", "nobody", "canvas", "checkpoint", "unknown", "no data"])
def test_what_is_refused_is_said_in_one_line(desk: Desk, square: Path, question: Any, line: str) -> None:
    given = question | {"path": str(square)} if isinstance(question, dict) else question
    error = desk.ask(given)["error"]
    assert line in error and "\n" not in error


def test_a_full_disk_is_one_line_to_every_desk(desk: Desk, square: Path, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(studio.inputs, "_disk", disk := Disk())
    monkeypatch.setattr(disk, "write", full)
    grey = Image.effect_noise((48, 48), 30)
    grey.save(square.with_name("other.png"))
    photo = {"what": "keep", "photo": data_url(grey.convert("RGB"))}
    for line in (desk.ask({"what": "keep", "path": str(square.with_name("other.png"))}), photos.Desk(studio).ask(photo)):
        assert line["error"].startswith("Picture: it could not be kept in the outputs folder (no space left on the disk).")


def test_a_pose_is_drawn_as_the_pose_room_draws_it(desk: Desk, studio: Studio) -> None:
    kept = asked(desk, "kept", text=json.dumps(ARMS_UP))
    drawn = np.asarray(studio.inputs.open(kept["image"]))
    assert drawn.shape == (192, 256, 3) and (drawn == np.asarray(pose.draw(pose.from_data(ARMS_UP)))).all()
    assert tuple(drawn[40, 120]) == pose.COLOURS[0]


def test_other_editors_json_is_read_into_the_editors_own(desk: Desk) -> None:
    frames = [{"people": [{"pose_keypoints_2d": [0.5, 0.25, 1, *([0, 0, 0] * 17)]}], "canvas_width": 200, "canvas_height": 100}]
    read = asked(desk, "read", text=json.dumps(frames))
    assert (read["canvas_width"], read["people"][0]["pose_keypoints_2d"][:3]) == (200, [100, 25, 1])


def test_without_an_estimator_the_editor_says_what_is_missing(studio: Studio, square: Path) -> None:
    editor = PoseEditor(studio, Preprocessors(()))
    with pytest.raises(ModelFileError, match=r"body_pose_model\.pth.*models/annotators.*Licence"):
        editor.detect({"path": str(square), "width": 256, "height": 256})


def test_unit_presets_are_kept_without_pictures_and_shipped_ones_stay(desk: Desk, studio: Studio) -> None:
    unit = {"preprocessor": "canny", "weight": 0.6, "end": 0.5, "image": "a" * 64}
    assert asked(desk, "save", name="Soft edges", units=[unit])["presets"][-1] == "Soft edges"
    [kept] = asked(desk, "preset", name="Soft edges")["units"]
    assert (kept["weight"], kept["end"], "image" in kept) == (0.6, 0.5, False)
    assert "Soft edges" not in asked(desk, "forget", name="Soft edges")["presets"]
    assert "stays" in desk.ask({"what": "forget", "name": "Edges"})["error"]
    assert "no unit" in desk.ask({"what": "save", "name": "x", "units": []})["error"]


def test_units_go_through_a_form_both_ways(studio: Studio) -> None:
    with gr.Blocks():
        form = Form("test", studio.words, lambda source: choices(studio, source))
        for path in ("prompt", "model"):
            form.field(path)
        panel = Units(studio, form).panel
    request = GenerationRequest.parse({"control": [{"preprocessor": "canny", "weight": 0.5}, {"image": "b" * 64, "end": 0.3}]})
    shown = dict(zip(form.outputs, form.write_all(request), strict=True))
    assert form.read(shown).control == request.control
    assert form.read(shown | {panel: []}).control == ()


@pytest.mark.parametrize(("job", "tab"), [
    (Job("a", GenerationRequest(), "control"), "control"),
    (Job("a", GenerationRequest()), "txt2img"),
    (Job("a", GenerationRequest.parse({"init": {"image": "c" * 64}})), "img2img"),
], ids=["the tab's own", "text", "picture"])
def test_a_job_is_shown_where_it_was_asked_for(job: Job, tab: str) -> None:
    assert shown_in(job) == tab
