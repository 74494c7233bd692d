"""What the data was worth: a checkpoint's answers to test examples, scored with ROUGE-L."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

import dagster as dg
import pyarrow as pa
from pydantic import Field

from sdg_assets.corpora.base import Reject
from sdg_assets.corpora.keys import ALL_LANGUAGES, Partition
from sdg_assets.errors import UserError
from sdg_assets.progress import Progress
from sdg_assets.stages.run import MissingInputError, StageConfig, StageResult, StageRun
from sdg_assets.stages.stage import ALL_KINDS, stage
from sdg_assets.stages.views import grouped_bars, markdown_table

Row = dict[str, Any]
CONDITIONS = {
    "untrained": "rouge_l_untrained",
    "audio removed": "rouge_l_audio_removed",
    "trained": "rouge_l",
}


class RougeLScoresConfig(StageConfig):
    evaluate_on: list[str] = Field(
        [],
        description="Corpora whose test split is asked. Empty: as the corpus says, else the "
        "corpus itself, or the members of a mixture.",
    )
    limit: int = Field(
        0, ge=0, description="Examples of each evaluation set at most. 0: as the profile says."
    )


@stage(
    kinds=ALL_KINDS,
    upstream=["trained_checkpoints"],
    group="training",
    tools=frozenset({"torch", "duckdb"}),
    pool="training",
    automatic=False,
)
def rouge_l_scores(run: StageRun, config: RougeLScoresConfig) -> StageResult:
    """Answers and ROUGE-L of the checkpoint on unseen examples.

    The same questions are asked with the audio removed and before any training: a speech LM that
    does as well without hearing has only learnt to guess.
    """
    run.require("trained_checkpoints")
    checkpoint = run.read("trained_checkpoints")[-1]
    limit = config.limit or run.profile.evaluation_limit
    sets = {corpus: _test_split(run, corpus, limit) for corpus in _evaluation_sets(run, config)}
    examples = pa.concat_tables(sets.values())
    if examples.num_rows == 0:
        raise NothingToScoreError(
            f"no test example in {', '.join(sets)} for {run.language}: materialise their "
            "training_examples, or name other corpora in evaluate_on"
        )
    rows, rejects = _score(run, checkpoint, examples)
    return StageResult(
        rows, rejects, rows_in=examples.num_rows, metadata=_describe(rows, checkpoint)
    )


class NothingToScoreError(UserError):
    """No evaluation set has a test example."""


def _evaluation_sets(run: StageRun, config: RougeLScoresConfig) -> Sequence[str]:
    named = config.evaluate_on or run.corpus.evaluate_on
    return named or run.corpus.members or (run.corpus.name,)


def _test_split(run: StageRun, corpus: str, limit: int | None) -> pa.Table:
    """Test examples of ``corpus`` in this language (``mul``: in all of its languages)."""
    known = run.workspace.corpus(corpus).languages
    languages = known if run.language == ALL_LANGUAGES else (run.language,)
    for language in languages:
        partition = Partition(corpus, language)
        if language in known and not run.materialised("training_examples", partition):
            raise MissingInputError(
                f"the evaluation set {partition} has no training_examples yet: "
                "materialise that partition first"
            )
    rows = run.workspace.lake.read(
        "training_examples",
        where={"corpus": corpus, "language": list(languages), "split": "test"},
        version=run.version,
        order_by=["language", "example_id"],
    )
    return rows.slice(0, limit)


def _score(run: StageRun, checkpoint: Row, examples: pa.Table) -> tuple[list[Row], list[Reject]]:
    from sdg_training.evaluate import score

    loading = f"{run.stage} loading checkpoint {checkpoint['checkpoint_id']}"
    run.report(Progress(loading, 0, 1, 0.0, minor=True))
    with run.workspace.blobs.local_folder(checkpoint["uri"]) as folder:
        scores = score(folder, examples, run.workspace.blobs.url, reporter=_StageReporter(run))
    rows = [
        {"checkpoint_id": checkpoint["checkpoint_id"], **row} for row in scores.table.to_pylist()
    ]
    rejects = [
        Reject(skip.example_id, skip.reason, skip.detail, "") for skip in scores.skips.examples
    ]
    return rows, rejects


class _StageReporter:
    """The training package's progress, told as the stage's."""

    def __init__(self, run: StageRun) -> None:
        self._run = run

    def progress(self, progress: Any) -> None:
        label = f"{self._run.stage} {progress.stage}"
        self._run.report(Progress(label, progress.done, progress.total, progress.seconds))

    def log(self, message: str) -> None: ...

    def finish(self, result: Mapping[str, Any]) -> None: ...


def _describe(rows: list[Row], checkpoint: Row) -> dict[str, Any]:
    means = dict(_means(rows))
    table = [
        {"evaluation set": eval_set, "language": language, **figures}
        for (eval_set, language), figures in means.items()
    ]
    overall = {
        eval_set: {name: figures[name] for name in CONDITIONS}
        for (eval_set, language), figures in means.items()
        if language == "all"
    }
    return {
        "checkpoint": checkpoint["checkpoint_id"],
        "rouge_l": fmean(row["rouge_l"] for row in rows),
        "rouge_l_audio_removed": fmean(row["rouge_l_audio_removed"] for row in rows),
        "rouge_l_untrained": fmean(row["rouge_l_untrained"] for row in rows),
        "scores": dg.MetadataValue.md(markdown_table(table)),
        "worst": dg.MetadataValue.md(markdown_table(_worst(rows))),
        "plot": dg.MetadataValue.md(grouped_bars(overall, "ROUGE-L")),
    }


def _means(rows: list[Row]) -> Iterator[tuple[tuple[str, str], dict[str, float]]]:
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["eval_set"], row["eval_language"]].append(row)
        groups[row["eval_set"], "all"].append(row)
    for key in sorted(groups):
        members = groups[key]
        figures = {
            name: fmean(row[column] for row in members) for name, column in CONDITIONS.items()
        }
        yield key, {"questions": len(members), **figures}


def _worst(rows: list[Row], count: int = 8) -> list[Row]:
    ordered = sorted(rows, key=lambda row: row["rouge_l"])[:count]
    columns = ("eval_language", "question", "reference", "prediction", "rouge_l", "example_id")
    return [{name: row[name] for name in columns} for row in ordered]
