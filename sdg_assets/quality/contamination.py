"""What of an evaluation set a checkpoint's training examples have already shown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sdg_assets.quality.leakage import (
    Overlap,
    count_ngrams,
    find_overlaps,
    find_shared_speakers,
)
from sdg_training.lineage import Contamination
from sdg_training.recipe import Recipe

Row = Mapping[str, Any]
MOSTLY = 0.5  # of a text's n-grams: then it is as good as shown
# Of examples, that are compared.
COLUMNS = ("source_language", "speaker", "context", "answer", "audio_sha256")


@dataclass(frozen=True, slots=True)
class Shown:
    """What of one evaluation example is in the training examples of its language."""

    recording: bool
    context: Overlap
    answer: Overlap | None  # None: too short to have an n-gram; every corpus says "yes"
    speaker: bool

    @property
    def signs(self) -> tuple[str, ...]:
        """Short stable codes of what is wrong with this example; none if it is unseen."""
        answered = self.answer or Overlap(False, 0.0)
        signs = {
            "recording": self.recording,
            "context": self.context.exact,
            "context_ngrams": not self.context.exact and self.context.ngram_share >= MOSTLY,
            "answer_ngrams": answered.ngram_share >= MOSTLY,
            "speaker": self.speaker,
        }
        return tuple(sign for sign, found in signs.items() if found)


def keep_served(training: pa.Table, recipe: Recipe) -> pa.Table:
    """The examples of use to ``recipe``: a recording may only be there to be transcribed."""
    return training if recipe.tasks.asr else training.filter(pc.is_valid(training["answer"]))


def find_shown(evaluation: Sequence[Row], training: pa.Table) -> list[Shown]:
    """For each evaluation example what ``training`` has of it, in the same language.

    Args:
        evaluation: rows with :data:`COLUMNS`.
        training: a table of them; its texts are gone through one by one.
    """
    found: dict[int, Shown] = {}
    for language in sorted({row["source_language"] for row in evaluation}):
        asked = {i: row for i, row in enumerate(evaluation) if row["source_language"] == language}
        trained = training.filter(pc.equal(training["source_language"], language))
        found |= zip(asked, _compare(list(asked.values()), trained, language), strict=True)
    return [found[index] for index in range(len(evaluation))]


def summarise(shown: Sequence[Shown], evaluation: Sequence[Row]) -> Contamination:
    """The figures of one evaluation set, as the model card tells them."""
    answers = [each.answer for each in shown if each.answer is not None]
    speakers = {row["speaker"] for row, each in zip(evaluation, shown, strict=True) if each.speaker}
    return Contamination(
        examples=len(shown),
        recordings=sum(each.recording for each in shown),
        exact_contexts=sum(each.context.exact for each in shown),
        exact_answers=sum(answer.exact for answer in answers),
        ngram_contexts=_mean(each.context.ngram_share for each in shown),
        ngram_answers=_mean(answer.ngram_share for answer in answers),
        speakers=tuple(sorted(speakers)),
    )


def _compare(asked: Sequence[Row], trained: pa.Table, language: str) -> list[Shown]:
    contexts, answers = (
        find_overlaps(
            [_text(row, column) for row in asked],
            (text.as_py() for text in trained[column].unique() if text.is_valid),
            language,
        )
        for column in ("context", "answer")
    )
    heard = trained["speaker"].unique().to_pylist()
    speakers = find_shared_speakers((row["speaker"] for row in asked), heard)
    recordings = set(trained["audio_sha256"].unique().to_pylist()) - {None}
    return [
        Shown(
            row["audio_sha256"] in recordings,
            context if row["context"] else Overlap(False, 0.0),
            answer if count_ngrams(row["answer"]) else None,
            row["speaker"] in speakers,
        )
        for row, context, answer in zip(asked, contexts, answers, strict=True)
    ]


def _text(row: Row, column: str) -> str:
    return row[column] or ""  # the context of speech is not always known


def _mean(shares: Iterable[float]) -> float:
    known = list(shares)
    return fmean(known) if known else 0.0
