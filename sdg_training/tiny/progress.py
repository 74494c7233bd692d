"""One line about a training run: how far, how fast, how much longer."""

import sys
import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Progress:
    """Prints at most every ``interval`` seconds, and at the last step."""

    name: str
    steps: int
    interval: float = 10.0
    _started: float = field(default_factory=time.perf_counter)
    _printed: float = 0.0

    def report(self, step: int, **figures: float) -> None:
        """``step`` counts from 1."""
        now = time.perf_counter()
        if now - self._printed < self.interval and step < self.steps:
            return
        self._printed = now
        rate = step / (now - self._started)
        shown = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
        print(
            f"{self.name}: step {step}/{self.steps}  {rate:.2f} steps/s  "
            f"ETA {(self.steps - step) / rate / 60:.1f} min  {shown}",
            file=sys.stderr,
            flush=True,
        )
