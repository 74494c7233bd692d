"""Audio of rows that name a shard and the bytes in it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sdg_assets.audio import decode_flac
from sdg_assets.engines.base import Audio
from sdg_assets.storage.blobs import BlobRef, BlobStore

PREVIEW_CLIPS = 3


def ref_of(row: Mapping[str, Any]) -> BlobRef:
    return BlobRef(row["shard"], row["byte_offset"], row["byte_length"])


def preview_clips(
    blobs: BlobStore, rows: Sequence[Mapping[str, Any]], label: str
) -> dict[str, Audio]:
    """The first few rows' audio (16 kHz), named by their column ``label``."""
    shown = rows[:PREVIEW_CLIPS]
    clips = blobs.read_many([ref_of(row) for row in shown])
    return {str(row[label]): decode_flac(clip) for row, clip in zip(shown, clips, strict=True)}
