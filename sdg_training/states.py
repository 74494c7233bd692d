"""The folder of a run under way: whose it is, and the states that it can go on from."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sdg_training.examples import Examples
from sdg_training.recipe import Recipe

LOCK = ".lock"  # in a run's folder, held by its first process


class TrainingError(RuntimeError):
    """The run cannot go on: says what was wrong, where, and what to do next."""


@contextmanager
def hold(work: Path, *, is_first: bool) -> Iterator[None]:
    """Be the only run in ``work``, by its first process.

    Raises:
        TrainingError: another one is, as where only the process that started it was killed.
    """
    if not is_first:
        yield
        return
    work.mkdir(parents=True, exist_ok=True)
    lock = FileLock(work / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise TrainingError(
            f"another process trains in {work}: wait for its end, or stop it"
        ) from error
    try:
        yield
    finally:
        lock.release()


def claim(work: Path, recipe: Recipe, examples: Examples, processes: int) -> None:
    """Make ``work`` this run's, unless it is already; by its first process, before others look.

    Raises:
        TrainingError: it holds the states of another run, which this one cannot go on from.
    """
    run: dict[str, Any] = {
        "recipe": recipe.model_dump(mode="json"),
        "examples": examples.digest,
        "processes": processes,
    }
    path = work / "run.json"
    before = _read_run(path) if path.exists() else None
    if before is None or find_state(work, before["processes"]) is None:  # nothing is lost
        for remains in work.glob("checkpoint-*"):
            shutil.rmtree(remains)
        work.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".run-{os.getpid()}.json")
        partial.write_text(json.dumps(run), encoding="utf-8")
        partial.replace(path)
        return
    if differing := [name for name in run if run[name] != before[name]]:
        raise TrainingError(
            f"{work} holds a run that was stopped and differs in its {' and '.join(differing)}: go "
            "on with it as it was, or remove the folder to begin anew"
        )


def _read_run(path: Path) -> dict[str, Any]:
    """
    Raises:
        TrainingError: it is damaged.
    """
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        if run.keys() >= {"recipe", "examples", "processes"}:
            return dict(run)
    except (ValueError, AttributeError):
        pass
    raise TrainingError(f"{path} is damaged: remove {path.parent} to begin anew")


def meter_file(rank: int) -> str:
    return f"meter-{rank}.json"


def find_state(work: Path, world: int) -> Path | None:
    """The newest whole state of a run that was stopped; a kill may have cut one off half way."""
    states = sorted(work.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    for state in reversed(states):
        meters = [state / meter_file(rank) for rank in range(world)]
        if all(_is_json(path) for path in (state / "trainer_state.json", *meters)):
            return state
    return None


def remove_stopped(folder: Path, before: float, *, dry_run: bool) -> list[Path]:
    """Remove runs of ``folder`` that nobody holds, and that wrote nothing since ``before``.

    Args:
        before: seconds since the epoch.
        dry_run: only say which.
    """
    runs = sorted(folder.iterdir()) if folder.is_dir() else []
    old = [run for run in runs if _find_newest(run) < before and not _is_held(run)]
    for run in old if not dry_run else ():
        shutil.rmtree(run, ignore_errors=True)
    return old


def _find_newest(run: Path) -> float:
    return max(path.lstat().st_mtime for path in (run, *run.rglob("*")))


def _is_held(run: Path) -> bool:
    if not (run / LOCK).exists():
        return False
    try:
        with FileLock(run / LOCK, timeout=0):
            return False
    except Timeout:
        return True


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True
