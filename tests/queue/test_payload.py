"""Jobs of many requests: what they carry beside the request survives a restart, and files of the first version open."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from pipelines.queue import Job
from pipelines.queue.store import Store
from pipelines.spec.request import GenerationRequest

REQUEST = GenerationRequest(prompt="a cat", seed=1)


def test_payload_and_count_survive_a_restart(tmp_path: Path) -> None:
    store = Store(tmp_path / "queue.sqlite")
    store.add(Job("a", REQUEST, "grid", payload='{"axes":[]}', pictures=6), None)
    store.add_file("a", 4, "day/4.png")
    store.close()
    again = Store(tmp_path / "queue.sqlite").get("a")
    assert again is not None and (again.kind, again.payload, again.count) == ("grid", '{"axes":[]}', 6)
    assert again.missing == (0, 1, 2, 3, 5)


def test_a_queue_of_the_first_version_opens(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "queue.sqlite")
    columns = "id, request, kind, status, owner, created, started, ended, notes, error, fraction"
    old.execute(f"CREATE TABLE jobs ({columns}, key, place, PRIMARY KEY (id))")
    old.execute("INSERT INTO jobs VALUES ('a', ?, 'txt2img', 'queued', '', 1, 0, 0, '[]', '', 0, NULL, 1)",
                (REQUEST.merged({"batch_count": 3}).to_json(),))
    old.execute("PRAGMA user_version=1")
    old.commit()
    old.close()
    store = Store(tmp_path / "queue.sqlite")
    job = store.get("a")
    assert job is not None and job.count == 3 and job.payload == ""
    store.add(Job("b", REQUEST, "grid", payload="{}", pictures=2), None)
    assert [j.count for j in store.all(10)] == [3, 2]
