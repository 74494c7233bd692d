"""Scores a checkpoint: its answers to unseen examples and their ROUGE-L, in three conditions.

``trained``: as it is. ``audio_removed``: the same prompts without the recording, for a speech LM
can score by reading the question alone. ``untrained``: with the recording, before any training.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch.utils.data import DataLoader, Dataset

from sdg_training.checkpoint import load_checkpoint, load_recipe, undo_training
from sdg_training.data import (
    Recordings,
    Sample,
    Skip,
    SkipLog,
    iterate_examples,
    plan_batches,
    read_examples,
    select_columns,
    select_unskipped,
    select_usable,
)
from sdg_training.encoder_cache import encode_recordings
from sdg_training.generate import generate_answers
from sdg_training.recipe import Recipe
from sdg_training.reporting import PrintReporter, Progress, Reporter
from sdg_training.rouge import rouge_l
from sdg_training.salm import SALMForConditionalGeneration, SALMProcessor

Condition = Literal["trained", "audio_removed", "untrained"]
CONDITIONS: tuple[Condition, ...] = ("trained", "audio_removed", "untrained")
Answers = dict[tuple[str, str, str], str]  # by Example.key
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
    table = read_examples(examples) if isinstance(examples, str) else select_columns(examples)
    skips = SkipLog()
    limit = min(recipe.max_audio_seconds, processor.max_seconds)
    table = select_usable(table, processor.audio_token, limit, skips)
    source: Dataset = Recordings(table, blobs)
    if recipe.freeze_encoder:  # then all conditions hear the same
        source = encode_recordings(model, processor, Recordings(table, blobs), recipe, reporter)
    scorer = _Scorer(model, processor, source, table, recipe, max_new_tokens, skips, reporter)
    answers = {}
    for condition in sorted(conditions, key=CONDITIONS.index):
        if condition == "untrained":  # the last one
            undo_training(model, recipe)
        answers[condition] = scorer.answer_all(condition)
    for line in skips.describe():
        reporter.log(line)
    used = select_unskipped(table, skips)
    return Scores(_tabulate(used, answers), skips, time.monotonic() - started)


@dataclass(frozen=True, slots=True)
class _Scorer:
    model: SALMForConditionalGeneration
    processor: SALMProcessor
    source: Dataset
    table: pa.Table
    recipe: Recipe
    max_new_tokens: int
    skips: SkipLog
    reporter: Reporter

    def answer_all(self, condition: Condition) -> Answers:
        started, done, answers = time.monotonic(), 0, Answers()
        durations = self.table["duration"].to_numpy()
        plan = plan_batches(durations, self.recipe.batch_size, self.recipe.batch_seconds)
        loader = DataLoader(
            self.source,
            batch_sampler=[batch.tolist() for batch in plan],
            collate_fn=list,
            num_workers=self.recipe.num_workers,
        )
        for batch in loader:
            answers |= self._answer(batch, with_audio=condition != "audio_removed")
            done, seconds = done + len(batch), time.monotonic() - started
            self.reporter.progress(
                Progress(f"scoring {condition}", done, self.table.num_rows, "examples", seconds)
            )
        return answers

    def _answer(self, batch: Sequence[Sample | Skip], with_audio: bool) -> Answers:
        self.skips.add(sample for sample in batch if isinstance(sample, Skip))
        samples = [sample for sample in batch if isinstance(sample, Sample)]
        texts = generate_answers(
            self.model, self.processor, samples, self.max_new_tokens, with_audio
        )
        return {s.example.key: text for s, text in zip(samples, texts, strict=True)}


def _tabulate(used: pa.Table, answers: Mapping[Condition, Answers]) -> pa.Table:
    keys = [example.key for example in iterate_examples(used)]
    references = used["answer"].to_pylist()
    columns = {
        "eval_set": used["source_corpus"],
        "eval_language": used["source_language"],
        "example_id": used["example_id"],
        "method": used["method"],
        "question": used["question"],
        "reference": used["answer"],
    }
    for condition, suffix in _SUFFIXES.items():
        texts = [answers.get(condition, {}).get(key) for key in keys]
        scores = [
            None if text is None else rouge_l(text, reference).fmeasure
            for text, reference in zip(texts, references, strict=True)
        ]
        columns[f"prediction{suffix}"] = pa.array(texts, pa.string())
        columns[f"rouge_l{suffix}"] = pa.array(scores, pa.float64())
    return pa.table(columns)
