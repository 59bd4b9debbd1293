"""How commands end when the disk refuses: before a picture is painted, or with the picture in another place. No model."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from PIL import Image

import app
from pipelines.archive import Archive, NotSaved
from pipelines.cli import outcome
from pipelines.cli.upscale import Output, save
from pipelines.metadata import read
from pipelines.spec.errors import StorageError
from pipelines.spec.request import GenerationRequest

REQUEST = GenerationRequest(prompt="a cat", seed=7)


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def unsaved(archive: Archive) -> int:
    archive._disk.write = full      # type: ignore[method-assign]
    return len(archive.save(Image.new("RGB", (32, 16), "teal"), REQUEST, {"seconds": 1}).file)


def test_a_picture_that_the_outputs_refuse_is_put_elsewhere(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert outcome.outcome(lambda: unsaved(Archive(tmp_path / "outputs"))) == outcome.FAILED
    [line] = capsys.readouterr().err.splitlines()
    begun, _, rest = line.partition(" It is in ")
    file = Path(rest.partition(": move it")[0])
    assert begun == "Outputs: picture with seed 7 - finished, not saved (no space left on the disk)."
    assert read(file).full == REQUEST and file.parent.stat().st_mode & 0o777 == 0o700


def test_one_that_can_be_put_nowhere_is_said_to_be_lost(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("tempfile.mkdtemp", full)
    assert outcome.outcome(lambda: unsaved(Archive(tmp_path / "outputs"))) == outcome.FAILED
    assert "It is lost: the folder for temporary files refused it too (no space left" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["generate"], ["grid", "--x", "steps=1,2"]], ids=["generate", "grid"])
def test_nothing_is_painted_for_a_folder_that_cannot_be(
        words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("pipelines.engine.Engine.run_cells", lambda *_, **__: pytest.fail("it was painted"))
    monkeypatch.setattr("pipelines.engine.Engine.run", lambda *_, **__: pytest.fail("it was painted"))
    (tmp_path / "file").touch()
    where = ["--out", str(tmp_path / "file"), "--data-dir", str(tmp_path)]
    assert app.main([*words, "--prompt", "x", *where]) == outcome.FAILED
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith(f"Outputs: {tmp_path / 'file'} - nothing can be saved there (")


def test_little_room_is_told_before_a_run(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    archive = Archive(tmp_path)
    outcome.with_room(archive)
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []
    monkeypatch.setattr(archive, "free_bytes", lambda: 100 << 20)
    outcome.with_room(archive)
    assert capsys.readouterr().err.startswith("Outputs: 100 MiB are left on the disk")
    archive._disk.write = full      # type: ignore[method-assign]
    with pytest.raises(StorageError, match="nothing can be saved there"):
        outcome.with_room(archive)


def test_an_upscaled_picture_that_cannot_be_written_is_carried_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    picture = Image.new("RGB", (8, 8))
    with pytest.raises(NotSaved, match="upscaled picture - finished, not saved .x.png: ") as caught:
        save(picture, tmp_path / "file" / "x.png", "", {}, Output("", "png", 95))
    assert caught.value.image is picture
