"""ROUGE-L for every script: :func:`rouge_l`, and a metric script for Hugging Face ``evaluate``."""

from pathlib import Path
from typing import TYPE_CHECKING

from sdg_training.metric_scripts import load_script
from sdg_training.rouge.score import RougeScore, rouge_l, tokenize, tokenize_or_keep

if TYPE_CHECKING:
    import evaluate

__all__ = ["METRIC", "RougeScore", "load_metric", "rouge_l", "tokenize", "tokenize_or_keep"]

METRIC = Path(__file__).with_name("rouge.py")
"""The metric script: ``evaluate.load(str(METRIC))`` needs no hub."""


def load_metric() -> "evaluate.EvaluationModule":
    """Our metric as an ``evaluate`` module."""
    return load_script(METRIC)
