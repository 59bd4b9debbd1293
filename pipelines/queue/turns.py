"""Whose turn it is: owners one after the other, each with its jobs in its own order. SQL and lists; no threads.

A turn is a number that only grows, written in the transaction that takes the job: a crash repeats or skips nobody, and
a clock that is set back changes nothing. An owner who was never served has turn 0 and so comes before the others.
"""

from __future__ import annotations

from collections.abc import Sequence

TABLE = "CREATE TABLE IF NOT EXISTS turns (owner PRIMARY KEY, turn)"
# Everybody's first job, by turn; then everybody's second job in the same order; and so on.
IN_ORDER = """
    SELECT id, owner FROM (
        SELECT jobs.id AS id, jobs.owner AS owner, coalesce(turns.turn, 0) AS turn,
               row_number() OVER (PARTITION BY jobs.owner ORDER BY place) AS round,
               min(place) OVER (PARTITION BY jobs.owner) AS came
        FROM jobs LEFT JOIN turns ON turns.owner = jobs.owner WHERE status = 'queued')
    ORDER BY round, turn, came"""
SERVED = "INSERT OR REPLACE INTO turns SELECT ?, coalesce(max(turn), 0) + 1 FROM turns"
FORGET = "DELETE FROM turns WHERE owner NOT IN (SELECT owner FROM jobs)"


def moved(waiting: Sequence[tuple[str, str]], job: str, position: int) -> list[str]:
    """The waiting jobs (id, owner) with `job` as near to `position` as its owner's turns allow; 0 is next.

    Only the owner's own jobs change places among themselves, so nobody else waits longer for it.
    """
    ids = [id for id, _ in waiting]
    at = ids.index(job)
    owners = [owner for _, owner in waiting]
    slots = [n for n, owner in enumerate(owners) if owner == owners[at]]
    before = slots.index(at)
    after = sum(owner == owners[at] for owner in (owners[:at] + owners[at + 1:])[:max(0, position)])
    if after == before:     # the neighbour passed was somebody else's: one step among one's own
        after += (position > at) - (position < at)
    own = [ids[n] for n in slots if n != at]
    own.insert(max(0, after), job)
    for slot, id in zip(slots, own, strict=True):
        ids[slot] = id
    return ids
