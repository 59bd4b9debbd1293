"""Fairness: owners are served in turn, each in its own order; moving, restarts and crashes keep the turns."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines.queue import Job, JobQueue
from pipelines.queue.job import Status
from pipelines.queue.store import Store
from pipelines.queue.turns import moved
from tests.queue.conftest import REQUEST


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "queue.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def add(store: Store) -> Callable[[str], None]:
    """`add("a1 a2 b1")`: jobs of these names, each owned by its first letter."""
    def submit(names: str) -> None:
        for name in names.split():
            store.add(Job(name, REQUEST, owner=name[0]), None)
    return submit


def taken(store: Store) -> str:
    """The names of all jobs in the order in which they are taken."""
    jobs = itertools.takewhile(bool, iter(store.take, None))
    return " ".join(job.id for job in jobs if job)


@pytest.mark.parametrize(("submitted", "served"), [
    ("a1 a2 a3 a4", "a1 a2 a3 a4"),
    ("a1 a2 a3 b1", "a1 b1 a2 a3"),
    ("a1 a2 a3 b1 b2 c1", "a1 b1 c1 a2 b2 a3"),
    ("b1 a1 a2 b2", "b1 a1 b2 a2")], ids=["one", "late", "three", "first-come"])
def test_owners_are_served_in_turn_each_in_its_own_order(store: Store, add: Callable[[str], None], submitted: str,
                                                         served: str) -> None:
    add(submitted)
    assert " ".join(store.waiting()) == served, "the list shows the order in which they will run"
    assert [job.id for job in store.all(100)] == served.split()
    assert taken(store) == served


def test_whoever_was_served_least_recently_is_next(store: Store, add: Callable[[str], None]) -> None:
    add("a1 b1 a2")
    assert taken(store) == "a1 b1 a2"
    add("a3 a4 b2 b3 c1")
    assert taken(store) == "c1 b2 a3 b3 a4", "c never was, b before a"


def test_turns_survive_a_restart_and_a_clock_set_back(store: Store, add: Callable[[str], None],
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    add("a1 a2 b1")
    first = store.take()
    monkeypatch.setattr("time.time", lambda: 1.0)
    store.close()
    again = Store(store.path)
    assert first and first.id == "a1" and taken(again) == "b1 a2"
    again.close()


def test_a_crash_before_the_job_is_taken_costs_nobody_a_turn(store: Store, add: Callable[[str], None],
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    add("a1 b1")
    monkeypatch.setattr("pipelines.queue.turns.SERVED", "SELECT ? FROM nowhere")
    with pytest.raises(Exception, match="no such table"):
        store.take()
    monkeypatch.undo()
    assert taken(store) == "a1 b1"


def test_owners_without_jobs_are_forgotten(store: Store, add: Callable[[str], None]) -> None:
    add("a1 b1")
    for job in iter(store.take, None):
        store.end(Job(job.id, REQUEST, owner=job.owner, status=Status.DONE))
    store.prune(0)
    add("b2 a2")
    assert taken(store) == "b2 a2"


@pytest.mark.parametrize(("job", "position", "order"), [
    ("a2", 0, "a2 b1 a1 b2 a3"), ("a2", 1, "a2 b1 a1 b2 a3"), ("a1", 1, "a2 b1 a1 b2 a3"),
    ("a3", 0, "a3 b1 a1 b2 a2"), ("a1", 99, "a2 b1 a3 b2 a1"), ("b2", 0, "a1 b2 a2 b1 a3"), ("a1", 0, "a1 b1 a2 b2 a3"),
    ("b2", -5, "a1 b2 a2 b1 a3")], ids=lambda v: str(v).replace(" ", ""))
def test_moving_changes_only_ones_own_order(job: str, position: int, order: str) -> None:
    waiting = [(name, name[0]) for name in ("a1", "b1", "a2", "b2", "a3")]
    assert moved(waiting, job, position) == order.split()


@pytest.mark.parametrize(("job", "position", "order"), [("3", 0, "3 1 2"), ("1", 1, "2 1 3"), ("1", 99, "2 3 1")])
def test_alone_a_job_goes_exactly_where_it_is_put(job: str, position: int, order: str) -> None:
    assert moved([("1", "me"), ("2", "me"), ("3", "me")], job, position) == order.split()


def test_a_visitor_with_a_hundred_jobs_holds_nobody_up(open_queue: Callable[..., JobQueue]) -> None:
    ran: list[str] = []
    queue = open_queue(lambda job, emit: ran.append(job.owner))
    queue.pause()
    for _ in range(100):
        queue.submit(REQUEST, owner="many")
    few = [queue.submit(REQUEST, owner="few") for _ in range(3)]
    assert [queue.watch(id).position for id in few] == [1, 3, 5]
    assert queue.move(few[2], 0).changed and [queue.watch(id).position for id in few] == [3, 5, 1]
    queue.resume()
    for id in few:
        queue.wait(id, 20)
    assert ran.count("many") >= 2 and ran[:6] == ["many", "few"] * 3
