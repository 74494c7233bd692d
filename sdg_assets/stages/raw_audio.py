"""Audio of any rate and format in; 16 kHz mono FLAC in tar shards out, one row per utterance."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import dagster as dg
from pydantic import Field

from sdg_assets.audio import (
    AudioError,
    DecodedAudio,
    audio_sha256,
    decode,
    encode_flac,
    measure,
    source_sha256,
)
from sdg_assets.corpora import open_speech_reader
from sdg_assets.corpora.base import Reject, SourceUtterance
from sdg_assets.corpora.splits import split_of
from sdg_assets.progress import track
from sdg_assets.stages.clips import preview_clips
from sdg_assets.stages.run import StageConfig, StageResult, StageRun
from sdg_assets.stages.stage import SPEECH_KINDS, stage
from sdg_assets.stages.views import histograms, spectrograms

SHARD_UTTERANCES = 1000
Row = dict[str, Any]
Source = tuple[str, str, float | None, str]  # id, path, start and hash: the same, so is the audio


class RawAudioConfig(StageConfig):
    limit: int | None = Field(
        None, ge=1, description="Take only the first N utterances: for a quick trial."
    )


@dataclass(slots=True)
class _Intake:
    """What became of the utterances so far."""

    rows: list[Row]
    fresh: list[Row]  # those of ``rows`` whose audio must be stored
    rejects: list[Reject]


@stage(kinds=SPEECH_KINDS, group="audio", tools=frozenset({"duckdb", "fsspec"}), pool="audio")
def raw_audio(run: StageRun, config: RawAudioConfig) -> StageResult:
    """Every utterance of the corpus, decoded, resampled to 16 kHz mono and stored as FLAC.

    What cannot be decoded is quarantined with its reason, and the rest goes on. Audio that was
    stored before and has not changed is not decoded or stored again.
    """
    found = list(islice(open_speech_reader(run.corpus).read(run.language), config.limit))
    utterances = [item for item in found if isinstance(item, SourceUtterance)]
    intake = _Intake([], [], [item for item in found if isinstance(item, Reject)])
    refs = run.workspace.blobs.write_shards(
        f"audio/{run.corpus.name}/{run.language}",
        _take_in(run, utterances, intake),
        per_shard=SHARD_UTTERANCES,
    )
    for row, ref in zip(intake.fresh, refs, strict=True):
        row |= {"shard": ref.shard, "byte_offset": ref.offset, "byte_length": ref.length}
    metadata = {"stored_now": len(intake.fresh), **_describe(run, intake.rows)}
    return StageResult(intake.rows, intake.rejects, rows_in=len(found), metadata=metadata)


def _take_in(
    run: StageRun, utterances: Sequence[SourceUtterance], intake: _Intake
) -> Iterator[tuple[str, bytes]]:
    """The FLAC of each utterance that is not stored yet; fills ``intake`` on the way."""
    stored = _stored_before(run)
    for utterance in track(utterances, run.stage, run.report, len(utterances)):
        source = utterance.audio
        identity = {
            "utterance_id": utterance.utterance_id,
            "speaker": utterance.speaker,
            "split": split_of(utterance, run.corpus.split),
        }
        try:
            digest = source_sha256(source)
            known = stored.get((utterance.utterance_id, source.path, source.start, digest))
            if known is not None:
                intake.rows.append({**known, **identity})
                continue
            audio = decode(source, run.corpus.max_seconds, run.profile.min_seconds, digest)
        except AudioError as error:
            intake.rejects.append(
                Reject(utterance.utterance_id, error.reason, error.detail, source.path)
            )
            continue
        row = {**identity, **_columns(utterance, audio)}
        intake.rows.append(row)
        intake.fresh.append(row)
        yield f"{utterance.utterance_id}.flac", encode_flac(audio.samples)


def _stored_before(run: StageRun) -> dict[Source, Row]:
    if not run.materialised("raw_audio"):
        return {}
    return {
        (row["utterance_id"], row["source_path"], row["source_start"], row["source_sha256"]): row
        for row in run.read("raw_audio")
    }


def _columns(utterance: SourceUtterance, audio: DecodedAudio) -> Row:
    measures = measure(audio.samples)
    return {
        "duration": measures.duration,
        "audio_sha256": audio_sha256(audio.samples),
        "level_dbfs": measures.level_dbfs,
        "peak": measures.peak,
        "silence_share": measures.silence_share,
        "source_path": utterance.audio.path,
        "source_sha256": audio.source_sha256,
        "source_start": utterance.audio.start,
        "source_rate": audio.source_rate,
        "source_channels": audio.source_channels,
        "source_format": audio.source_format,
    }


def _describe(run: StageRun, rows: list[Row]) -> dict[str, Any]:
    return {
        "speakers": len({row["speaker"] for row in rows if row["speaker"]}),
        "split": dict(Counter(row["split"] for row in rows)),
        "plot": dg.MetadataValue.md(
            histograms(
                {
                    "duration (s)": [row["duration"] for row in rows],
                    "level (dBFS)": [row["level_dbfs"] for row in rows],
                    "share of silence": [row["silence_share"] for row in rows],
                }
            )
        ),
        "spectrograms": dg.MetadataValue.md(
            spectrograms(preview_clips(run.workspace.blobs, rows, "utterance_id"))
        ),
    }
