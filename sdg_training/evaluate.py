"""Scores a checkpoint: its answers to unseen examples, and what they are to be compared with.

``trained``: as it is. ``audio_removed``: the same prompts without the recording, and
``audio_shuffled``: with another recording of that language, which says something else; a speech LM
can score by reading the question alone. ``cascade``: the LLM as it was, reading a recognizer's text
in the recording's stead. ``untrained``: with the recording, before any training.
"""

import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray

from sdg_training.answering import answer_all, limit_answers, plan_answers
from sdg_training.answers import load_metric
from sdg_training.batches import open_usable
from sdg_training.checkpoint import load_checkpoint, load_recipe, undo_training
from sdg_training.conditions import CONDITIONS, Condition, column_of
from sdg_training.encoder_cache import EncodedRecordings, encode_recordings
from sdg_training.examples import (
    Example,
    Examples,
    Key,
    Skip,
    SkipLog,
    select_unskipped,
)
from sdg_training.recipe import Recipe
from sdg_training.recordings import Recordings, Sample
from sdg_training.reporting import PrintReporter, Reporter
from sdg_training.rouge import tokenize_or_keep
from sdg_training.salm import SALMForConditionalGeneration, SALMProcessor

COLUMNS = ("prediction", "rouge_l", "exact_match", "token_f1", "bleu", "in_context")
AsrTexts = Mapping[tuple[str, int], str]  # by Example.recording


@dataclass(frozen=True, slots=True)
class Scores:
    """Answers and how right they are.

    ``table`` has one row per example, with the columns of ``rouge_l_scores`` from ``eval_set`` on;
    those of a condition that was not asked for are null. ``skips`` says what has no row.
    """

    table: pa.Table
    skips: SkipLog
    seconds: float

    def mean(self, condition: Condition = "trained") -> float:
        """Mean ROUGE-L of all rows that have one: 0..1; NaN where none has."""
        mean = pc.mean(self.table[column_of("rouge_l", condition)]).as_py()
        return math.nan if mean is None else float(mean)


def score(
    checkpoint: str | Path,
    examples: pa.Table | str,
    blobs: str,
    conditions: Sequence[Condition] = ("trained", "audio_removed", "audio_shuffled", "untrained"),
    *,
    asr_texts: AsrTexts | None = None,
    batch_size: int = 32,
    max_new_tokens: int | None = None,
    num_beams: int = 1,
    reporter: Reporter | None = None,
) -> Scores:
    """Answers every example of a table (or of the file it is in) under each condition.

    Args:
        asr_texts: what a recognizer heard in each recording, for the condition ``cascade``.
        max_new_tokens: of an answer, at most; None: a quarter more than the longest right one has,
            in whichever language, and 64 at least. So the set decides how long answers may be.

    Raises:
        CheckpointError: there is no checkpoint.
        ExamplesError: the table cannot be used, or none of its examples can.
        ValueError: ``cascade`` is asked for without ``asr_texts``.
    """
    if "cascade" in conditions and asr_texts is None:
        raise ValueError("the condition cascade needs asr_texts, what a recognizer heard")
    started, reporter = time.monotonic(), reporter or PrintReporter()
    model, processor = load_checkpoint(checkpoint)
    recipe = load_recipe(checkpoint).model_copy(update={"batch_size": batch_size})
    model.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))  # type: ignore[arg-type]
    skips = SkipLog()
    usable = open_usable(examples, processor, recipe, skips)
    recordings = Recordings(usable, blobs)
    source: Recordings | EncodedRecordings = recordings
    if recipe.freeze_encoder:  # then all conditions hear the same
        source = encode_recordings(model, processor, recordings, recipe, reporter)
    plan = plan_answers(usable, processor, recipe)
    scorer = _Scorer(
        model,
        processor,
        source,
        plan,
        recipe,
        max_new_tokens or limit_answers(usable, processor),
        num_beams,
        reporter,
        asr_texts or {},
    )
    answers = {}
    for condition in sorted(conditions, key=CONDITIONS.index):  # the last one undoes the training
        answers[condition], missing = scorer.answer(condition)
        skips.add(missing)
    for line in skips.describe():
        reporter.log(line)
    used = select_unskipped(usable, skips)
    return Scores(tabulate(used, answers, asr_texts), skips, time.monotonic() - started)


@dataclass(frozen=True, slots=True)
class _Scorer:
    model: SALMForConditionalGeneration
    processor: SALMProcessor
    source: Recordings | EncodedRecordings
    plan: Sequence[NDArray[np.int64]]  # the rows of each batch
    recipe: Recipe
    max_new_tokens: int
    num_beams: int
    reporter: Reporter
    asr_texts: AsrTexts

    def answer(self, condition: Condition) -> tuple[dict[Key, str], list[Skip]]:
        match condition:
            case "trained":
                return self._answer(condition, self.source)
            case "audio_removed":
                return self._answer(condition, self.source, read=lambda example: "")
            case "audio_shuffled":
                shuffled = ShuffledRecordings(self.source, self.recipe.seed)
                return self._answer(condition, shuffled)[0], []  # the faults are others'
            case "cascade":
                with self.model.without_lora():
                    answers, _ = self._answer(condition, self.source, read=self._recognize)
                return answers, []  # what the recognizer did wrong is no fault of the example
            case "untrained":
                undo_training(self.model, self.recipe)
                return self._answer(condition, self.source)

    def _recognize(self, example: Example) -> str:
        heard = self.asr_texts.get(example.recording, "")
        return heard.replace(self.processor.audio_token, " ")  # which a text cannot hold

    def _answer(
        self, condition: Condition, source: Any, **how: Any
    ) -> tuple[dict[Key, str], list[Skip]]:
        answered = answer_all(
            self.model,
            self.processor,
            source,
            self.plan,
            self.recipe.num_workers,
            self.max_new_tokens,
            f"scoring {condition}",
            self.reporter,
            num_beams=self.num_beams,
            **how,
        )
        return answered.answers, answered.skips


class ShuffledRecordings:
    """Each example with another recording than its own, see :func:`shuffle_recordings`."""

    def __init__(self, source: Recordings | EncodedRecordings, seed: int) -> None:
        self.source, self.examples = source, source.examples
        self._heard = shuffle_recordings(list(source.examples), seed)

    def __len__(self) -> int:
        return len(self.source)

    def __getitems__(self, indices: Sequence[int]) -> list[Sample | Skip]:
        others = [self._heard[index] for index in indices]
        heard = iter(self.source.__getitems__([row for row in others if row is not None]))
        return [
            Skip(example, "nothing_else_to_hear", "no recording of its language says another thing")
            if other is None
            else replace(next(heard), example=example)
            for other, example in zip(others, self.examples.get(indices), strict=True)
        ]


def shuffle_recordings(examples: Sequence[Example], seed: int) -> list[int | None]:
    """For each example one about a recording of its language that says something else, or None.

    Recordings are in a ring by their length, and everyone hears the next but some. One that has the
    same context, or that gives the same answer to the same question, is passed over.
    """
    heard: list[int | None] = [None] * len(examples)
    for language in {example.source_language for example in examples}:
        rows = [row for row, ex in enumerate(examples) if ex.source_language == language]
        first = {examples[row].recording: row for row in reversed(rows)}
        ring = sorted(first, key=lambda each: (examples[first[each]].duration, each))
        place = {recording: number for number, recording in enumerate(ring)}
        says: dict[tuple[str, int], set[_Fact]] = defaultdict(set)
        for row in rows:
            says[examples[row].recording] |= _list_facts(examples[row])
        step = 1 + int(np.random.default_rng(seed).integers(4))
        for row in rows:
            own = says[examples[row].recording]
            start = place[examples[row].recording] + step
            turn = (ring[number % len(ring)] for number in range(start, start + len(ring)))
            heard[row] = next((first[each] for each in turn if own.isdisjoint(says[each])), None)
    return heard


_Fact = tuple[tuple[str, ...], ...]


def _list_facts(example: Example) -> set[_Fact]:
    """What its recording says, as far as the example tells: a context, an answer to a question."""
    context, question, answer = (
        tuple(tokenize_or_keep(text or ""))
        for text in (example.context, example.question, example.answer)
    )
    return {(question, answer), *([(context,)] if context else [])}


def tabulate(
    used: Examples,
    answers: Mapping[Condition, Mapping[Key, str]],
    asr_texts: AsrTexts | None = None,
) -> pa.Table:
    """One row for each example, with the scores that ``evaluate`` gives our metric."""
    examples = list(used)
    columns: dict[str, Any] = {
        "eval_set": [example.source_corpus for example in examples],
        "eval_language": [example.source_language for example in examples],
        "example_id": [example.example_id for example in examples],
        "method": [example.method for example in examples],
        "question": [example.question for example in examples],
        "reference": [example.answer for example in examples],
        "asr_text": pa.array(
            [(asr_texts or {}).get(example.recording) for example in examples], pa.string()
        ),
    }
    metric = load_metric()
    for condition in CONDITIONS:
        texts = [answers.get(condition, {}).get(example.key) for example in examples]
        scored: Mapping[str, Any] = (
            metric.compute(
                predictions=[text or "" for text in texts],
                references=columns["reference"],
                contexts=[example.context or "" for example in examples],
                use_aggregator=False,
            )
            if condition in answers
            else {}
        )
        columns[column_of("prediction", condition)] = pa.array(texts, pa.string())
        unknown = np.array([text is None for text in texts])
        for name in COLUMNS[1:]:
            values = scored.get(name, [None] * len(examples))
            columns[column_of(name, condition)] = pa.array(values, pa.float64(), mask=unknown)
    return pa.table(columns)
