"""An LLM writes questions and answers about what was said (methods `labelled` and `pseudo`)."""

from collections import Counter
from typing import Any

import dagster as dg
from pydantic import Field

from sdg_assets.corpora.base import Reject
from sdg_assets.engines.base import Failure
from sdg_assets.prompts import prompt_version, render
from sdg_assets.quality.qa_parsing import parse_qa
from sdg_assets.stages.calls import ask
from sdg_assets.stages.run import DEFAULT, StageConfig, StageResult, StageRun, choose
from sdg_assets.stages.stage import SPEECH_KINDS, stage
from sdg_assets.stages.views import histograms

TASK = "write_qa"
Row = dict[str, Any]


class GeneratedQAConfig(StageConfig):
    pairs_per_context: int = Field(
        0, ge=0, le=20, description="Question-answer pairs to ask for. 0: as the profile says."
    )
    prompts: str = Field(
        DEFAULT, description="Version of the prompt templates. default: the profile's."
    )


@stage(
    kinds=SPEECH_KINDS,
    upstream=["transcripts", "pseudo_labels"],
    group="questions",
    tools=frozenset({"duckdb", "llm"}),
    pool="llm",
)
def generated_qa(run: StageRun, config: GeneratedQAConfig) -> StageResult:
    """Question-answer pairs that the LLM writes from each transcript or trusted pseudo-label.

    An answer that is no list of pairs is quarantined with its reason; whole pairs before a cut
    are kept. The LLM's own words stay in the call ledger.
    """
    contexts, untrusted = _contexts(run)
    version = choose(config.prompts, run.profile.prompts)
    count = config.pairs_per_context or run.profile.pairs_per_context
    prompts = {
        row["utterance_id"]: render(
            TASK, version, context=row["text"], language=run.language, count=count
        )
        for row in contexts
    }
    answers = ask(run, prompts, prompt_version(TASK, version))
    rows: list[Row] = []
    rejects: list[Reject] = []
    repairs: Counter[str] = Counter()
    for context in contexts:
        identifier = context["utterance_id"]
        answered = answers[identifier]
        if isinstance(answered.result, Failure):
            rejects.append(_reject(identifier, answered.result.reason, answered.result.detail))
            continue
        result = answered.result
        parsed = parse_qa(result.text, is_finished=result.finish_reason == "stop")
        repairs.update(parsed.repairs)
        rejects += [_reject(identifier, e.reason, e.detail) for e in parsed.errors]
        rows += [
            {
                "qa_id": f"{identifier}#{number}",
                "utterance_id": identifier,
                "context_source": context["source"],
                "context": context["text"],
                "question": pair.question,
                "answer": pair.answer,
                "prompt_version": prompt_version(TASK, version),
                "call_key": answered.key,
            }
            for number, pair in enumerate(parsed.pairs[:count], start=1)
        ]
    hours = run.hours_of(row["utterance_id"] for row in rows)
    metadata = {
        "hours": hours,
        **_describe(rows),
        "untrusted_left_out": untrusted,
        "repaired": dict(repairs),
    }
    return StageResult(rows, rejects, rows_in=len(contexts), metadata=metadata)


def _contexts(run: StageRun) -> tuple[list[Row], int]:
    """What the LLM is shown, and how many pseudo-labels it is not shown."""
    if run.corpus.kind == "labelled_speech":
        texts = run.read("transcripts", ["utterance_id", "text"])
        return [{**row, "source": "transcript"} for row in texts], 0
    labels = run.read("pseudo_labels", ["utterance_id", "text", "trusted"])
    trusted = [{**row, "source": "pseudo_label"} for row in labels if row["trusted"]]
    return trusted, len(labels) - len(trusted)


def _reject(identifier: str, reason: str, detail: str) -> Reject:
    return Reject(identifier, reason, detail, "")


def _describe(rows: list[Row]) -> dict[str, Any]:
    per_context = Counter(row["utterance_id"] for row in rows)
    return {
        "contexts_with_pairs": len(per_context),
        "plot": dg.MetadataValue.md(
            histograms(
                {
                    "pairs per context": list(per_context.values()),
                    "question characters": [len(row["question"]) for row in rows],
                    "answer characters": [len(row["answer"]) for row in rows],
                }
            )
        ),
    }
