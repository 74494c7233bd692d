"""How a run tells what it is doing: lines on standard error, or messages to Dagster Pipes."""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

PIPES_VARIABLE = "DAGSTER_PIPES_CONTEXT"


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
        figures = "".join(f"  {name} {value:.4g}" for name, value in self.figures.items())
        return (
            f"{self.stage}: {self.done}/{self.total} {self.unit}  {self.rate:.3g}/s  "
            f"ETA {self.eta:.0f} s{figures}"
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
        self.log(str(progress))

    def log(self, message: str) -> None:
        print(message, file=sys.stderr, flush=True)

    def finish(self, result: Mapping[str, Any]) -> None:
        self.log("\n".join(f"{name}: {value}" for name, value in result.items()))


class PipesReporter(PrintReporter):
    """The same lines, also to Dagster Pipes, with ``{"progress": ...}`` and ``{"result": ...}``."""

    def __init__(self, pipes: Any, interval: float = 5.0) -> None:
        super().__init__(interval)
        self._pipes = pipes

    def show(self, progress: Progress) -> None:
        super().show(progress)
        self._pipes.report_custom_message({"progress": progress.to_dict()})

    def log(self, message: str) -> None:
        super().log(message)
        self._pipes.log.info(message)

    def finish(self, result: Mapping[str, Any]) -> None:
        self._pipes.report_custom_message({"result": dict(result)})


@contextmanager
def open_reporter() -> Iterator[Reporter]:
    """To Dagster Pipes where a Dagster step started this process, else to standard error."""
    if PIPES_VARIABLE not in os.environ:
        yield PrintReporter()
        return
    from dagster_pipes import open_dagster_pipes

    with open_dagster_pipes() as pipes:
        yield PipesReporter(pipes)
