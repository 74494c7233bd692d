"""Runs of this machine's dead processes: declared failed, and what they held set free.

A run that is killed with -9 keeps its place in Dagster's pools, and the next one would wait for
it. Dagster's daemon finds such runs among those that it launched, but `sdg run` needs no daemon.
So each process that runs stages holds a lock file, which the system releases when it dies.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

TAG = "sdg/process"


@contextmanager
def alive(instance: DagsterInstance, folder: Path) -> Iterator[dict[str, str]]:
    """The tags for runs of this process, which count as alive inside the block."""
    folder.mkdir(parents=True, exist_ok=True)
    bury_dead_runs(instance, folder)
    name = uuid.uuid4().hex
    path = folder / f"{name}.lock"
    with filelock.FileLock(path):
        yield {TAG: name}
    path.unlink(missing_ok=True)


def bury_dead_runs(instance: DagsterInstance, folder: Path) -> list[str]:
    """Fail every unfinished run whose process holds its lock no longer; their ids."""
    unfinished = RunsFilter(statuses=[DagsterRunStatus.STARTING, DagsterRunStatus.STARTED])
    buried = []
    for run in instance.get_runs(unfinished):
        name = run.tags.get(TAG)
        if name is not None and is_dead(folder / f"{name}.lock"):
            instance.report_run_failed(run, "its process was killed; run it again to go on")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            buried.append(run.run_id)
    return buried


def is_dead(lock: Path) -> bool:
    if not lock.exists():
        return True
    try:
        with filelock.FileLock(lock, blocking=False):
            pass
    except filelock.Timeout:
        return False
    lock.unlink(missing_ok=True)
    return True
