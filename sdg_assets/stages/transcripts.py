"""The corpus's own text, for the utterances whose audio is there."""

from typing import Any

import dagster as dg

from sdg_assets.corpora import open_speech_reader
from sdg_assets.corpora.base import Reject, SourceUtterance
from sdg_assets.quality.speech_text import tidy_transcript
from sdg_assets.stages.stage import StageConfig, StageResult, StageRun, stage
from sdg_assets.stages.views import histograms


class TranscriptsConfig(StageConfig):
    pass


@stage(
    kinds=frozenset({"labelled_speech"}),
    upstream=["raw_audio"],
    group="text",
    tools=frozenset({"duckdb"}),
)
def transcripts(run: StageRun, config: TranscriptsConfig) -> StageResult:
    """One human transcript per utterance; an utterance without one is quarantined."""
    audio = run.read("raw_audio", ["utterance_id", "source_path", "duration"])
    texts = {
        item.utterance_id: item
        for item in open_speech_reader(run.corpus).read(run.language)
        if isinstance(item, SourceUtterance)
    }
    rows: list[dict[str, Any]] = []
    rejects: list[Reject] = []
    for utterance in audio:
        source = texts.get(utterance["utterance_id"])
        text = tidy_transcript(source.text) if source and source.text else ""
        if source and text:
            rows.append(
                {
                    "utterance_id": source.utterance_id,
                    "text": text,
                    "text_source": source.text_source,
                }
            )
        else:
            rejects.append(
                Reject(
                    utterance["utterance_id"],
                    "missing_transcript",
                    "the audio is there, but its transcript is missing or empty",
                    utterance["source_path"],
                )
            )
    seconds = {u["utterance_id"]: u["duration"] for u in audio}
    rates = [len(row["text"]) / seconds[row["utterance_id"]] for row in rows]
    return StageResult(
        rows,
        rejects,
        rows_in=len(audio),
        metadata={
            "characters": sum(len(row["text"]) for row in rows),
            "plot": dg.MetadataValue.md(
                histograms(
                    {
                        "characters": [len(row["text"]) for row in rows],
                        "characters per second": rates,
                    }
                )
            ),
        },
    )
