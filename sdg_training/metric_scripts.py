"""Metric scripts for Hugging Face ``evaluate``, loaded by their path: no hub is asked."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import evaluate


def load_script(path: Path) -> "evaluate.EvaluationModule":
    """The script as an ``evaluate`` module that keeps its inputs in memory.

    With evaluate's default, processes that score at once wait for each other's cache file.
    """
    import evaluate

    return evaluate.load(str(path), keep_in_memory=True)
