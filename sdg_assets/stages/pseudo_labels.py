"""Unlabelled speech in; the ASR's text out, with every reason not to trust it."""

import json
from collections import Counter
from dataclasses import asdict
from typing import Any

import dagster as dg
from pydantic import Field

from sdg_assets.corpora import open_speech_reader
from sdg_assets.corpora.base import Reject, SourceUtterance
from sdg_assets.engines.base import ASRResult, Failure
from sdg_assets.quality.audio_text import AudioFigures
from sdg_assets.quality.error_rates import ErrorCounts, default_unit, error_counts, sum_counts
from sdg_assets.quality.pseudo_labels import flag_pseudo_label, pool_segments
from sdg_assets.stages.calls import transcribe
from sdg_assets.stages.run import StageConfig, StageResult, StageRun
from sdg_assets.stages.stage import stage
from sdg_assets.stages.views import bars, histograms

Row = dict[str, Any]


class PseudoLabelsConfig(StageConfig):
    detect_language: bool = Field(
        False,
        description="Let the ASR find the language of each utterance instead of telling it the "
        "partition's; an utterance in another language is then flagged.",
    )


@stage(
    kinds=frozenset({"unlabelled_speech"}),
    upstream=["raw_audio"],
    group="contexts",
    tools=frozenset({"duckdb", "whisper"}),
    pool="asr",
)
def pseudo_labels(run: StageRun, config: PseudoLabelsConfig) -> StageResult:
    """ASR text of every utterance, with confidence figures and flags.

    A flagged label is kept in the table but is not trusted: no questions are written from it.
    Where the corpus came with text after all, the error rate against it is measured.
    """
    audio = run.read("raw_audio")
    references = _references(run)
    answers = transcribe(run, audio, None if config.detect_language else run.language)
    rows: list[Row] = []
    rejects: list[Reject] = []
    counts: list[ErrorCounts] = []
    for utterance in audio:
        identifier = utterance["utterance_id"]
        answered = answers[identifier]
        if isinstance(answered.result, Failure):
            reason, detail = answered.result.reason, answered.result.detail
            rejects.append(Reject(identifier, reason, detail, utterance["source_path"]))
            continue
        label = _label(run, utterance, answered.result)
        if identifier in references:
            errors = error_counts(references[identifier], label["text"], run.language)
            counts.append(errors)
            label["error_rate"] = errors.rate
        rows.append({**label, "call_key": answered.key})
    metadata = {
        "hours": run.hours_of(row["utterance_id"] for row in rows),
        **_describe(rows, counts, run.language),
    }
    return StageResult(rows, rejects, rows_in=len(audio), metadata=metadata)


def _references(run: StageRun) -> dict[str, str]:
    """Texts that the corpus has, although it is taken as unlabelled: only to measure against."""
    return {
        item.utterance_id: item.text
        for item in open_speech_reader(run.corpus).read(run.language)
        if isinstance(item, SourceUtterance) and item.text
    }


def _label(run: StageRun, utterance: Row, result: ASRResult) -> Row:
    figures = pool_segments(result.segments)
    flags = flag_pseudo_label(
        result.text,
        figures,
        AudioFigures(
            utterance["duration"],
            utterance["level_dbfs"],
            utterance["peak"],
            utterance["silence_share"],
        ),
        run.language,
        result.language,
        run.profile.pseudo_labels,
    )
    return {
        "utterance_id": utterance["utterance_id"],
        "text": result.text,
        "detected_language": result.language,
        "avg_logprob": figures and figures.avg_logprob,
        "no_speech_prob": figures and figures.no_speech_prob,
        "compression_ratio": figures and figures.compression_ratio,
        "segments": json.dumps([asdict(segment) for segment in result.segments]),
        "flags": list(flags),
        "trusted": not flags,
    }


def _describe(rows: list[Row], counts: list[ErrorCounts], language: str) -> dict[str, Any]:
    flags = Counter(flag for row in rows for flag in row["flags"])
    trusted = sum(row["trusted"] for row in rows)
    metadata = {
        "trusted": trusted,
        "not_trusted": len(rows) - trusted,
        "flags": dict(flags.most_common()),
        "confidence": dg.MetadataValue.md(
            histograms(
                {
                    "mean log probability": [
                        row["avg_logprob"] for row in rows if row["avg_logprob"] is not None
                    ],
                    "error rate": [
                        row["error_rate"] for row in rows if row.get("error_rate") is not None
                    ],
                }
            )
        ),
        "plot": dg.MetadataValue.md(bars({"trusted": trusted, **flags}, "utterances")),
    }
    total = sum_counts(counts)
    if total.rate is not None:
        name = "wer" if default_unit(language) == "word" else "cer"
        metadata[name] = total.rate
    return metadata
