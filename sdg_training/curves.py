"""Curves for TensorBoard, on the disk with each state and every few seconds.

tensorboardX's own SummaryWriter, as transformers uses it, waits for the disk at each update.
"""

import shutil
import time
from pathlib import Path
from typing import Any

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

_SECONDS = 5.0  # between two times that the file is written out


class Curves(TrainerCallback):
    """
    Args:
        folder: gets the file of this run; where nothing is gone on from, others' files go.
        state: what the run goes on from. TensorBoard hides what an earlier file tells of later
            updates.
    """

    def __init__(self, folder: Path, state: Path | None) -> None:
        if state is None:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        self._writer = EventsWriter(str(folder / "events"), f".{time.time_ns()}")
        self._written_out = time.monotonic()
        if state is not None:
            after = int(state.name.split("-")[1]) + 1
            self._write(after, session_log=SessionLog(status=SessionLog.START))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        figures = {
            name.replace("eval_", "eval/") if name.startswith("eval_") else f"train/{name}": figure
            for name, figure in (logs or {}).items()
            if isinstance(figure, int | float)
        }
        values = [Summary.Value(tag=tag, simple_value=figure) for tag, figure in figures.items()]
        self._write(state.global_step, summary=Summary(value=values))
        if time.monotonic() - self._written_out > _SECONDS:
            self._write_out()

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._write_out()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._writer.close()

    def _write(self, update: int, **what: Any) -> None:
        self._writer.write_event(Event(step=update, wall_time=time.time(), **what))

    def _write_out(self) -> None:
        self._writer.flush()
        self._written_out = time.monotonic()
