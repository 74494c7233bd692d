"""Audio of any rate and format in; 16 kHz mono FLAC in tar shards out, one row per utterance."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
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
from sdg_assets.corpora.base import AudioSource, Reject
from sdg_assets.corpora.splits import split_of
from sdg_assets.progress import track
from sdg_assets.stages.clips import preview_clips
from sdg_assets.stages.run import StageConfig, StageResult, StageRun
from sdg_assets.stages.stage import SPEECH_KINDS, stage
from sdg_assets.stages.views import histograms, spectrograms

SHARD_UTTERANCES = 1000
Row = dict[str, Any]


class RawAudioConfig(StageConfig):
    limit: int = Field(
        0, ge=0, description="Take only the first N utterances: for a quick trial. 0: all."
    )


@dataclass(slots=True)
class _Intake:
    """What became of the items that were read so far."""

    rows: list[Row] = field(default_factory=list)
    fresh: list[Row] = field(default_factory=list)  # those of ``rows`` whose audio must be stored
    rejects: list[Reject] = field(default_factory=list)


@stage(kinds=SPEECH_KINDS, group="sources", tools=frozenset({"duckdb", "fsspec"}), pool="audio")
def raw_audio(run: StageRun, config: RawAudioConfig) -> StageResult:
    """Every utterance of the corpus, decoded, resampled to 16 kHz mono and stored as FLAC.

    What cannot be decoded is quarantined with its reason, and the rest goes on. Audio that was
    stored before and has not changed is not decoded or stored again.
    """
    intake = _Intake()
    refs = run.workspace.blobs.write_shards(
        f"audio/{run.corpus.name}/{run.language}",
        _take_in(run, config.limit or None, intake),
        per_shard=SHARD_UTTERANCES,
    )
    for row, ref in zip(intake.fresh, refs, strict=True):
        row |= {"shard": ref.shard, "byte_offset": ref.offset, "byte_length": ref.length}
    metadata = {"stored_now": len(intake.fresh), **_describe(run, intake.rows)}
    rows_in = len(intake.rows) + len(intake.rejects)
    return StageResult(intake.rows, intake.rejects, rows_in=rows_in, metadata=metadata)


def _take_in(run: StageRun, limit: int | None, intake: _Intake) -> Iterator[tuple[str, bytes]]:
    """The FLAC of each utterance that is not stored yet; fills ``intake`` on the way."""
    stored = _stored_before(run)
    hashes: dict[str, str] = {}  # by path: many segments may lie in one file
    items = islice(open_speech_reader(run.corpus).read(run.language), limit)
    for item in track(items, run.stage, run.report):
        if isinstance(item, Reject):
            intake.rejects.append(item)
            continue
        identity = {
            "utterance_id": item.utterance_id,
            "speaker": item.speaker,
            "split": split_of(item, run.corpus.split),
        }
        try:
            digest = hashes.get(item.audio.path) or source_sha256(item.audio)
            hashes[item.audio.path] = digest
            known = stored.get((item.utterance_id, *_origin(item.audio), digest))
            if known is not None:
                intake.rows.append({**known, **identity})
                continue
            audio = decode(item.audio, run.corpus.max_seconds, run.profile.min_seconds, digest)
        except AudioError as error:
            intake.rejects.append(
                Reject(item.utterance_id, error.reason, error.detail, item.audio.path)
            )
            continue
        row = {**identity, **_columns(item.audio, audio)}
        intake.rows.append(row)
        intake.fresh.append(row)
        yield f"{item.utterance_id}.flac", encode_flac(audio.samples)


def _origin(source: AudioSource) -> tuple[str, float | None, float | None]:
    return source.path, source.start, source.duration


def _stored_before(run: StageRun) -> dict[tuple[Any, ...], Row]:
    """Rows of the last materialisation by what they were made from."""
    if not run.materialised("raw_audio"):
        return {}
    made_from = (
        "utterance_id", "source_path", "source_start", "source_seconds", "source_sha256",
    )  # fmt: skip
    return {tuple(row[name] for name in made_from): row for row in run.read("raw_audio")}


def _columns(source: AudioSource, audio: DecodedAudio) -> Row:
    measures = measure(audio.samples)
    return {
        "duration": measures.duration,
        "audio_sha256": audio_sha256(audio.samples),
        "level_dbfs": measures.level_dbfs,
        "peak": measures.peak,
        "silence_share": measures.silence_share,
        "source_path": source.path,
        "source_sha256": audio.source_sha256,
        "source_start": source.start,
        "source_seconds": source.duration,
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
