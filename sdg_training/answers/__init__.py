"""Scores of answers: :func:`score_answer`, and a metric script for Hugging Face ``evaluate``."""

from pathlib import Path
from typing import TYPE_CHECKING

from sdg_training.answers.score import AnswerScores, score_answer
from sdg_training.metric_scripts import load_script

if TYPE_CHECKING:
    import evaluate

__all__ = ["METRIC", "AnswerScores", "load_metric", "score_answer"]

METRIC = Path(__file__).with_name("spoken_qa.py")
"""The metric script: ``evaluate.load(str(METRIC))`` needs no hub."""


def load_metric() -> "evaluate.EvaluationModule":
    """Our metric as an ``evaluate`` module."""
    return load_script(METRIC)
