"""Photos come upright and cropped, and what is amiss is said in words."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.portraits.crop import Box, around, by_hand, whole
from pipelines.portraits.faces import also_drawn, cascade, detector, heads, likely_heads
from pipelines.portraits.photos import portraits, read_vector
from pipelines.pose import KEYPOINTS, Person, Point, Pose
from pipelines.spec.errors import FieldError, ImageFileError
from pipelines.spec.geometry import Size

SIZE = Size(200, 100)


def png(size: tuple[int, int] = SIZE, colour: tuple[int, ...] = (200, 100, 50)) -> bytes:
    data = io.BytesIO()
    Image.new("RGBA" if len(colour) == 4 else "RGB", size, colour).save(data, "PNG")
    return data.getvalue()


@pytest.mark.parametrize(("face", "box"), [
    (Box(90, 40, 20, 20), Box(78, 28, 44, 44)), (Box(0, 0, 20, 20), Box(0, 0, 44, 44)),
    (Box(180, 80, 20, 20), Box(156, 56, 44, 44)), (Box(20, 5, 90, 90), Box(15, 0, 100, 100))],
    ids=["inside", "corner", "far corner", "larger than the photo"])
def test_a_crop_is_square_and_inside_the_photo(face: Box, box: Box) -> None:
    assert around(face, SIZE) == box


def test_without_a_face_the_middle_is_taken() -> None:
    assert whole(SIZE) == Box(50, 0, 100, 100)
    assert whole(Size(100, 200)) == Box(0, 25, 100, 100)


def test_a_crop_by_hand_is_cut_to_the_photo_or_refused() -> None:
    assert by_hand(Box(-10, 10, 100, 500), SIZE) == Box(0, 10, 90, 90)
    with pytest.raises(FieldError, match="too small to show a face"):
        by_hand(Box(190, 10, 50, 50), SIZE)


@pytest.mark.parametrize(("found", "note", "box"), [
    ([], "no face was found", whole(SIZE)), ([Box(90, 40, 20, 20)], "", Box(78, 28, 44, 44)),
    ([Box(90, 40, 20, 20), Box(10, 10, 9, 9)], "2 faces were found", Box(78, 28, 44, 44))], ids=["none", "one", "two"])
def test_the_number_of_faces_is_said_in_words(found: list[Box], note: str, box: Box) -> None:
    made = portraits([png()], lambda photo: found)[0]
    assert made.crop == box
    assert note in made.note if note else made.note == ""
    assert made.picture.size == (box.width, box.height)


def test_without_a_detector_it_says_so_and_a_crop_by_hand_wins() -> None:
    assert "no face detector" in portraits([png()])[0].note
    made = portraits([png(), png()], lambda photo: [], {1: Box(0, 0, 50, 60)})[1]
    assert made.crop == Box(0, 0, 50, 60) and made.note == ""


def test_a_turned_photo_is_upright_and_transparency_becomes_grey() -> None:
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", SIZE).save(turned, "JPEG", exif=exif)
    made = portraits([turned.getvalue(), png(colour=(255, 0, 0, 0))])
    assert made[0].photo.size == (100, 200)
    assert made[1].photo.getpixel((0, 0)) == (128, 128, 128)


def test_a_preview_darkens_what_is_left_out() -> None:
    made = portraits([png()], lambda photo: [Box(90, 40, 20, 20)])[0]
    preview = made.preview()
    assert preview.size == SIZE
    assert preview.getpixel((5, 5)) == (90, 45, 22)
    assert preview.getpixel((100, 50)) == (200, 100, 50)


def test_no_photos_and_no_picture_are_refused() -> None:
    with pytest.raises(FieldError, match="Photos: 0"):
        portraits([])
    with pytest.raises(ImageFileError, match="photo 1"):
        portraits([b"hello"])


def test_the_cascade_finds_a_real_face_and_none_in_a_texture() -> None:
    data = pytest.importorskip("skimage.data")
    photo = Image.fromarray(data.astronaut())
    faces = cascade()(photo)
    assert len(faces) == 1
    assert abs(faces[0].left + faces[0].width / 2 - 222) < 30 and abs(faces[0].top + faces[0].height / 2 - 115) < 40
    assert detector() is not None and not cascade()(Image.fromarray(data.brick()))


def test_a_saved_vector_is_read_from_numpy_and_text(tmp_path: Path) -> None:
    vector = np.linspace(-2, 2, 512, dtype=np.float32)
    np.save(tmp_path / "v.npy", vector)
    (tmp_path / "v.json").write_text(str(vector.tolist()))
    assert np.array_equal(read_vector(tmp_path / "v.npy"), vector)
    assert np.allclose(read_vector(tmp_path / "v.json"), vector)


@pytest.mark.parametrize("content", [b"1 2 3", b"hello", b"", b"nan " * 512], ids=["short", "words", "empty", "not numbers"])
def test_another_file_is_no_vector(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "v.txt").write_bytes(content)
    with pytest.raises(ImageFileError, match="512 numbers"):
        read_vector(tmp_path / "v.txt")


def test_a_pickled_vector_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ImageFileError, match="no saved face vector"):
        read_vector(tmp_path / "v.npy")


FACE = {"nose": (50, 56), "right eye": (42, 52), "left eye": (58, 52), "right ear": (30, 54), "left ear": (70, 54)}


def seen(**moved: tuple[float, float] | None) -> Pose:
    """One drawn person on 100 pixels, looking at you; `moved` puts points elsewhere."""
    places = FACE | {name.replace("_", " "): at for name, at in moved.items()}
    return Pose((Person(tuple(Point(*at) if (at := places.get(name)) else None for name in KEYPOINTS)),), 100, 100)


@pytest.mark.parametrize(("pose", "found"), [
    (seen(), [Box(52, 55, 95, 95)]), (seen(nose=None), []), (seen(left_ear=(70, 80)), []), (seen(nose=(50, 30)), []),
    (seen(left_eye=(43, 52)), []), (Pose((), 100, 100), [])],
    ids=["a face", "no nose", "crooked", "nose above the eyes", "eyes together", "nobody"])
def test_a_drawn_head_is_found_by_its_points(pose: Pose, found: list[Box]) -> None:
    assert heads(pose, (200, 200)) == found


@pytest.mark.parametrize(("pose", "found"), [
    (seen(), [Box(52, 55, 95, 95)]), (seen(left_ear=(70, 80)), [Box(43, 44, 114, 114)]),
    (seen(nose=(30, 10)), [Box(12, 0, 95, 58)]),
    (seen(nose=None, left_eye=None, right_eye=None, left_ear=None), []), (Pose((), 100, 100), [])],
    ids=["a face", "crooked", "at the edge", "an ear alone", "nobody"])
def test_of_people_who_are_certainly_drawn_a_crooked_head_counts_too(pose: Pose, found: list[Box]) -> None:
    assert likely_heads(pose, (200, 200)) == found


def test_drawn_people_are_looked_for_where_no_photographed_face_is() -> None:
    photo, face = Image.new("RGB", (100, 100)), Box(1, 2, 40, 40)
    assert also_drawn(lambda _: [face], lambda _: pytest.fail("it was looked for"))(photo) == [face]
    assert len(also_drawn(lambda _: [], lambda _: seen())(photo)) == len(also_drawn(None, lambda _: seen())(photo)) == 1
