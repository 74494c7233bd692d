"""Waiting for a place in one of Dagster's pools is told, with who holds it.

Dagster itself says it in the run's events alone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from dagster import DagsterInstance, DagsterRun

from sdg_assets.progress import repeating

POLL_SECONDS = 2.0

Tell = Callable[[str], None]


@contextmanager
def telling_of_waits(instance: DagsterInstance, run_id: str, tell: Tell) -> Iterator[None]:
    """Meanwhile, ``tell`` once of each pool that the run ``run_id`` waits for."""
    with repeating(partial(_tell_new, instance, run_id, tell, set()), POLL_SECONDS):
        yield


def _tell_new(
    instance: DagsterInstance, run_id: str, tell: Tell, told: set[tuple[str, str]]
) -> None:
    for wait in sorted(find_waits(instance, run_id) - told):
        told.add(wait)
        tell("waiting for a place in the pool {}: {}".format(*wait))


def find_waits(instance: DagsterInstance, run_id: str) -> set[tuple[str, str]]:
    """The pools that a step of the run is queued for, and what is in each."""
    storage = instance.event_log_storage
    waits = set()
    for pool in storage.get_concurrency_keys():
        info = storage.get_concurrency_info(pool)
        holders = info.active_run_ids - {run_id}
        if run_id in info.pending_run_ids and holders:
            runs = filter(None, map(instance.get_run_by_id, sorted(holders)))
            waits.add((pool, ", ".join(map(describe, runs))))
    return waits


def describe(run: DagsterRun) -> str:
    partition = run.tags.get("dagster/partition", "a run without a partition")
    return f"{partition} is in it (run {run.run_id[:8]})"
