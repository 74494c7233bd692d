"""The corpus's own text, for the utterances whose audio is there."""

from typing import Any

import dagster as dg

from sdg_assets.corpora import open_speech_reader
from sdg_assets.corpora.base import Reject, SourceUtterance
from sdg_assets.stages.run import StageConfig, StageResult, StageRun
from sdg_assets.stages.stage import stage
from sdg_assets.stages.views import histograms

_QUIETEST = 1e-4  # -80 dBFS; some real speech lies at -65


class TranscriptsConfig(StageConfig):
    pass


@stage(
    kinds=frozenset({"labelled_speech"}),
    upstream=["raw_audio"],
    group="contexts",
    tools=frozenset({"duckdb"}),
)
def transcripts(run: StageRun, config: TranscriptsConfig) -> StageResult:
    """One human transcript for each utterance of `raw_audio`.

    Text whose audio was quarantined is left out; audio without text was quarantined there.
    """
    audio = run.read("raw_audio", ["utterance_id", "source_path", "duration", "peak"])
    texts = {
        item.utterance_id: item
        for item in open_speech_reader(run.corpus).read(run.language)
        if isinstance(item, SourceUtterance)
    }
    rows: list[dict[str, Any]] = []
    rejects: list[Reject] = []
    for utterance in audio:
        source = texts.get(utterance["utterance_id"])
        if source is None or source.text is None:
            rejects.append(
                Reject(
                    utterance["utterance_id"],
                    "transcript_gone",
                    "its transcript was there when the audio was read and is not now",
                    utterance["source_path"],
                )
            )
            continue
        if utterance["peak"] < _QUIETEST:
            detail = (
                f"nothing is heard (peak {utterance['peak']:.1e} of full scale), and it has text"
            )
            rejects.append(
                Reject(utterance["utterance_id"], "silent", detail, utterance["source_path"])
            )
            continue
        text = " ".join(source.text.split())
        rows.append(
            {
                "utterance_id": source.utterance_id,
                "text": text,
                "text_source": source.text_source,
                "seconds": utterance["duration"],
            }
        )
    plot = histograms(
        {
            "characters": [len(row["text"]) for row in rows],
            "characters per second": [len(row["text"]) / row.pop("seconds") for row in rows],
        }
    )
    return StageResult(
        rows,
        rejects,
        rows_in=len(audio),
        metadata={
            "hours": run.hours_of(row["utterance_id"] for row in rows),
            "characters": sum(len(row["text"]) for row in rows),
            "plot": dg.MetadataValue.md(plot),
        },
    )
