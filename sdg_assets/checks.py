"""Asset checks: after each stage, is what it made good enough to go on with?

A check reads the partition's rows, so it can be run again at any time. Only those below a
single-input stage may block (see `stages/stage.py`).
"""

import inspect
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import dagster as dg

from sdg_assets.corpora import explain_nothing
from sdg_assets.corpora.keys import parse_partition
from sdg_assets.leaderboard import cluster_scores, read_scores
from sdg_assets.partitions import grid
from sdg_assets.quality.leakage import find_shared_speakers
from sdg_assets.resources import WorkspaceResource
from sdg_assets.stages.views import round_figures
from sdg_assets.workspace import Workspace
from sdg_training.intervals import bootstrap

# Pinned with Dagster; without it a check's result would not say of which partition it is.
warnings.filterwarnings("ignore", message=".*partitions_def.*", category=dg.PreviewWarning)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    severity: dg.AssetCheckSeverity | None  # None: passed
    description: str
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PartitionView:
    """One stage's rows and quarantine in one partition."""

    workspace: Workspace
    stage: str
    where: dict[str, str]

    def rows(self, columns: list[str], table: str | None = None) -> list[Row]:
        found = self.workspace.lake.read(table or self.stage, where=self.where, columns=columns)
        return found.to_pylist()

    def quarantined(self) -> list[Row]:
        """Item and reason of each row."""
        where = {**self.where, "stage": self.stage}
        columns = ["item_id", "reason"]
        return self.workspace.lake.read("quarantine", where=where, columns=columns).to_pylist()


def judge_share(
    what: str,
    bad: int,
    total: int,
    *,
    warn: float,
    fail: float,
    reasons: Mapping[str, int] | None = None,
) -> Verdict:
    """How bad ``bad`` of ``total`` is: above ``warn`` a warning, above ``fail`` an error.

    ``reasons``: how often each was given, the commonest first.
    """
    if not total:
        return Verdict(None, f"0 of 0 {what}: there is nothing to judge", {"total": 0})
    share = bad / total
    severity = None
    if share > fail:
        severity = dg.AssetCheckSeverity.ERROR
    elif share > warn:
        severity = dg.AssetCheckSeverity.WARN
    level = severity.value if severity else "fine"
    commonest = f", mostly {next(iter(reasons))}" if reasons else ""
    return Verdict(
        severity,
        f"{bad} of {total} {what}{commonest} "
        f"({share:.1%}: {level}; WARN above {warn:.0%}, ERROR above {fail:.0%})",
        {"share": share, "bad": bad, "total": total, **({"reasons": reasons} if reasons else {})},
    )


def check_quarantine(view: PartitionView) -> Verdict:
    """Few of the stage's items went into quarantine."""
    kept = len(view.rows(["corpus"]))
    rejects = view.quarantined()
    return judge_share(
        "items are quarantined",
        len(rejects),
        kept + len(rejects),
        warn=0.05,
        fail=0.5,
        reasons=_count(row["reason"] for row in rejects),
    )


def check_found(view: PartitionView) -> Verdict:
    """The corpus's reader found something, whether or not it can be used."""
    found = len(view.rows(["corpus"])) + len(view.quarantined())
    if found:
        return Verdict(None, f"the reader found {found} records", {"found": found})
    corpus = view.workspace.corpus(view.where["corpus"])
    told = explain_nothing(corpus, view.where["language"])
    return Verdict(dg.AssetCheckSeverity.WARN, told, {"found": 0})


def check_trusted(view: PartitionView) -> Verdict:
    """Most pseudo-labels have no flag: the LLM is asked about trusted ones only."""
    rows = view.rows(["trusted", "flags"])
    return judge_share(
        "pseudo-labels are not trusted",
        sum(not row["trusted"] for row in rows),
        len(rows),
        warn=0.2,
        fail=0.5,
        reasons=_count(flag for row in rows for flag in row["flags"]),
    )


def check_error_rate(view: PartitionView) -> Verdict:
    """Where the corpus came with text after all, the pseudo-labels are close to it."""
    rates = [r["error_rate"] for r in view.rows(["error_rate"]) if r["error_rate"] is not None]
    bad = sum(rate > 0.25 for rate in rates)
    return judge_share(
        "pseudo-labels with a known text have an error rate over 25%",
        bad,
        len(rates),
        warn=0.1,
        fail=0.5,
    )


def check_parsing(view: PartitionView) -> Verdict:
    """The LLM's answers are lists of question-answer pairs, as the prompt asks for."""
    used = {row["utterance_id"] for row in view.rows(["utterance_id"])}
    rejects = view.quarantined()
    bad = {row["item_id"] for row in rejects}
    return judge_share(
        "LLM answers hold something unusable",
        len(bad),
        len(used | bad),
        warn=0.05,
        fail=0.5,
        reasons=_count(row["reason"] for row in rejects),
    )


def check_dropped(view: PartitionView) -> Verdict:
    """The rules and the judge keep most of the generated question-answer pairs."""
    rows = view.rows(["kept", "reason"])
    reasons = [row["reason"] for row in rows if not row["kept"]]
    return judge_share(
        "question-answer pairs were dropped",
        len(reasons),
        len(rows),
        warn=0.3,
        fail=0.9,
        reasons=_count(reasons),
    )


def _count(reasons: Iterable[str]) -> dict[str, int]:
    """How often each was given, the commonest first."""
    return dict(Counter(reasons).most_common())


def check_splits(view: PartitionView) -> Verdict:
    """No speaker and no context of the training split is in the test split."""
    rows = view.rows(["split", "speaker", "context", "example_id"])
    train = [row for row in rows if row["split"] == "train"]
    test = [row for row in rows if row["split"] == "test"]
    speakers = find_shared_speakers(
        (row["speaker"] for row in test), (row["speaker"] for row in train)
    )
    contexts = {row["context"] for row in train} & {row["context"] for row in test}
    metadata = {
        "train": len(train),
        "test": len(test),
        "shared_speakers": list(speakers[:20]),
        "shared_contexts": len(contexts),
    }
    if contexts:
        return Verdict(
            dg.AssetCheckSeverity.ERROR,
            f"{len(contexts)} contexts are in both the training and the test split",
            metadata,
        )
    if speakers:
        return Verdict(
            dg.AssetCheckSeverity.WARN,
            f"{len(speakers)} speakers are in both the training and the test split",
            metadata,
        )
    if not train:
        return Verdict(dg.AssetCheckSeverity.WARN, "there is nothing to train on", metadata)
    return Verdict(None, "training and test share no speaker and no context", metadata)


def check_hearing(view: PartitionView) -> Verdict:
    """A model that scores as well without the audio has learnt to guess, not to listen."""
    rows = read_scores(view.workspace.lake, view.where)
    if not rows:
        return Verdict(dg.AssetCheckSeverity.WARN, "there is no score")
    clusters = cluster_scores(rows)
    heard = fmean(row["rouge_l"] for row in rows)
    guessed = fmean(row["rouge_l_audio_removed"] for row in rows)
    gain = bootstrap(
        [row["rouge_l"] - row["rouge_l_audio_removed"] for row in rows], clusters.members
    )
    return Verdict(
        None if gain.low > 0 else dg.AssetCheckSeverity.WARN,
        f"ROUGE-L {heard:.3f} with the audio, {guessed:.3f} with the audio removed: {gain} more, "
        f"over {clusters}",
        {"rouge_l": heard, "rouge_l_audio_removed": guessed},
    )


def check_contamination(view: PartitionView) -> Verdict:
    """The evaluation examples are new to the checkpoint: their texts, and who speaks."""
    signs = [row["contamination"] or () for row in view.rows(["contamination"])]
    counts = _count(sign for each in signs for sign in each)
    verdict = judge_share(
        "evaluation examples were partly in the training data",
        sum(map(bool, signs)),
        len(signs),
        warn=0.1,
        fail=1.0,
        reasons=counts,
    )
    shown = sum(not {"context", "recording"}.isdisjoint(each) for each in signs)
    if not shown:
        return verdict
    told = (
        f"{shown} of {len(signs)} evaluation examples have a context or a recording that was "
        "trained on"
    )
    return Verdict(dg.AssetCheckSeverity.ERROR, told, verdict.metadata)


def _define(
    asset: str, name: str, check: Callable[[PartitionView], Verdict], blocking: bool = False
) -> dg.AssetChecksDefinition:
    def evaluate(
        context: dg.AssetCheckExecutionContext, workspace: WorkspaceResource
    ) -> dg.AssetCheckResult:
        partition = parse_partition(str(context.partition_key))
        where = {"corpus": partition.corpus, "language": partition.language}
        verdict = check(PartitionView(workspace.open(), asset, where))
        return dg.AssetCheckResult(
            passed=verdict.severity is None,
            severity=verdict.severity or dg.AssetCheckSeverity.WARN,
            description=verdict.description,
            metadata=round_figures(verdict.metadata),
        )

    return dg.asset_check(
        asset=asset,
        name=name,
        description=inspect.getdoc(check),
        blocking=blocking,
        partitions_def=grid,
    )(evaluate)


checks = [
    _define("raw_audio", "records_found", check_found),
    _define("raw_audio", "few_quarantined", check_quarantine),
    _define("text_qa", "records_found", check_found),
    _define("text_qa", "few_quarantined", check_quarantine),
    _define("pseudo_labels", "few_quarantined", check_quarantine),
    _define("pseudo_labels", "mostly_trusted", check_trusted),
    _define("pseudo_labels", "low_error_rate", check_error_rate),
    _define("generated_qa", "answers_parse", check_parsing),
    _define("filtered_qa", "few_dropped", check_dropped),
    _define("synthesized_speech", "few_quarantined", check_quarantine),
    _define("training_examples", "disjoint_splits", check_splits, blocking=True),
    _define("rouge_l_scores", "hears_the_audio", check_hearing),
    _define("rouge_l_scores", "uncontaminated", check_contamination),
]
