"""Scores a checkpoint: its answers to unseen examples and their ROUGE-L, in three conditions.

``trained``: as it is. ``audio_removed``: the same prompts without the recording, for a speech LM
can score by reading the question alone. ``untrained``: with the recording, before any training.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import torch

from sdg_training.answering import Key, answer_all
from sdg_training.checkpoint import load_checkpoint, load_recipe, undo_training
from sdg_training.encoder_cache import EncodedRecordings, encode_recordings
from sdg_training.examples import (
    Example,
    Examples,
    SkipLog,
    open_examples,
    select_unskipped,
    select_usable,
)
from sdg_training.recordings import Recordings
from sdg_training.reporting import PrintReporter, Reporter
from sdg_training.rouge import rouge_l

Condition = Literal["trained", "audio_removed", "untrained"]
CONDITIONS: tuple[Condition, ...] = ("trained", "audio_removed", "untrained")
_SUFFIXES: dict[Condition, str] = {
    "trained": "",
    "audio_removed": "_audio_removed",
    "untrained": "_untrained",
}


@dataclass(frozen=True, slots=True)
class Scores:
    """Answers and their ROUGE-L.

    ``table`` has one row per example, with the columns of ``rouge_l_scores`` from ``eval_set`` on;
    those of a condition that was not asked for are null. ``skips`` says what has no row.
    """

    table: pa.Table
    skips: SkipLog
    seconds: float

    def mean(self, condition: Condition = "trained") -> float:
        """Mean ROUGE-L of all rows: 0..1"""
        return float(pc.mean(self.table[f"rouge_l{_SUFFIXES[condition]}"]).as_py())


def score(
    checkpoint: str | Path,
    examples: pa.Table | str,
    blobs: str,
    conditions: Sequence[Condition] = CONDITIONS,
    *,
    batch_size: int = 32,
    max_new_tokens: int = 64,
    reporter: Reporter | None = None,
) -> Scores:
    """Answers every example of a table (or of the file it is in) under each condition.

    Raises:
        CheckpointError: there is no checkpoint.
        ExamplesError: the table cannot be used, or none of its examples can.
    """
    started, reporter = time.monotonic(), reporter or PrintReporter()
    model, processor = load_checkpoint(checkpoint)
    recipe = load_recipe(checkpoint).model_copy(update={"batch_size": batch_size})
    model.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))  # type: ignore[arg-type]
    skips = SkipLog()
    limit = min(recipe.max_audio_seconds, processor.max_seconds)
    usable = select_usable(open_examples(examples), processor.audio_token, limit, skips)
    recordings = Recordings(usable, blobs)
    source: Recordings | EncodedRecordings = recordings
    if recipe.freeze_encoder:  # then all conditions hear the same
        source = encode_recordings(model, processor, recordings, recipe, reporter)
    answers = {}
    for condition in sorted(conditions, key=CONDITIONS.index):
        if condition == "untrained":  # the last one
            undo_training(model, recipe)
        read = _read_nothing if condition == "audio_removed" else None
        name = f"scoring {condition}"
        answered = answer_all(
            model, processor, source, recipe, max_new_tokens, name, reporter, read
        )
        answers[condition] = answered.answers
        skips.add(answered.skips)
    for line in skips.describe():
        reporter.log(line)
    used = select_unskipped(usable, skips)
    return Scores(_tabulate(used, answers), skips, time.monotonic() - started)


def _read_nothing(example: Example) -> str:
    return ""


def _tabulate(used: Examples, answers: Mapping[Condition, Mapping[Key, str]]) -> pa.Table:
    examples = list(used)
    columns: dict[str, Any] = {
        "eval_set": [example.source_corpus for example in examples],
        "eval_language": [example.source_language for example in examples],
        "example_id": [example.example_id for example in examples],
        "method": [example.method for example in examples],
        "question": [example.question for example in examples],
        "reference": [example.answer for example in examples],
    }
    for condition, suffix in _SUFFIXES.items():
        texts = [answers.get(condition, {}).get(example.key) for example in examples]
        scores = [
            None if text is None else rouge_l(text, example.answer).fmeasure
            for text, example in zip(texts, examples, strict=True)
        ]
        columns[f"prediction{suffix}"] = pa.array(texts, pa.string())
        columns[f"rouge_l{suffix}"] = pa.array(scores, pa.float64())
    return pa.table(columns)
