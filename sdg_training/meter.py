"""What a training run did, update by update and in all; it survives a kill with the checkpoint."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from sdg_training.collator import Batch
from sdg_training.examples import Example, SkipLog
from sdg_training.utilisation import FlopRate, count_frames, find_peak


@dataclass(slots=True)
class Meter:
    """Counts of one process; ``seconds`` is the time in training, also of earlier processes."""

    loss: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    logged_at: list[int] = field(default_factory=list)  # the update of each point of the two
    validation: list[tuple[int, float]] = field(default_factory=list)  # update, ROUGE-L
    updates: int = 0
    examples: int = 0
    audio_seconds: float = 0.0
    tokens: int = 0  # text and audio embeddings that entered the LLM
    padded_tokens: int = 0  # the same with padding
    processes: int = 1  # whose counts these are
    running: int = 1  # that do as much at the same time
    frames: int = 0  # that the encoder heard, with padding
    hearing: FlopRate = field(default_factory=FlopRate)  # per frame
    reading: FlopRate = field(default_factory=FlopRate)  # per token, with padding
    before: float = 0.0  # seconds of earlier processes
    validating: float = 0.0  # seconds that do not count
    skips: SkipLog = field(default_factory=SkipLog)
    last: list[Example] = field(default_factory=list)  # of the newest update
    _started: float = 0.0
    _running: bool = False

    def start(self) -> None:
        self._started, self._running = time.monotonic(), True

    def stop(self) -> None:
        """Ends the time in training."""
        self.before, self.validating, self._running = self.seconds, 0.0, False

    @property
    def seconds(self) -> float:
        since = time.monotonic() - self._started - self.validating if self._running else 0.0
        return self.before + since

    def add_batches(self, batches: Sequence[Batch]) -> None:
        self.last = [example for batch in batches for example in batch.examples]
        for batch in batches:
            self.skips.add(batch.skips)
            self.examples += len(batch.examples)
            self.audio_seconds += sum(example.duration for example in batch.examples)
            if batch.examples:
                self.frames += count_frames(batch.inputs)
                mask = batch.inputs["attention_mask"]
                self.tokens += int(mask.sum())
                self.padded_tokens += mask.numel()

    def add_point(self, update: int, loss: float, learning_rate: float) -> None:
        self.logged_at.append(update)
        self.loss.append(loss)
        self.learning_rate.append(learning_rate)

    def add_validation(self, update: int, rouge_l: float, seconds: float) -> None:
        self.validation.append((update, rouge_l))
        self.validating += seconds

    @property
    def teraflops(self) -> float:
        """Per second of training, of all processes together."""
        done = self.hearing.estimate(self.frames) + self.reading.estimate(self.padded_tokens)
        return done / max(self.seconds, 1e-9) / 1e12

    def get_rates(self) -> dict[str, float]:
        """Of all processes, per second of training; ``mfu`` only on a GPU whose peak is known."""
        seconds = max(self.seconds, 1e-9)
        rates = {
            "examples_per_second": round(self.running * self.examples / seconds, 2),
            "audio_hours_per_hour": round(self.running * self.audio_seconds / seconds, 1),
            "tokens_per_second": round(self.running * self.tokens / seconds, 1),
        }
        peak = find_peak(torch.cuda.get_device_name()) if torch.cuda.is_available() else None
        if peak and self.reading.flops:
            rates["mfu"] = round(self.teraflops * 1e12 / peak / self.processes, 4)
        return rates

    def merge(self, other: "Meter") -> None:
        """Adds what another process did in the same time."""
        self.running = 1
        for name in (*_COUNTS, "processes"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.skips.merge(other.skips)

    def save(self, path: Path) -> None:
        state = {name: getattr(self, name) for name in _SAVED}
        state |= {name: asdict(getattr(self, name)) for name in _RATES}
        text = json.dumps({**state, "before": self.seconds, "skips": self.skips.dump()})
        path.write_text(text, encoding="utf-8")

    def load(self, path: Path) -> None:
        """Goes on from what :meth:`save` wrote.

        Raises:
            ValueError: another version of sdg wrote it.
        """
        state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if state.keys() != {*_SAVED, *_RATES, "before", "skips"}:
            raise ValueError("other fields")
        skips = state.pop("skips")
        state |= {name: FlopRate(**state[name]) for name in _RATES}
        for name, value in state.items():
            setattr(self, name, value)
        self.validation = [(update, score) for update, score in self.validation]
        self.skips = SkipLog.restore(skips)


_COUNTS = ("examples", "audio_seconds", "tokens", "padded_tokens", "frames")
_SAVED = ("loss", "learning_rate", "logged_at", "validation", "updates", *_COUNTS)
_RATES = ("hearing", "reading")
