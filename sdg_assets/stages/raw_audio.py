"""Audio of any rate and format in; 16 kHz mono FLAC in tar shards out, one row per utterance."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import dagster as dg
from pydantic import Field

from sdg_assets.audio import AudioError, DecodedAudio, decode, encode_flac, measure, source_sha256
from sdg_assets.corpora import open_speech_reader
from sdg_assets.corpora.base import Reject, SourceUtterance
from sdg_assets.corpora.splits import assign_split
from sdg_assets.progress import track
from sdg_assets.stages.stage import SPEECH_KINDS, StageConfig, StageResult, StageRun, stage
from sdg_assets.stages.views import histograms, spectrograms
from sdg_assets.storage.blobs import BlobRef, BlobStore, decode_clip

SHARD_UTTERANCES = 1000
PREVIEW_CLIPS = 3
Row = dict[str, Any]


class RawAudioConfig(StageConfig):
    limit: int | None = Field(
        None, ge=1, description="Take only the first N utterances: for a quick trial."
    )


@stage(
    kinds=SPEECH_KINDS, group="audio", tools=frozenset({"duckdb", "fsspec"}), pool="audio"
)
def raw_audio(run: StageRun, config: RawAudioConfig) -> StageResult:
    """Every utterance of the corpus, decoded, resampled to 16 kHz mono and stored as FLAC.

    What cannot be decoded is quarantined with its reason, and the rest goes on. Audio that was
    stored before and has not changed is not decoded or stored again.
    """
    reader = open_speech_reader(run.corpus)
    found = list(islice(reader.read(run.language), config.limit))
    rejects = [item for item in found if isinstance(item, Reject)]
    utterances = [item for item in found if isinstance(item, SourceUtterance)]
    stored = _stored_before(run)
    rows: list[Row] = []
    fresh: list[Row] = []
    clips = _take(run, utterances, stored, rows, fresh, rejects)
    refs = run.workspace.blobs.write_shards(
        f"audio/{run.corpus.name}/{run.language}", clips, per_shard=SHARD_UTTERANCES
    )
    for row, ref in zip(fresh, refs, strict=True):
        row |= {"shard": ref.shard, "byte_offset": ref.offset, "byte_length": ref.length}
    return StageResult(
        rows,
        rejects,
        rows_in=len(found),
        metadata={"stored_now": len(fresh), **_describe(rows, run.workspace.blobs)},
    )


def _stored_before(run: StageRun) -> dict[tuple[str, float | None, str], Row]:
    if not run.materialised("raw_audio"):
        return {}
    return {
        (row["source_path"], row["source_start"], row["source_sha256"]): row
        for row in run.read("raw_audio")
    }


def _take(
    run: StageRun,
    utterances: Iterable[SourceUtterance],
    stored: dict[tuple[str, float | None, str], Row],
    rows: list[Row],
    fresh: list[Row],
    rejects: list[Reject],
) -> Iterator[tuple[str, bytes]]:
    """Yield the clips that must be stored; fill the three lists on the way."""
    utterances = list(utterances)
    for utterance in track(utterances, "raw_audio", run.report, len(utterances)):
        source = utterance.audio
        try:
            known = stored.get((source.path, source.start, source_sha256(source)))
            if known is not None and known["utterance_id"] == utterance.utterance_id:
                rows.append({**known, **_identity(run, utterance)})
                continue
            audio = decode(source, run.corpus.max_seconds, run.profile.min_seconds)
        except AudioError as error:
            rejects.append(
                Reject(utterance.utterance_id, error.reason, error.detail, source.path)
            )
            continue
        row = {**_audio_columns(utterance, audio), **_identity(run, utterance)}
        rows.append(row)
        fresh.append(row)
        yield f"{utterance.utterance_id}.flac", encode_flac(audio.samples)


def _identity(run: StageRun, utterance: SourceUtterance) -> Row:
    return {
        "utterance_id": utterance.utterance_id,
        "speaker": utterance.speaker,
        "split": assign_split(utterance, run.corpus.split),
    }


def _audio_columns(utterance: SourceUtterance, audio: DecodedAudio) -> Row:
    measures = measure(audio.samples)
    return {
        "duration": measures.duration,
        "audio_sha256": audio.audio_sha256,
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


def _describe(rows: list[Row], blobs: BlobStore) -> dict[str, Any]:
    clips = {
        row["utterance_id"]: decode_clip(blobs, row) for row in rows[:PREVIEW_CLIPS]
    }
    return {
        "speakers": len({row["speaker"] for row in rows if row["speaker"]}),
        "plot": dg.MetadataValue.md(
            histograms(
                {
                    "duration (s)": [row["duration"] for row in rows],
                    "level (dBFS)": [row["level_dbfs"] for row in rows],
                    "share of silence": [row["silence_share"] for row in rows],
                }
            )
        ),
        "spectrograms": dg.MetadataValue.md(spectrograms(clips)),
    }
