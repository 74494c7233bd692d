"""Progress of anything that takes more than a few seconds: done, total, rate, time left."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from sdg_training.reporting import describe_progress

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Progress:
    label: str
    done: int
    total: int | None
    seconds: float  # since the start
    note: str = ""

    @property
    def rate(self) -> float:
        """Items per second."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def remaining_seconds(self) -> float | None:
        if self.total is None or self.rate == 0:
            return None
        return (self.total - self.done) / self.rate

    def __str__(self) -> str:
        count = f"{self.done}/{self.total}" if self.total is not None else f"{self.done}"
        return describe_progress(self.label, count, self.rate, self.remaining_seconds, self.note)


Report = Callable[[Progress], None]


def throttle(report: Report, every: float) -> Report:
    """``report``, but at most once in ``every`` seconds from now on, and always at the end."""
    last = time.monotonic()

    def throttled(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= every or progress.done == progress.total:
            last = now
            report(progress)

    return throttled


def track(
    items: Iterable[Item], label: str, report: Report, total: int | None = None
) -> Iterator[Item]:
    """``items`` one by one, reporting after each."""
    start = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        report(Progress(label, done, total, time.monotonic() - start))


_LISTENER: ContextVar[Report | None] = ContextVar("listener", default=None)


@contextmanager
def listening(report: Report) -> Iterator[None]:
    """Let ``report`` hear all progress that is announced meanwhile in this thread."""
    token = _LISTENER.set(report)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def announce(progress: Progress) -> None:
    listener = _LISTENER.get()
    if listener is not None:
        listener(progress)
