"""How a run tells what it is doing: lines on standard error, or messages to Dagster Pipes."""

import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

PIPES_VARIABLE = "DAGSTER_PIPES_CONTEXT"
_CLEAR = "\r\x1b[K"  # what a terminal needs to forget its current line
_SHOWN = 8  # values of a list or table


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one stage of a run is."""

    stage: str  # "encoding", "training", "scoring ..."
    done: int
    total: int
    unit: str  # what is counted: "recordings", "steps", "examples"
    seconds: float  # since the stage began
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Units per second."""
        return self.done / self.seconds if self.seconds else 0.0

    @property
    def eta(self) -> float:
        """Seconds left at this rate."""
        return (self.total - self.done) / self.rate if self.rate else 0.0

    def __str__(self) -> str:
        figures = ", ".join(f"{name} {value:.4g}" for name, value in self.figures.items())
        return describe_progress(
            self.stage, f"{self.done}/{self.total} {self.unit}", self.rate, self.eta, figures
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "stage": self.stage,
            "done": self.done,
            "total": self.total,
            "unit": self.unit,
            "seconds": round(self.seconds, 3),
            "rate": round(self.rate, 3),
            "eta": round(self.eta, 1),
            **self.figures,
        }


def describe_progress(label: str, count: str, rate: float, left: float | None, note: str) -> str:
    """``training: 50/200 updates, 5.0/s, 30 s left (loss 1.2)``; ``left`` is in seconds."""
    eta = f", {left:.0f} s left" if left else ""
    return f"{label}: {count}, {rate:.1f}/s{eta}{f' ({note})' if note else ''}"


def print_progress(text: str, *, is_last: bool) -> None:
    """A line on standard error; on a terminal, one that the next line takes the place of."""
    if not sys.stderr.isatty():
        print(f"    {text}", file=sys.stderr, flush=True)
        return
    width = shutil.get_terminal_size().columns - 1  # a line that wraps cannot be rewritten
    end = "\n" if is_last else "\r"
    print(f"{_CLEAR}    {text}"[: width + len(_CLEAR)], end=end, file=sys.stderr, flush=True)


def print_line(text: str) -> None:
    """A line on standard error, in place of a progress that has not ended."""
    clear_progress()
    print(text, file=sys.stderr, flush=True)


def clear_progress() -> None:
    """Before anything else is printed."""
    if sys.stderr.isatty():
        print(_CLEAR, end="", file=sys.stderr, flush=True)


class Reporter(Protocol):
    """Where a run's progress, remarks and result go."""

    def progress(self, progress: Progress) -> None: ...

    def log(self, message: str) -> None: ...

    def finish(self, result: Mapping[str, Any]) -> None: ...


class PrintReporter:
    """Lines on standard error, progress at most every ``interval`` seconds."""

    def __init__(self, interval: float = 5.0) -> None:
        self.interval = interval
        self._shown: tuple[str, float] = ("", 0.0)  # the stage last shown, and when

    def progress(self, progress: Progress) -> None:
        stage, when = self._shown
        due = progress.stage != stage or time.monotonic() - when >= self.interval
        if due or progress.done == progress.total:
            self._shown = (progress.stage, time.monotonic())
            self.show(progress)

    def show(self, progress: Progress) -> None:
        print_progress(str(progress), is_last=progress.done == progress.total)

    def log(self, message: str) -> None:
        print_line("\n".join(f"    {line}" for line in message.splitlines()))

    def finish(self, result: Mapping[str, Any]) -> None:
        self.log("\n".join(f"{name}: {_shorten(value)}" for name, value in result.items()))

    def fail(self, error: str) -> None:
        print_line(error)


class PipesReporter(PrintReporter):
    """The same lines, also to Dagster Pipes, with ``{"progress": ...}`` and ``{"result": ...}``.

    An ``{"error": ...}`` is left to the step that waits for this process.
    """

    def __init__(self, pipes: Any, interval: float = 5.0) -> None:
        super().__init__(interval)
        self._pipes = pipes

    def show(self, progress: Progress) -> None:
        super().show(progress)
        self._pipes.log.info(str(progress))
        self._pipes.report_custom_message({"progress": progress.to_dict()})

    def log(self, message: str) -> None:
        super().log(message)
        self._pipes.log.info(message)

    def finish(self, result: Mapping[str, Any]) -> None:
        self._pipes.report_custom_message({"result": dict(result)})

    def fail(self, error: str) -> None:
        self._pipes.report_custom_message({"error": error})


class SilentReporter(PrintReporter):
    """Of a process whose first sibling tells what all of them do; it only says what it fails of."""

    def progress(self, progress: Progress) -> None: ...

    def log(self, message: str) -> None: ...


def _shorten(value: Any) -> str:
    """A curve or a long table is in the file metrics.json."""
    is_long = isinstance(value, list | dict) and len(value) > _SHOWN
    return f"{len(value)} values, see metrics.json" if is_long else str(value)


@contextmanager
def open_reporter() -> Iterator[PrintReporter]:
    """To Dagster Pipes where a Dagster step started this process, else to standard error.

    Of several processes that torchrun started, the first one reports.
    """
    if int(os.environ.get("RANK", "0")):
        yield SilentReporter()
        return
    if PIPES_VARIABLE not in os.environ:
        yield PrintReporter()
        return
    from dagster_pipes import open_dagster_pipes

    with open_dagster_pipes() as pipes:
        yield PipesReporter(pipes)
