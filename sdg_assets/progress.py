"""Progress of anything that takes more than a few seconds: done, total, rate, time left."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TypeVar

from sdg_training.reporting import describe_progress

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far something is.

    ``minor``: worth telling only if it lasts, such as the loading of a model.
    """

    label: str
    done: int
    total: int | None
    seconds: float  # since the start
    note: str = ""
    minor: bool = False

    @property
    def finished(self) -> bool:
        return self.done == self.total

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
        if self.done == 0 and self.total != 0:
            note = f" ({self.note})" if self.note else ""
            return f"{self.label}: {count}, {self.seconds:.0f} s so far{note}"
        return describe_progress(self.label, count, self.rate, self.remaining_seconds, self.note)


Report = Callable[[Progress], None]


def throttle(report: Report, every: float) -> Report:
    """``report``, but at most once in ``every`` seconds from now on, and always at the end."""
    return _Teller(report, every)


@contextmanager
def telling(report: Report, every: float) -> Iterator[Report]:
    """Like :func:`throttle`, and also at least once in ``every`` seconds while nothing is new:
    then the latest is told again with the time that has passed, from a thread of its own.
    """
    teller = _Teller(report, every)
    with repeating(teller.repeat, every / 5):
        yield teller


@contextmanager
def repeating(act: Callable[[], object], every: float) -> Iterator[None]:
    """Meanwhile, ``act`` once in ``every`` seconds, in a thread of its own."""
    ended = threading.Event()
    thread = threading.Thread(target=_keep_acting, args=(act, every, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _keep_acting(act: Callable[[], object], every: float, ended: threading.Event) -> None:
    while not ended.wait(every):
        act()


class _Teller:
    """Tells what it is given, not too often; remembers what is under way."""

    def __init__(self, report: Report, every: float) -> None:
        self._report = report
        self._every = every
        self._told = time.monotonic()
        self._current: tuple[Progress, float] | None = None  # and when it was heard
        self._lock = threading.Lock()

    def __call__(self, progress: Progress) -> None:
        with self._lock:
            self._current = None if progress.finished else (progress, time.monotonic())
            if self._is_due() or (progress.finished and not progress.minor):
                self._tell(progress)

    def repeat(self) -> None:
        """Tell once more what is under way, if nothing was told for long."""
        with self._lock:
            if self._current is not None and self._is_due():
                progress, heard = self._current
                passed = time.monotonic() - heard
                self._tell(replace(progress, seconds=progress.seconds + passed))

    def _is_due(self) -> bool:
        return time.monotonic() - self._told >= self._every

    def _tell(self, progress: Progress) -> None:
        self._told = time.monotonic()
        self._report(progress)


def track(
    items: Iterable[Item], label: str, report: Report, total: int | None = None
) -> Iterator[Item]:
    """``items`` one by one, reporting after each."""
    start = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        report(Progress(label, done, total, time.monotonic() - start))


_LISTENER: ContextVar[Report | None] = ContextVar("listener", default=None)
_COUNTER: ContextVar[Callable[[int], None] | None] = ContextVar("counter", default=None)


@contextmanager
def listening(report: Report) -> Iterator[None]:
    """Let ``report`` hear all progress that is announced meanwhile in this thread."""
    token = _LISTENER.set(report)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def get_listener() -> Report | None:
    return _LISTENER.get()


def announce(progress: Progress) -> None:
    listener = get_listener()
    if listener is not None:
        listener(progress)


@contextmanager
def announcing(label: str) -> Iterator[None]:
    """Announce that something is under way which cannot say how far it is."""
    start = time.monotonic()
    announce(Progress(label, 0, 1, 0.0, minor=True))
    yield
    announce(Progress(label, 1, 1, time.monotonic() - start, minor=True))


@contextmanager
def counting(counter: Callable[[int], None]) -> Iterator[None]:
    """Let ``counter`` hear what is counted meanwhile in this thread and its tasks."""
    token = _COUNTER.set(counter)
    try:
        yield
    finally:
        _COUNTER.reset(token)


def count(done: int = 1) -> None:
    """Say that so many more of the items in hand are done, in the middle of a batch of them."""
    counter = _COUNTER.get()
    if counter is not None:
        counter(done)
