"""`sdg dataset`: the examples of a partition as files that other programs read."""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sdg_assets.commands.invocation import program
from sdg_assets.commands.tables import say
from sdg_assets.corpora.keys import Partition, parse_argument
from sdg_assets.errors import UserError
from sdg_assets.explaining import spell_count
from sdg_assets.progress import Progress
from sdg_assets.stages.clips import ref_of
from sdg_assets.storage.blobs import BlobStore
from sdg_assets.workspace import open_workspace
from sdg_training.folders import appearing_whole
from sdg_training.reporting import clear_progress, print_progress

Row = dict[str, Any]
CHUNK = 256  # recordings that are in memory at once
# A line of a manifest: fields that NeMo and others know, then ours as they are.
_FIELDS = (
    "question", "answer", "method", "speaker", "source_corpus", "source_language", "example_id",
)  # fmt: skip


class DatasetError(UserError):
    """There is nothing to write, or the target is there already."""


def write_dataset(key: str, target: Path) -> None:
    """Writes ``target``: `audio/`, and for each split a manifest and a table of its examples.

    The table's audio columns point at the files, so that `sdg_training.train` takes it with
    ``blobs: TARGET``.

    Raises:
        DatasetError: the partition has no examples, or ``target`` exists.
        CorpusError: the corpus is not registered.
    """
    partition = parse_argument(key)
    if target.exists():
        raise DatasetError(f"{target} exists already: remove it, or write elsewhere")
    workspace = open_workspace(read_only=True)
    workspace.corpus(partition.corpus)  # is registered
    order = ["split", "shard", "byte_offset", "example_id"]
    examples = workspace.lake.read("training_examples", where=partition.where, order_by=order)
    if not examples.num_rows:
        raise DatasetError(_explain_nothing(partition))
    with appearing_whole(target) as folder:
        seconds = write_recordings(folder, examples, workspace.blobs)
        parts = dict(_by_split(point_at_files(examples)))
        for split, table in parts.items():
            pq.write_table(table, folder / f"{split}.parquet")
            with (folder / f"{split}.jsonl").open("w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in map(_describe, table.to_pylist()))
    splits = ", ".join(f"{split} {part.num_rows}" for split, part in parts.items())
    recordings = len(examples["audio_sha256"].unique())
    say(
        f"{target}: {spell_count(examples.num_rows, 'example')} ({splits}) about "
        f"{spell_count(recordings, 'recording')}, {seconds / 3600:.2f} hours"
    )


def write_recordings(folder: Path, examples: pa.Table, blobs: BlobStore) -> float:
    """Each recording once, as ``audio/<hash of its samples>.flac``; their seconds together."""
    (folder / "audio").mkdir()
    columns = ["audio_sha256", "shard", "byte_offset", "byte_length", "duration"]
    recordings = {row["audio_sha256"]: row for row in examples.select(columns).to_pylist()}
    rows, start = list(recordings.values()), time.monotonic()
    for done in range(0, len(rows), CHUNK):
        chunk = rows[done : done + CHUNK]
        for row, flac in zip(chunk, blobs.read_many([ref_of(row) for row in chunk]), strict=True):
            (folder / _name_file(row)).write_bytes(flac)
        progress = Progress("recordings", done + len(chunk), len(rows), time.monotonic() - start)
        print_progress(str(progress), is_last=progress.finished)
    clear_progress()
    return sum(row["duration"] for row in rows)


def point_at_files(examples: pa.Table) -> pa.Table:
    """The same rows, whose recordings are files of their own."""
    names = [_name_file(row) for row in examples.select(["audio_sha256"]).to_pylist()]
    changed = {
        "shard": pa.array(names, pa.string()),
        "byte_offset": pa.array([0] * len(names), pa.int64()),
    }
    for column, values in changed.items():
        examples = examples.set_column(examples.schema.get_field_index(column), column, values)
    return examples


def _by_split(examples: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    splits = examples["split"].to_pylist()
    for split in dict.fromkeys(splits):
        yield split, examples.filter(pa.array([each == split for each in splits]))


def _name_file(row: Mapping[str, Any]) -> str:
    return f"audio/{row['audio_sha256']}.flac"


def _describe(row: Row) -> str:
    line = {
        "audio_filepath": row["shard"],
        "duration": round(row["duration"], 3),
        "text": row["context"],
        "lang": row["source_language"],
        **{name: row[name] for name in _FIELDS},
    }
    return json.dumps(line, ensure_ascii=False)


def _explain_nothing(partition: Partition) -> str:
    corpus, language = partition.corpus, partition.language
    return (
        f"{partition} has no training_examples: `{program()} run {corpus}/{language}` makes them, "
        f"`{program()} corpora list` shows what there is"
    )
