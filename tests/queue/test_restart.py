"""Faults F64, F66, F67: the queue comes back after a restart, a full disk, a damaged file; one studio a data folder."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.queue import Job, JobQueue, Outcome, Status
from pipelines.queue.store import Store
from pipelines.spec.errors import StorageError, StudioError
from pipelines.spec.events import Emit, Note, Saved, Step
from tests.queue.conftest import REQUEST, Gate

Open = Callable[..., JobQueue]
THREE = REQUEST.merged({"batch_count": 3})


def crashed(path: Path, saved: int) -> str:
    """A queue file as a process leaves it that died while it ran its first of two jobs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    store = Store(path)
    for id in ("first", "second"):
        store.add(Job(id, THREE, created=time.time()), None)
    store.take()
    for picture in range(saved):
        store.add_file("first", picture, f"{picture}.png")
    store.close()
    return "first"


def test_what_ran_comes_back_as_interrupted_and_what_waited_waits(tmp_path: Path, open_queue: Open) -> None:
    id = crashed(tmp_path / "data" / "queue.sqlite", saved=1)
    queue = open_queue()
    assert (queue.watch(id).status, queue.watch(id).files, queue.get(id).missing) == (
        Status.INTERRUPTED,
        ("0.png",),
        (1, 2),
    )
    assert queue.wait("second", 10).status is Status.DONE
    assert queue.retry(id) is Outcome.QUEUED_AGAIN
    assert queue.wait(id, 10).files == ("0.png", "day/00001.png", "day/00002.png")


def test_pictures_that_reached_the_disk_but_not_the_queue_are_found(tmp_path: Path, open_queue: Open) -> None:
    id = crashed(tmp_path / "data" / "queue.sqlite", saved=1)
    queue = open_queue(saved_files={id: {1: "1.png"}}.get)
    assert queue.watch(id).files == ("0.png", "1.png")


def test_a_job_whose_last_picture_was_saved_is_done(tmp_path: Path, open_queue: Open) -> None:
    id = crashed(tmp_path / "data" / "queue.sqlite", saved=2)
    assert open_queue(saved_files=lambda _: {2: "2.png"}).watch(id).status is Status.DONE


def test_stopping_the_studio_interrupts_its_job(open_queue: Open, gate: Gate) -> None:
    queue = open_queue(gate.run)
    id = queue.submit(THREE)
    assert gate.reached.acquire(timeout=60)
    gate.let(11)
    assert queue.stop(0.05) is False, "the run stands before its next event"
    gate.open()
    assert queue.stop(10) is True
    again = open_queue()
    assert (again.watch(id).status, again.watch(id).files) == (Status.INTERRUPTED, ("day/00000.png",))


def test_a_second_studio_is_told_who_holds_the_folder(open_queue: Open) -> None:
    open_queue()
    with pytest.raises(
        StudioError, match=rf"^Queue: the data folder is used by another studio \(process {os.getpid()}\)\."
    ):
        open_queue()


def test_another_process_is_told_so_too(tmp_path: Path, open_queue: Open) -> None:
    open_queue()
    code = (
        "import sys, pathlib\nfrom pipelines.queue import JobQueue\n"
        "try: JobQueue(pathlib.Path(sys.argv[1]), print).start()\nexcept Exception as error: print(error)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "data" / "queue.sqlite")],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).parents[2],
    )
    assert f"used by another studio (process {os.getpid()})" in said.stdout


@pytest.mark.parametrize("text", ["999999999", "", "nonsense", "\0\0\0\0"], ids=ascii)
def test_a_stale_lock_is_taken_over(
    text: str, tmp_path: Path, open_queue: Open, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "queue.sqlite.pid").write_text(text)
    (tmp_path / "data" / "queue.sqlite.lock").write_text("")
    queue = open_queue()
    assert queue.wait(queue.submit(REQUEST), 10).status is Status.DONE
    assert ("its lock was stale" in caplog.text) == text.isdigit()


def test_the_folder_is_free_after_stop(open_queue: Open) -> None:
    for _ in range(3):
        assert open_queue().stop()


DAMAGE = {"no database": b"x" * 9000, "text": b"hello", "cut": None}


@pytest.mark.parametrize("data", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_kept_aside(data: bytes | None, tmp_path: Path, open_queue: Open) -> None:
    path = tmp_path / "data" / "queue.sqlite"
    crashed(path, saved=1)
    path.write_bytes(data if data is not None else path.read_bytes()[:5000])
    queue = open_queue()
    assert queue.jobs() == []
    assert len(list(path.parent.glob("queue.sqlite.bad-*"))) == 1


def test_a_damaged_file_that_cannot_be_moved_keeps_jobs_in_memory(
        tmp_path: Path, open_queue: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data" / "queue.sqlite"
    path.parent.mkdir()
    path.write_bytes(DAMAGE["text"] or b"")

    def read_only(*_: object) -> Path:
        raise PermissionError("read-only")

    monkeypatch.setattr(Path, "replace", read_only)
    queue = open_queue()
    assert queue.volatile == "read-only" and queue.wait(queue.submit(THREE), 10).status is Status.DONE
    assert path.read_bytes() == DAMAGE["text"]


@pytest.mark.parametrize(("table", "column"), [("jobs", "notes"), ("jobs", "owner"), ("files", "file"), ("turns", "turn")])
def test_a_file_whose_table_lacks_a_column_is_kept_aside(
        table: str, column: str, tmp_path: Path, open_queue: Open, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "data" / "queue.sqlite"
    crashed(path, saved=1)
    with sqlite3.connect(path) as db:
        for index in ("by_key", "by_status"):
            db.execute(f"DROP INDEX {index}")
        db.execute(f"ALTER TABLE {table} RENAME COLUMN {column} TO lost")
    db.close()
    queue = open_queue()
    assert (queue.jobs(), queue.volatile, queue.wait(queue.submit(THREE), 10).status) == ([], "", Status.DONE)
    assert len(list(path.parent.glob("queue.sqlite.bad-*"))) == 1
    assert f"its table {table} has no column {column}" in caplog.text


def test_a_file_whose_change_to_this_version_was_cut_off_is_taken_up(tmp_path: Path, open_queue: Open) -> None:
    path = tmp_path / "data" / "queue.sqlite"
    id = crashed(path, saved=1)
    with sqlite3.connect(path) as db:
        db.execute("ALTER TABLE jobs DROP COLUMN pictures")
        db.execute("PRAGMA user_version=1")
    db.close()
    queue = open_queue()
    assert (queue.volatile, queue.watch(id).files, queue.get(id).count) == ("", ("0.png",), 3)


def test_an_empty_file_is_a_new_queue(tmp_path: Path, open_queue: Open) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "queue.sqlite").write_bytes(b"")
    assert open_queue().jobs() == []


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path, open_queue: Open) -> None:
    path = tmp_path / "data" / "queue.sqlite"
    crashed(path, saved=0)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    before = path.read_bytes()
    with pytest.raises(StudioError, match=r"^Queue: queue\.sqlite was written by a later version of the studio\."):
        open_queue()
    assert path.read_bytes() == before


def test_a_request_this_version_cannot_read_does_not_stop_the_others(tmp_path: Path, open_queue: Open) -> None:
    path = tmp_path / "data" / "queue.sqlite"
    crashed(path, saved=0)
    with sqlite3.connect(path) as db:
        db.execute("""UPDATE jobs SET request = '{"hologram": 1}' WHERE id = 'first'""")
    db.close()
    queue = open_queue()
    assert queue.wait("second", 10).status is Status.DONE
    assert [job.id for job in queue.jobs()] == ["second"]


FULL = sqlite3.OperationalError("database or disk is full")


def full(*_: object) -> None:
    raise FULL


def test_a_full_disk_refuses_a_job_in_one_line(open_queue: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = open_queue()
    monkeypatch.setattr(Store, "add", full)
    with pytest.raises(
        StorageError, match=r"^Queue: nothing was changed, the disk refused \(database or disk is full\)\.$"
    ):
        queue.submit(REQUEST)


def test_a_disk_full_while_running_loses_no_picture(open_queue: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(job: Job, emit: Emit) -> None:
        with monkeypatch.context() as broken:
            broken.setattr(Store, "add_file", full)
            broken.setattr(Store, "set_fraction", full)
            for index in job.missing:
                emit(Step(1, 1, 1, 1))
                emit(Saved(index, f"{index}.png"))

    queue = open_queue(run)
    id = queue.submit(THREE)
    assert queue.wait(id, 10).status is Status.DONE
    queue.stop()
    assert open_queue().watch(id).files == ("0.png", "1.png", "2.png")


def test_an_end_that_cannot_be_written_is_written_later(open_queue: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = open_queue()
    with monkeypatch.context() as broken:
        broken.setattr(Store, "end", full)
        id = queue.submit(THREE)
        end = queue.wait(id, 10)
        assert (end.status, len(end.files), queue.get(id).status) == (Status.DONE, 3, Status.DONE)
    queue.resume()
    queue.stop()
    assert open_queue().watch(id).status is Status.DONE


def test_a_clock_that_runs_backwards_changes_no_order(open_queue: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []
    queue = open_queue(lambda job, emit: ran.append(job.request.seed))
    queue.pause()
    for seed, now in enumerate((3e9, 2e9, 1e9)):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        last = queue.submit(REQUEST.merged({"seed": seed}))
    queue.resume()
    queue.wait(last, 10)
    assert ran == [0, 1, 2]
    assert queue.watch(last).seconds >= 0


def test_a_folder_that_takes_no_file_keeps_jobs_in_memory(tmp_path: Path, open_queue: Open) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    queue = open_queue()
    assert queue.volatile == "unable to open database file"
    assert queue.wait(queue.submit(THREE), 10).status is Status.DONE


def test_a_full_disk_holds_the_queue_even_if_that_cannot_be_written(
    open_queue: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(job: Job, emit: Emit) -> None:
        raise StorageError("Outputs: finished, not saved.")

    queue = open_queue(run)
    first, second = queue.submit(REQUEST), queue.submit(REQUEST)
    with monkeypatch.context() as broken:
        broken.setattr(Store, "end", full)
        queue.wait(first, 10)
        assert (queue.wait(second, 0.2).status, queue.paused) == (Status.QUEUED, "Outputs: finished, not saved.")
    queue.resume()
    assert queue.wait(second, 10).status is Status.FAILED


def test_a_queue_that_is_not_open_says_so(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match=r"^Queue: it is not open\. Start the studio first\.$"):
        JobQueue(tmp_path / "q.sqlite", print).submit(REQUEST)


def test_pictures_that_cannot_be_looked_for_stop_no_start(tmp_path: Path, open_queue: Open) -> None:
    def failing(_: str) -> dict[int, str]:
        raise OverflowError("too large")

    id = crashed(tmp_path / "data" / "queue.sqlite", saved=1)
    assert open_queue(saved_files=failing).watch(id).files == ("0.png",)


def test_a_start_that_fails_leaves_the_folder_free(tmp_path: Path, open_queue: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    crashed(tmp_path / "data" / "queue.sqlite", saved=1)
    with monkeypatch.context() as broken, pytest.raises(OverflowError):
        broken.setattr(Store, "running", lambda _: (_ for _ in ()).throw(OverflowError))
        open_queue()
    assert open_queue().wait("second", 10).status is Status.DONE


def test_what_a_run_says_can_be_written_and_shown(open_queue: Open) -> None:
    name = os.fsdecode(b"caf\xe9.png")

    def run(job: Job, emit: Emit) -> None:
        emit(Note(f"{name}: skipped."))
        raise StudioError(f"{name} cannot be used.")

    queue = open_queue(run)
    id = queue.submit(REQUEST)
    end = queue.wait(id, 10)
    assert (end.notes, end.error) == (("caf?.png: skipped.",), "caf?.png cannot be used.")
    queue.stop()
    assert open_queue().get(id).error == end.error


@pytest.mark.parametrize("change", [
    "request = NULL", "request = x'ff'", "status = 'suspended'", "fraction = 'much'", "ended = NULL",
])
def test_a_row_no_version_wrote_stops_no_other(change: str, tmp_path: Path, open_queue: Open) -> None:
    path = tmp_path / "data" / "queue.sqlite"
    crashed(path, saved=0)
    with sqlite3.connect(path) as db:
        db.execute(f"UPDATE jobs SET {change} WHERE id = 'first'")
    db.close()
    queue = open_queue()
    assert queue.wait("second", 10).status is Status.DONE
    assert [job.id for job in queue.jobs()] == ["second"]


def test_a_job_without_readable_notes_is_there(tmp_path: Path, open_queue: Open) -> None:
    path = tmp_path / "data" / "queue.sqlite"
    crashed(path, saved=0)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE jobs SET notes = NULL, status = 'done' WHERE id = 'first'")
    db.close()
    assert {job.id: job.notes for job in open_queue().jobs()}["first"] == ()
