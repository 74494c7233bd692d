"""How checkpoints stand on evaluation sets, with how sure that is."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from sdg_assets.storage.lake import Lake
from sdg_training.intervals import Interval, bootstrap

Row = dict[str, Any]
CONDITIONS = ("untrained", "audio_removed", "audio_shuffled", "cascade")
FIGURES = ("exact_match", "token_f1", "bleu", "in_context")

# A score is about a recording; questions about one are right or wrong together.
_ROWS = """
    SELECT scores.*, coalesce(examples.audio_sha256, scores.example_id) AS recording
    FROM rouge_l_scores AS scores
    LEFT JOIN training_examples AS examples
        ON examples.corpus = scores.eval_set AND examples.language = scores.eval_language
        AND examples.example_id = scores.example_id
    ORDER BY corpus, language, eval_set, eval_language, scores.example_id"""


@dataclass(frozen=True, slots=True)
class Standing:
    """One checkpoint on one part of what it was asked.

    ``conditions``: ROUGE-L of each of :data:`CONDITIONS` that was measured; ``figures``: the means
    of the other measures of its answers.
    """

    trained_on: str  # the partition whose checkpoint it is
    checkpoint: str
    asked: str
    questions: int
    conditions: dict[str, Interval]
    rouge_l: Interval
    figures: dict[str, float]

    def intervals(self) -> dict[str, Interval]:
        """ROUGE-L trained, then untrained and under the other conditions."""
        named = {name.replace("_", " "): value for name, value in self.conditions.items()}
        return {"trained": self.rouge_l, **named}

    def to_row(self) -> Row:
        """For people to read: of the conditions the means alone."""
        means = {name: interval.mean for name, interval in self.intervals().items()}
        return {
            "asked": self.asked,
            "questions": self.questions,
            **means,
            "trained": str(self.rouge_l),
            **{name.replace("_", " "): value for name, value in self.figures.items()},
        }


def stand(rows: Sequence[Row], recordings: Sequence[str], by: Sequence[str]) -> list[Standing]:
    """Rows of ``rouge_l_scores`` together, by checkpoint and by the columns ``by``.

    Args:
        recordings: of each row, what its question is about.
    """
    groups: dict[tuple[str, ...], list[tuple[Row, str]]] = defaultdict(list)
    for row, recording in zip(rows, recordings, strict=True):
        partition = f"{row['corpus']}|{row['language']}"
        groups[partition, row["checkpoint_id"], *(row[name] for name in by)].append(
            (row, recording)
        )
    return [_stand_one(key, *zip(*groups[key], strict=True)) for key in sorted(groups)]


def read_standings(lake: Lake, by: Sequence[str] = ("eval_set",)) -> list[Standing]:
    """Those of every checkpoint that was scored."""
    rows = lake.query(_ROWS).to_pylist()
    return stand(rows, [row["recording"] for row in rows], by)


def _stand_one(key: tuple[str, ...], rows: Sequence[Row], recordings: Sequence[str]) -> Standing:
    trained_on, checkpoint, *asked = key
    return Standing(
        trained_on,
        checkpoint,
        " ".join(asked) or "all",
        len(rows),
        {
            name: interval
            for name in CONDITIONS
            if (interval := _measure(rows, recordings, f"rouge_l_{name}"))
        },
        bootstrap([row["rouge_l"] for row in rows], recordings),
        {
            name: fmean(values)
            for name in FIGURES
            if (values := [row[name] for row in rows if row[name] is not None])
        },
    )


def _measure(rows: Sequence[Row], recordings: Sequence[str], column: str) -> Interval | None:
    """The mean of what was measured; None if nothing was."""
    known = [
        (row[column], recording)
        for row, recording in zip(rows, recordings, strict=True)
        if row[column] is not None
    ]
    if not known:
        return None
    return bootstrap([value for value, _ in known], [recording for _, recording in known])
