"""A process that a stage starts: what it tells of itself meanwhile, and what it fails of."""

import subprocess
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError, DagsterPipesExecutionError
from dagster._core.pipes.context import PipesMessageHandler
from dagster_pipes import PipesParams

from sdg_assets.errors import UserError
from sdg_assets.progress import repeating
from sdg_assets.stages.views import round_figures

OBSERVE_SECONDS = 15.0


class LaunchError(UserError):
    """A process that a stage started has failed; says what it said."""


def launch(context: Any, command: Sequence[str]) -> None:
    """Run ``command`` through Dagster Pipes.

    While it runs, its log lines arrive in the event log, and the newest figures of its progress are
    observations of the asset: the UI plots them over time beside those of materialisations.

    Raises:
        LaunchError: it failed.
        DagsterExecutionInterruptedError: the run was interrupted.
    """
    reader = _Reader()
    observe = partial(_observe, context, reader, [])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        client = dg.PipesSubprocessClient(message_reader=reader)
        try:
            with repeating(observe, OBSERVE_SECONDS):
                client.run(context=context, command=list(command))
        except DagsterPipesExecutionError as error:
            raise LaunchError(reader.find("error") or str(error)) from error
        except subprocess.TimeoutExpired as error:  # of the wait for it to end once interrupted
            raise DagsterExecutionInterruptedError from error


class _Reader(dg.PipesTempFileMessageReader):
    """Keeps what the process reports, also where Dagster gives up on a process that failed."""

    _handler: PipesMessageHandler | None = None

    @contextmanager
    def read_messages(self, handler: PipesMessageHandler) -> Iterator[PipesParams]:
        self._handler = handler
        with super().read_messages(handler) as params:
            yield params

    def find(self, name: str) -> Any:
        """The newest of the process's own messages that has this name."""
        messages = self._handler.get_custom_messages() if self._handler else ()
        return next((m[name] for m in reversed(messages) if name in m), None)


def _observe(context: Any, reader: _Reader, told: list[Mapping[str, Any]]) -> None:
    """Log the newest figures, unless they are in ``told``."""
    progress = reader.find("progress")
    if progress is None or progress in told or not context.has_assets_def:
        return
    told[:] = [progress]
    context.op_execution_context.log_event(
        dg.AssetObservation(
            asset_key=context.asset_key,
            partition=context.partition_key,
            metadata=round_figures(progress),
        )
    )
