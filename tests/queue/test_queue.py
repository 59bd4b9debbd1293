"""Jobs come in, run in their order, can be watched, stopped, skipped, moved, paused and retried."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from pipelines.queue import Job, JobQueue, Outcome, QueueFull, Status
from pipelines.spec.errors import FieldError, ModelFileError, StorageError, StudioError
from pipelines.spec.events import Emit, Note, Saved, Stage, Step
from tests.queue.conftest import REQUEST, Gate, paint

Open = Callable[..., JobQueue]
TWO = REQUEST.merged({"batch_count": 2})


def test_a_job_runs_to_its_end(open_queue: Open) -> None:
    queue = open_queue()
    end = queue.wait(queue.submit(TWO), 10)
    assert (end.status, end.fraction, end.files, end.error) == (
        Status.DONE,
        1.0,
        ("day/00000.png", "day/00001.png"),
        "",
    )


def test_jobs_run_first_in_first_out(open_queue: Open) -> None:
    ran: list[int] = []
    queue = open_queue(lambda job, emit: ran.append(job.request.seed))
    ids = [queue.submit(REQUEST.merged({"seed": n})) for n in range(20)]
    queue.wait(ids[-1], 10)
    assert ran == list(range(20))


def test_progress_tells_stage_step_and_preview(open_queue: Open, gate: Gate) -> None:
    queue = open_queue(gate.run)
    id = queue.submit(TWO)
    assert gate.reached.acquire(timeout=60)
    gate.let()
    assert queue.watch(id).stage == "loading mini"
    gate.let(4)
    now = queue.watch(id)
    assert (now.status, now.step, now.steps, now.image, now.images, now.preview) == (
        Status.RUNNING,
        2,
        4,
        1,
        2,
        b"jpeg",
    )
    assert (now.fraction, now.stage, now.files) == (0.25, "", ())


def test_the_eta_is_measured(open_queue: Open) -> None:
    def run(job: Job, emit: Emit) -> None:
        for step in range(1, 5):
            time.sleep(0.02)
            emit(Step(1, 1, step, 8))
        seen.append(queue.watch(job.id).eta_s)

    seen: list[float | None] = []
    queue = open_queue(run)
    queue.wait(queue.submit(REQUEST), 10)
    assert seen[0] is not None
    assert 0.04 < seen[0] < 1.0, "four steps of 0.02 s are left"


def test_following_ends_with_the_job(open_queue: Open) -> None:
    queue = open_queue()
    seen = list(queue.follow(queue.submit(TWO)))
    assert seen[-1].ended
    assert [p.ended for p in seen[:-1]] == [False] * (len(seen) - 1)


def test_two_devices_work_at_once(open_queue: Open) -> None:
    both = threading.Barrier(2, timeout=60)
    devices: set[int] = set()

    def run(job: Job, emit: Emit) -> None:
        devices.add(job.device)
        both.wait()

    queue = open_queue(run, devices=2)
    assert [queue.wait(id, 10).status for id in [queue.submit(REQUEST), queue.submit(REQUEST)]] == ["done", "done"]
    assert devices == {0, 1}


def test_the_same_key_makes_one_job(open_queue: Open) -> None:
    queue = open_queue()
    first = queue.submit(REQUEST, key="k", owner="me")
    queue.wait(first, 10)
    assert queue.submit(REQUEST, key="k", owner="me") == first
    assert queue.submit(REQUEST, key="k", owner="you") != first
    assert queue.submit(REQUEST, key="l", owner="me") != first


def test_a_full_queue_says_so(open_queue: Open) -> None:
    queue = open_queue()
    queue.pause()
    for n in range(256):
        queue.submit(REQUEST, key=str(n))
    with pytest.raises(QueueFull, match=r"^Queue: queue is full \(256\)\."):
        queue.submit(REQUEST)
    assert queue.submit(REQUEST, key="7") == queue.jobs()[7].id
    assert queue.cancel_all() == 256


def test_waiting_jobs_can_be_moved(open_queue: Open) -> None:
    queue = open_queue()
    queue.pause()
    a, b, c = (queue.submit(REQUEST) for _ in range(3))
    assert queue.move(c, 0) is Outcome.MOVED
    assert [job.id for job in queue.jobs()] == [c, a, b]
    assert queue.move(a, 99) is Outcome.MOVED
    assert [queue.watch(id).position for id in (c, b, a)] == [0, 1, 2]


def test_a_paused_queue_begins_nothing_also_after_a_restart(open_queue: Open) -> None:
    queue = open_queue()
    queue.pause("lunch")
    id = queue.submit(REQUEST)
    queue.stop()
    queue = open_queue()
    assert (queue.wait(id, 0.2).status, queue.paused) == (Status.QUEUED, "lunch")
    queue.resume()
    assert queue.wait(id, 10).status is Status.DONE


def test_cancel_takes_effect_at_the_next_event_and_keeps_what_is_finished(open_queue: Open, gate: Gate) -> None:
    queue = open_queue(gate.run)
    id = queue.submit(REQUEST.merged({"batch_count": 3}))
    assert gate.reached.acquire(timeout=60)
    gate.let(11)
    assert queue.cancel(id) is Outcome.STOPPING
    assert queue.cancel(id) is Outcome.ALREADY_STOPPING
    gate.open()
    end = queue.wait(id, 10)
    assert (end.status, end.files) == (Status.CANCELLED, ("day/00000.png",))
    assert end.fraction == pytest.approx((1 + 1 / 4) / 3), "one step of the second of three pictures"
    assert queue.cancel(id) is Outcome.ALREADY_ENDED


def test_cancel_during_load(open_queue: Open, gate: Gate) -> None:
    queue = open_queue(gate.run)
    id = queue.submit(REQUEST)
    assert gate.reached.acquire(timeout=60)
    assert queue.cancel(id) is Outcome.STOPPING
    gate.open()
    assert (queue.wait(id, 10).status, queue.watch(id).step) == (Status.CANCELLED, 0)


def test_cancel_during_the_last_save_finds_the_job_done(open_queue: Open, gate: Gate) -> None:
    queue = open_queue(gate.run)
    id = queue.submit(REQUEST)
    assert gate.reached.acquire(timeout=60)
    gate.let(9)
    assert queue.cancel(id) is Outcome.STOPPING
    gate.open()
    assert (queue.wait(id, 10).status, queue.watch(id).files) == (Status.DONE, ("day/00000.png",))


def test_cancel_before_the_start(open_queue: Open) -> None:
    queue = open_queue()
    queue.pause()
    id = queue.submit(REQUEST)
    assert queue.cancel(id) is Outcome.CANCELLED
    assert queue.cancel(id) is Outcome.ALREADY_ENDED
    queue.resume()
    assert queue.wait(id, 0.1).status is Status.CANCELLED


def test_a_job_of_another_session_is_left_alone(open_queue: Open) -> None:
    queue = open_queue()
    queue.pause()
    id = queue.submit(REQUEST, owner="me")
    for press in (queue.cancel, queue.retry, lambda id, owner: queue.move(id, 0, owner)):
        assert press(id, owner="you") is Outcome.NOT_YOURS
    assert (queue.cancel_all("you"), queue.get(id).status) == (0, Status.QUEUED)
    assert ([j.id for j in queue.jobs("me")], queue.jobs("you")) == ([id], [])


@pytest.mark.parametrize("id", ["", "nonsense", "'; DROP TABLE jobs", "\0", "a" * 10_000], ids=ascii)
def test_an_unknown_job_is_said_to_be_unknown(id: str, open_queue: Open) -> None:
    queue = open_queue()
    for press in (queue.cancel, queue.retry, queue.skip, lambda id: queue.move(id, 0)):
        assert press(id) is Outcome.UNKNOWN
    with pytest.raises(FieldError, match=r"^Job: .* - there is no such job\.$"):
        queue.watch(id)


def test_skip_gives_up_one_picture_only(open_queue: Open, gate: Gate) -> None:
    queue = open_queue(gate.run)
    id = queue.submit(REQUEST.merged({"batch_count": 3}))
    assert gate.reached.acquire(timeout=60)
    gate.let(12)
    assert queue.skip(id) is Outcome.SKIPPING
    gate.open()
    end = queue.wait(id, 10)
    assert (end.status, end.files, end.notes) == (
        Status.DONE,
        ("day/00000.png", "day/00002.png"),
        ("Skipped picture 2.",),
    )
    assert queue.skip(id) is Outcome.NOT_RUNNING


def test_retry_makes_only_what_is_missing(open_queue: Open) -> None:
    made: list[int] = []

    def run(job: Job, emit: Emit) -> None:
        for index in job.missing:
            made.append(index)
            emit(Saved(index, f"{index}.png"))
            if len(made) == 2:
                raise ModelFileError("mini", "it went away")

    queue = open_queue(run)
    id = queue.submit(REQUEST.merged({"batch_count": 5}))
    assert (queue.wait(id, 10).status, queue.get(id).can_retry) == (Status.FAILED, True)
    assert queue.retry(id) is Outcome.QUEUED_AGAIN
    end = queue.wait(id, 10)
    assert (end.status, made, len(end.files), end.error) == (Status.DONE, [0, 1, 2, 3, 4], 5, "")
    assert queue.retry(id) is Outcome.NOTHING_MISSING


def raising(error: BaseException) -> Callable[[Job, Emit], None]:
    def run(job: Job, emit: Emit) -> None:
        emit(Note("it began"))
        raise error

    return run


ERRORS = {
    "for the user": (ModelFileError("mini", "it is cut off"), "Model file: mini - it is cut off."),
    "a bug": (KeyError("oops"), "Internal error: KeyError: 'oops' (see the log)."),
    "sys.exit": (SystemExit(3), "Internal error: SystemExit: 3 (see the log)."),
}


@pytest.mark.parametrize(("error", "line"), ERRORS.values(), ids=ERRORS)
def test_a_failed_job_has_one_line_and_the_next_one_runs(error: BaseException, line: str, open_queue: Open) -> None:
    queue = open_queue(lambda job, emit: (raising(error) if job.request.seed == 1 else paint)(job, emit))
    failed, good = queue.submit(REQUEST), queue.submit(REQUEST.merged({"seed": 2}))
    end = queue.wait(failed, 10)
    assert (end.status, end.error, end.notes) == (Status.FAILED, line, ("it began",))
    assert queue.wait(good, 10).status is Status.DONE


def test_a_bug_leaves_its_traceback_in_the_log(open_queue: Open, caplog: pytest.LogCaptureFixture) -> None:
    queue = open_queue(raising(KeyError("oops")))
    queue.wait(queue.submit(REQUEST), 10)
    assert "Traceback" in caplog.text
    assert "in run" in caplog.text


def test_a_full_disk_pauses_the_queue_with_the_reason(open_queue: Open) -> None:
    line = "Outputs: picture with seed 1 - finished, not saved (no space left on the disk)."
    queue = open_queue(raising(StorageError(line)))
    first, second = queue.submit(REQUEST), queue.submit(REQUEST)
    assert queue.wait(first, 10).error == line
    assert (queue.wait(second, 0.2).status, queue.paused) == (Status.QUEUED, line)


def test_what_swallows_its_cancel_is_cancelled_all_the_same(open_queue: Open) -> None:
    began = threading.Event()

    def run(job: Job, emit: Emit) -> None:
        began.set()
        try:
            while True:
                emit(Stage("busy"))
                time.sleep(0.001)
        except StudioError:
            return

    queue = open_queue(run)
    id = queue.submit(REQUEST)
    assert began.wait(10)
    queue.cancel(id)
    assert queue.wait(id, 10).status is Status.CANCELLED


def test_only_so_many_ended_jobs_are_kept(open_queue: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.queue.worker.KEPT_ENDED", 5)
    queue = open_queue()
    ids = [queue.submit(REQUEST) for _ in range(9)]
    queue.wait(ids[-1], 10)
    queue.stop()
    assert [job.id for job in open_queue().jobs()] == ids[:3:-1]


def test_cancel_all_stops_what_runs_and_what_waits(open_queue: Open, gate: Gate) -> None:
    queue = open_queue(gate.run)
    ids = [queue.submit(REQUEST) for _ in range(4)]
    assert gate.reached.acquire(timeout=60)
    assert queue.cancel_all() == 4
    gate.open()
    assert [queue.wait(id, 10).status for id in ids] == [Status.CANCELLED] * 4


def test_jobs_of_many_clients_all_run_once_and_in_each_ones_order(open_queue: Open) -> None:
    ran: list[int] = []
    queue = open_queue(lambda job, emit: ran.append(job.request.seed))

    def client(number: int) -> None:
        for n in range(20):
            queue.submit(REQUEST.merged({"seed": number * 100 + n}), owner=str(number))

    clients = [threading.Thread(target=client, args=(n,)) for n in range(10)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    for job in queue.jobs():
        queue.wait(job.id, 20)
    assert len(ran) == 200
    for number in range(10):
        assert [seed for seed in ran if seed // 100 == number] == [number * 100 + n for n in range(20)]
