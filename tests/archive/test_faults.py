"""Faults F64-F66: full, read-only, vanished and strange disks; midnight, clocks, taken names, damaged side files."""

from __future__ import annotations

import errno
import logging
import os
import resource
import signal
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from PIL import Image

from pipelines.archive import Archive, Item, NotSaved
from pipelines.archive.disk import Disk
from pipelines.archive.inputs import Inputs
from pipelines.spec.errors import StorageError
from pipelines.spec.request import GenerationRequest

REQUEST = GenerationRequest(prompt="a cat", seed=7)
PICTURE = Image.new("RGB", (32, 16), "teal")


class FailingDisk(Disk):
    """A disk on which the named step fails from the n-th time on."""

    def __init__(self, step: str = "", error: int = errno.ENOSPC, after: int = 0) -> None:
        self.step, self.error, self.left = step, error, after

    def _fail(self, step: str, path: Path) -> None:
        if step == self.step:
            self.left -= 1
            if self.left < 0:
                raise OSError(self.error, os.strerror(self.error), str(path))

    def write(self, path: Path, data: bytes) -> None:
        if self.step == "write" and self.left <= 0:
            super().write(path, data[: len(data) // 2])
        self._fail("write", path)
        super().write(path, data)

    def fsync(self, path: Path) -> None:
        self._fail("fsync folder" if path.is_dir() else "fsync", path)
        super().fsync(path)

    def publish(self, temporary: Path, final: Path) -> None:
        self._fail("publish", final)
        super().publish(temporary, final)

    def replace(self, temporary: Path, final: Path) -> None:
        self._fail("replace", final)
        super().replace(temporary, final)


@pytest.mark.parametrize("step", ["write", "fsync", "publish", "fsync folder"])
def test_a_full_disk_keeps_the_picture_in_memory(step: str, tmp_path: Path) -> None:
    disk = FailingDisk(step)
    archive = Archive(tmp_path / "outputs", disk)
    with pytest.raises(NotSaved, match=r"seed 7 - finished, not saved \(no space left on the disk\)\.") as caught:
        archive.save(PICTURE, REQUEST, {"seconds": 1})
    assert caught.value.image is PICTURE
    assert [p for p in archive.root.rglob("*") if p.is_file() and not p.name.startswith(".index")] == []
    disk.step = ""
    assert [item.prompt for item in archive.save_again()] == ["a cat"]
    assert archive.unsaved == ()


def test_a_write_cut_in_the_middle_leaves_nothing(archive: Archive) -> None:
    """The kernel itself refuses here: files of this process may not grow beyond 2 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, before[1]))
    try:
        with pytest.raises(NotSaved, match=r"finished, not saved \(file too large\)"):
            archive.save(Image.effect_noise((64, 64), 90), REQUEST)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [p.name for p in archive.root.rglob("*") if p.is_file() and not p.name.startswith(".index")] == []


def test_a_thumbnail_that_cannot_be_written_loses_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    archive = Archive(tmp_path / "outputs", FailingDisk("replace"))
    file = archive.save(PICTURE, REQUEST).file
    assert archive.thumbnail(file) == archive.open(file)
    assert "No thumbnail of" in caplog.text


def test_an_index_that_cannot_commit_loses_nothing(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(rows: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(archive.catalogue.index, "add", full)
        item = archive.save(PICTURE, REQUEST)
        assert archive.items() == []
    assert [i.file for i in archive.items()] == [item.file]


def test_marking_and_trashing_on_a_full_disk_change_nothing(tmp_path: Path) -> None:
    disk = FailingDisk()
    archive = Archive(tmp_path / "outputs", disk)
    file = archive.save(PICTURE, REQUEST).file
    for disk.step, change in (("write", archive.favourite), ("replace", archive.favourite), ("publish", archive.trash)):
        with pytest.raises(StorageError, match=r"Outputs: nothing was changed - no space left on the disk\."):
            change(file)
    assert [(i.file, i.favourite) for i in archive.items()] == [(file, False)]


@pytest.mark.parametrize("error", [errno.EROFS, errno.EACCES], ids=["read-only", "no right"])
def test_a_read_only_folder_says_so(error: int, tmp_path: Path) -> None:
    archive = Archive(tmp_path / "outputs", FailingDisk("write", error))
    with pytest.raises(NotSaved, match=r"\(the outputs folder is read-only\)"):
        archive.save(PICTURE, REQUEST)


@pytest.mark.parametrize(("error", "why"), [(errno.ENOSPC, "no space left on the disk"), (errno.EIO, "input/output error")])
def test_a_picture_to_start_from_that_the_disk_refuses_is_one_line(error: int, why: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=rf"Picture: it could not be kept in the outputs folder \({why}\)\. Make room"):
        Inputs(tmp_path, FailingDisk("write", error)).keep(PICTURE)
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="not a directory"):
        Inputs(tmp_path / "file").keep(PICTURE)


def test_a_folder_removed_while_running_is_made_again(archive: Archive) -> None:
    archive.save(PICTURE, REQUEST)
    for path in sorted(archive.root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    archive.root.rmdir()
    assert archive.items() == []
    item = archive.save(PICTURE, REQUEST)
    assert [i.file for i in archive.items()] == [item.file]


def test_a_file_in_the_place_of_the_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("")
    with pytest.raises(NotSaved, match=r"finished, not saved \((not a directory|file exists)\)"):
        Archive(tmp_path / "outputs").save(PICTURE, REQUEST)


@pytest.mark.parametrize("name", ["100% done", "a#b?c", "зображення", " spaced ", "x" * 200], ids=ascii)
def test_any_folder_name_will_do(name: str, tmp_path: Path) -> None:
    archive = Archive(tmp_path / name / "outputs")
    file = archive.save(PICTURE, REQUEST).file
    assert [i.file for i in archive.items()] == [file]
    assert archive.thumbnail(file).is_file()


def at(*moments: str) -> Callable[[], datetime]:
    """A clock that shows these moments one after another, then stays."""
    times: Iterator[datetime] = iter([datetime.fromisoformat(m) for m in moments])
    last = [datetime.fromisoformat(moments[-1])]
    return lambda: next(times, last[0])


CLOCKS = {
    "midnight": (["2026-11-21T23:59:59", "2026-11-22T00:00:01"], ["2026-11-21/00000-7.png", "2026-11-22/00000-7.png"]),
    "backwards": (["2026-11-22T00:00:01", "2026-11-21T10:00:00", "2026-11-22T00:00:02"],
                  ["2026-11-22/00000-7.png", "2026-11-21/00000-7.png", "2026-11-22/00001-7.png"]),
    "after 2038": (["2040-01-01T00:00:00"], ["2040-01-01/00000-7.png"]),
}  # fmt: skip


@pytest.mark.parametrize(("moments", "files"), CLOCKS.values(), ids=CLOCKS)
def test_clocks_may_do_what_they_like(moments: list[str], files: list[str], tmp_path: Path) -> None:
    archive = Archive(tmp_path / "outputs", now=at(*moments))
    assert [archive.save(PICTURE, REQUEST).file for _ in files] == files


def test_a_name_taken_meanwhile_is_never_overwritten(tmp_path: Path) -> None:
    class Rival(Disk):
        """Another process takes the name after it was chosen and before it is given."""

        def publish(self, temporary: Path, final: Path) -> None:
            if final.name.startswith("00000"):
                final.write_bytes(b"theirs")
            super().publish(temporary, final)

    archive = Archive(tmp_path / "outputs", Rival(), now=at("2026-11-21T10:00:00"))
    assert archive.save(PICTURE, REQUEST).file == "2026-11-21/00001-7.png"
    assert (archive.root / "2026-11-21/00000-7.png").read_bytes() == b"theirs"


def test_a_disk_without_hard_links_saves_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    archive = Archive(tmp_path / "outputs")
    files = [archive.save(PICTURE, REQUEST).file for _ in range(2)]
    assert archive.restore(archive.trash(files[0])) == files[0]
    assert len(archive.items()) == 2


def test_what_a_crash_left_half_written_is_cleaned_away(archive: Archive) -> None:
    file = archive.save(PICTURE, REQUEST).file
    day = archive.open(file).parent
    gone, living = day / ".999999999-abc.part", day / f".{os.getppid()}-abc.part"
    for path in (gone, living, day / ".hidden"):
        path.write_bytes(b"half")
    Archive(archive.root)
    assert {p.name for p in day.iterdir()} == {Path(file).name, living.name, ".hidden"}


DAMAGE = {
    "zero bytes": lambda p: p.write_bytes(b""), "not a database": lambda p: p.write_bytes(b"x" * 9000),
    "cut": lambda p: p.write_bytes(p.read_bytes()[:9000]), "missing": lambda p: p.unlink(),
    "holes": lambda p: p.write_bytes(p.read_bytes()[:4096] + os.urandom(8192) + p.read_bytes()[12288:]),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_index_is_moved_aside_and_made_again(
    damage: Callable[[Path], object], archive: Archive, save: Callable[..., Item], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    files = {save(prompt="word " * 200).file for _ in range(12)}
    archive.items()
    archive.close()
    for leftover in archive.root.glob(".index.sqlite-*"):
        leftover.unlink()
    damage(archive.root / ".index.sqlite")
    again = Archive(archive.root)
    assert {item.file for item in again.items()} == files
    assert len(list(archive.root.glob(".index.sqlite.bad-*"))) == ("is damaged" in caplog.text)


def test_the_index_of_an_older_studio_is_made_anew_without_a_word(archive: Archive, save: Callable[..., Item], caplog) -> None:
    file = save().file
    archive.close()
    with sqlite3.connect(archive.root / ".index.sqlite") as db:
        db.execute("PRAGMA user_version=1")
    assert [item.file for item in Archive(archive.root).items()] == [file]
    assert not list(archive.root.glob(".index.sqlite.bad-*")) and not caplog.text


def test_an_index_deleted_under_a_running_studio_comes_back(archive: Archive, save: Callable[..., Item]) -> None:
    first = save().file
    for path in archive.root.glob(".index.sqlite*"):
        path.unlink()
    second = save().file
    assert {item.file for item in archive.items()} == {first, second}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": 7}', "\0" * 50, '{"version": 1}'], ids=ascii)
def test_a_damaged_list_of_favourites_is_kept_aside(text: str, tmp_path: Path) -> None:
    (tmp_path / ".favourites.json").write_text(text)
    archive = Archive(tmp_path)
    assert archive.items(favourites=True) == []
    assert [p.read_text() for p in tmp_path.glob(".favourites.json.bad-*")] == [text]


def test_damaged_pictures_do_not_stop_a_rebuild(archive: Archive, save: Callable[..., Item]) -> None:
    good = save().file
    whole = archive.open(good).read_bytes()
    for n, data in enumerate([b"", b"text", whole[:20], whole[:60], whole.replace(b"version", b"versiox")]):
        (archive.root / f"bad{n}.png").write_bytes(data)
    assert archive.rebuild() == 6
    assert good in {item.file for item in archive.items()}


def test_a_hostile_request_in_a_file_is_shown_as_it_can_be(archive: Archive) -> None:
    from PIL.PngImagePlugin import PngInfo

    for n, ours in enumerate(
        ['{"request":{"prompt":NaN}}', '{"request":{"model":{"a":[1]},"seed":"x"}}', '{"request":' + '{"a":' * 500]
    ):
        chunks = PngInfo()
        chunks.add_text("atelier", ours)
        PICTURE.save(archive.root / f"{n}.png", pnginfo=chunks)
    assert len(archive.items()) == 3
    assert len(archive.items("model:mini")) == 0
