"""How checkpoints stand on evaluation sets, with how sure that is."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from sdg_assets.storage.lake import Lake
from sdg_training.conditions import Condition, column_of
from sdg_training.intervals import Clusters, Interval, bootstrap, bootstrap_known, cluster

Row = dict[str, Any]
COMPARED: tuple[Condition, ...] = ("untrained", "audio_removed", "audio_shuffled", "cascade")
FIGURES = ("exact_match", "token_f1", "bleu", "in_context")
# The columns of scores that are so many that people are shown no more than their means.
FURTHER = frozenset(column_of(figure, condition) for figure in FIGURES for condition in COMPARED)

_ROWS = """
    SELECT scores.*, examples.speaker,
        coalesce(examples.audio_sha256, scores.example_id) AS recording
    FROM rouge_l_scores AS scores
    LEFT JOIN training_examples AS examples
        ON examples.corpus = scores.eval_set AND examples.language = scores.eval_language
        AND examples.example_id = scores.example_id
    WHERE {condition}
    ORDER BY corpus, language, eval_set, eval_language, scores.example_id"""


@dataclass(frozen=True, slots=True)
class Standing:
    """One checkpoint on one part of what it was asked.

    ``conditions``: ROUGE-L of each of :data:`COMPARED` that was measured; ``figures``: the means
    of the other measures of its answers, and of those under each condition, by their columns.
    """

    trained_on: str  # the partition whose checkpoint it is
    checkpoint: str
    asked: str
    questions: int
    limit: int | None  # of questions, in each evaluation set; None: all
    num_beams: int | None  # None: scored before that was noted down
    clusters: Clusters  # that the intervals are over
    conditions: dict[Condition, Interval]
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
            **{
                name.replace("_", " "): self.figures[name]
                for name in FIGURES
                if name in self.figures
            },
            "intervals over": str(self.clusters),
        }

    def compare(self) -> list[Row]:
        """For people to read: every measure, one row for each condition."""
        means: dict[Condition, float] = {"trained": self.rouge_l.mean}
        means |= {name: interval.mean for name, interval in self.conditions.items()}
        return [
            {
                "condition": name.replace("_", " "),
                "rouge l": mean,
                **{
                    figure.replace("_", " "): self.figures.get(column_of(figure, name))
                    for figure in FIGURES
                },
            }
            for name, mean in means.items()
        ]


def cluster_scores(rows: Sequence[Row]) -> Clusters:
    """What of them is right or wrong together. Rows as of :func:`read_scores`."""
    # Corpora call different speakers by the same name.
    speakers = [row["speaker"] and (row["eval_set"], row["speaker"]) for row in rows]
    return cluster(speakers, [row["recording"] for row in rows])


def stand(rows: Sequence[Row], by: Sequence[str]) -> list[Standing]:
    """Rows as of :func:`read_scores` together, by checkpoint and by the columns ``by``."""
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        partition = f"{row['corpus']}|{row['language']}"
        groups[partition, row["checkpoint_id"], *(row[name] for name in by)].append(row)
    return [_stand_one(key, groups[key]) for key in sorted(groups)]


def read_standings(lake: Lake, by: Sequence[str] = ("eval_set",)) -> list[Standing]:
    """Those of every checkpoint that was scored."""
    return stand(read_scores(lake), by)


def read_scores(lake: Lake, where: Mapping[str, str] | None = None) -> list[Row]:
    """Rows of ``rouge_l_scores``, each with its ``speaker`` (None: not known) and ``recording``.

    Args:
        where: ``corpus`` and ``language`` of a partition; none: all.
    """
    where = where or {}
    condition = " AND ".join(f"scores.{name} = ?" for name in where) or "true"
    return lake.query(_ROWS.format(condition=condition), list(where.values())).to_pylist()


def _stand_one(key: tuple[str, ...], rows: Sequence[Row]) -> Standing:
    trained_on, checkpoint, *asked = key
    clusters = cluster_scores(rows)
    columns = [column_of(figure, name) for name in ("trained", *COMPARED) for figure in FIGURES]
    return Standing(
        trained_on,
        checkpoint,
        " ".join(asked) or "all",
        len(rows),
        rows[0]["evaluation_limit"],
        rows[0]["num_beams"],
        clusters,
        {
            name: interval
            for name in COMPARED
            if (
                interval := bootstrap_known(
                    [row[column_of("rouge_l", name)] for row in rows], clusters
                )
            )
        },
        bootstrap([row["rouge_l"] for row in rows], clusters.members),
        {
            name: fmean(values)
            for name in columns
            if (values := [row[name] for row in rows if row[name] is not None])
        },
    )
