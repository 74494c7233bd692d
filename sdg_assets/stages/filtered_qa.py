"""Which generated pairs are fit for training: rules first, then the LLM as a judge."""

from collections import Counter
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal

import dagster as dg
from pydantic import Field

from sdg_assets.engines.base import Failure
from sdg_assets.prompts import prompt_version, render
from sdg_assets.quality.judge_parsing import parse_verdict
from sdg_assets.quality.qa_parsing import QAPair
from sdg_assets.quality.qa_rules import apply_rules, find_repeated
from sdg_assets.stages.calls import Answered, ask
from sdg_assets.stages.run import StageConfig, StageResult, StageRun
from sdg_assets.stages.stage import SPEECH_KINDS, stage
from sdg_assets.stages.views import bars

TASK = "judge_qa"
Row = dict[str, Any]


class FilteredQAConfig(StageConfig):
    judge: Literal["default", "always", "never"] = Field(
        "default",
        description="Ask the LLM whether each answer is right and answerable from its context. "
        "default: as the profile says. never: rules only.",
    )


@stage(
    kinds=SPEECH_KINDS,
    upstream=["generated_qa"],
    group="questions",
    tools=frozenset({"duckdb", "llm"}),
    pool="llm",
)
def filtered_qa(run: StageRun, config: FilteredQAConfig) -> StageResult:
    """Every generated pair with its verdict: kept, or dropped and why.

    Rules decide first (grounded answer, no leakage, no duplicate ...), the LLM judges the rest.
    """
    pairs = run.read("generated_qa")
    reasons = _apply_rules(run, pairs)
    judged = run.profile.judge if config.judge == "default" else config.judge == "always"
    version = prompt_version(TASK, run.profile.prompts)
    answers = _judge(run, [p for p in pairs if reasons[p["qa_id"]] is None], version, judged)
    rows = [_decide(pair, reasons[pair["qa_id"]], answers.get(pair["qa_id"])) for pair in pairs]
    hours = run.hours_of(row["utterance_id"] for row in rows if row["kept"])
    return StageResult(rows, rows_in=len(pairs), metadata={"hours": hours, **_describe(rows)})


def _apply_rules(run: StageRun, pairs: list[Row]) -> dict[str, str | None]:
    """Why each pair is dropped before the LLM is asked; None for those that it shall judge."""
    ordered = sorted(pairs, key=itemgetter("utterance_id", "qa_id"))
    reasons: dict[str, str | None] = {}
    for _, members in groupby(ordered, key=itemgetter("utterance_id")):
        group = list(members)
        found = apply_rules(
            group[0]["context"],
            [QAPair(row["question"], row["answer"]) for row in group],
            run.language,
            run.profile.qa_rules,
        )
        reasons |= {row["qa_id"]: reason for row, reason in zip(group, found, strict=True)}
    repeated = find_repeated((row["context"], row["question"]) for row in ordered)
    for row, again in zip(ordered, repeated, strict=True):
        if again and reasons[row["qa_id"]] is None:
            reasons[row["qa_id"]] = "duplicate_example"
    return reasons


def _judge(run: StageRun, pairs: list[Row], version: str, judged: bool) -> dict[str, Answered]:
    if not judged:
        return {}
    prompts = {
        pair["qa_id"]: render(
            TASK,
            run.profile.prompts,
            context=pair["context"],
            question=pair["question"],
            answer=pair["answer"],
            language=run.language,
        )
        for pair in pairs
    }
    return ask(run, prompts, version)


def _decide(pair: Row, reason: str | None, answered: Answered | None) -> Row:
    carried = {
        name: pair[name]
        for name in (
            "qa_id", "utterance_id", "context_source", "context", "question", "answer",
            "prompt_version",
        )
    }  # fmt: skip
    verdict = None
    if answered is not None:
        if isinstance(answered.result, Failure):
            reason = f"judge_failed_{answered.result.reason}"
        else:
            verdict = answered.result.text
            reason = _REASONS[parse_verdict(verdict)]
    return {
        **carried,
        "kept": reason is None,
        "reason": reason,
        "verdict": verdict,
        "call_key": answered.key if answered else None,
    }


_REASONS = {"yes": None, "no": "judged_wrong", None: "unparsable_verdict"}


def _describe(rows: list[Row]) -> dict[str, Any]:
    dropped = Counter(row["reason"] for row in rows if not row["kept"])
    kept = len(rows) - dropped.total()
    return {
        "kept": kept,
        "dropped": dropped.total(),
        "dropped_by_reason": dict(dropped.most_common()),
        "plot": dg.MetadataValue.md(bars({"kept": kept, **dict(dropped.most_common())}, "pairs")),
    }
