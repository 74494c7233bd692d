"""Garbage collection: old versions of the lake, and blobs that no row refers to.

A crash leaves garbage, and so does every replacement. What must stay is what can still be read:
the current version, all versions younger than a limit, and every version that a checkpoint was
trained on, with the files and blobs of each. A blob store belongs to one lake: what that lake does
not name is garbage.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sdg_assets.storage.blobs import BlobStore, StoredBlob
from sdg_assets.storage.lake import Lake

BLOB_TABLES = ("raw_audio", "synthesized_speech", "training_examples")
GRACE = timedelta(days=1)  # a run under way has written blobs that no row names yet
_CHECKPOINT = re.compile(r"^(checkpoints/[^/]+/[^/]+/[0-9a-f]{12})/")
# Only what this project has written: shards, files half written, and what is in a checkpoint.
_OURS = re.compile(rf"/[0-9a-f]{{32}}\.tar$|\.tmp$|{_CHECKPOINT.pattern}")


@dataclass(frozen=True, slots=True)
class GcPlan:
    """What can go, and what must stay. ``str()`` of it is the dry run."""

    blobs: tuple[StoredBlob, ...]  # no row of a version that stays names them
    versions: tuple[int, ...]  # that go
    pinned: frozenset[int]  # versions that stay whatever their age
    since: int  # the first of the young versions, which all stay
    safe_before: datetime  # what was written later stays, whether or not a row names it

    @property
    def blob_bytes(self) -> int:
        return sum(blob.size for blob in self.blobs)

    def __str__(self) -> str:
        lines = [
            f"{len(self.versions)} versions of the lake are old, and no checkpoint needs them",
            f"{len(self.blobs)} blobs ({self.blob_bytes / 1e6:.1f} MB) are named by no row",
            *(f"  {blob.key}  {blob.size} bytes, {blob.modified:%F %T} UTC" for blob in self.blobs),
        ]
        return "\n".join(lines)


def plan_gc(
    lake: Lake,
    blobs: BlobStore,
    keep_versions: Collection[int],
    older_than: datetime,
    grace: timedelta = GRACE,
) -> GcPlan:
    """What would be removed; changes nothing.

    Args:
        keep_versions: kept whatever their age, besides those that checkpoints were trained on.
        older_than: versions from then on are kept, and so are blobs.
        grace: blobs and files younger than this are kept even if ``older_than`` would let them go.

    Raises:
        LakeError, BlobError: something could not be read.
    """
    times = _list_versions(lake)
    since = min((v for v, time in times.items() if time >= older_than), default=max(times))
    pinned = (checkpoint_versions(lake) | {*keep_versions}) & {v for v in times if v < since}
    safe_before = min(older_than, datetime.now(UTC) - grace)
    return GcPlan(
        blobs=_find_garbage(lake, blobs, pinned, since, safe_before),
        versions=tuple(sorted(v for v in times if v < since and v not in pinned)),
        pinned=frozenset(pinned),
        since=since,
        safe_before=safe_before,
    )


def run_gc(lake: Lake, blobs: BlobStore, plan: GcPlan) -> int:
    """Carry out ``plan``, and merge small files of the lake.

    Whatever has come into use since the plan was made stays. Parquet files of an expired version
    stay until the grace period has passed, for those who read them now: a later run removes them.

    Returns:
        How many bytes of blobs were removed.

    Raises:
        LakeError, BlobError: something could not be removed; run it again.
    """
    _expire(lake, plan.versions)
    _compact(lake, plan.safe_before)
    pinned = (plan.pinned | checkpoint_versions(lake)) & _list_versions(lake).keys()
    garbage = _find_garbage(lake, blobs, pinned, plan.since, plan.safe_before)
    doomed = set(plan.blobs) & set(garbage)
    blobs.delete(sorted(blob.key for blob in doomed))
    return sum(blob.size for blob in doomed)


def checkpoint_versions(lake: Lake) -> set[int]:
    """The versions that recorded checkpoints were trained on."""
    rows = lake.read("trained_checkpoints", columns=["data_snapshot"])
    return {version for version in rows.column(0).to_pylist() if version is not None}


def _expire(lake: Lake, versions: Collection[int]) -> None:
    with lake.writing("expire old versions") as cursor:
        # A checkpoint may have been recorded since the plan was made.
        expired = sorted(set(versions) - checkpoint_versions(lake))
        if expired:
            cursor.execute(f"CALL ducklake_expire_snapshots('lake', versions => {expired})")
        cursor.execute("COMMIT")


def _compact(lake: Lake, safe_before: datetime) -> None:
    with lake.writing("merge small files") as cursor:
        cursor.execute("CALL ducklake_rewrite_data_files('lake', delete_threshold => 0.5)")
        cursor.execute("CALL ducklake_merge_adjacent_files('lake')")
        cursor.execute("COMMIT")
    with lake.writing("remove old files") as cursor:
        for remove in ("ducklake_cleanup_old_files", "ducklake_delete_orphaned_files"):
            cursor.execute(f"CALL {remove}('lake', older_than => ?)", [safe_before])
        cursor.execute("COMMIT")


def _list_versions(lake: Lake) -> dict[int, datetime]:
    """When each version was committed."""
    found = lake.query("SELECT snapshot_id, snapshot_time FROM ducklake_snapshots('lake')")
    return {row["snapshot_id"]: row["snapshot_time"] for row in found.to_pylist()}


def _find_garbage(
    lake: Lake, blobs: BlobStore, pinned: Collection[int], since: int, safe_before: datetime
) -> tuple[StoredBlob, ...]:
    # Listed before the rows are read: a shard that is written and named in between is safe.
    stored = [blob for blob in blobs.find() if _OURS.search(blob.key)]
    named = set(lake.query(_LEDGER_SHARDS).column(0).to_pylist())
    columns = {**dict.fromkeys(BLOB_TABLES, "shard"), "trained_checkpoints": "uri"}
    for table, column in columns.items():
        named |= _list_named(lake, table, column, pinned, since)
    return tuple(b for b in stored if _unit(b.key) not in named and b.modified < safe_before)


def _unit(key: str) -> str:
    """What a row names: a shard by its key, the files of a checkpoint by their folder."""
    checkpoint = _CHECKPOINT.match(key)
    return checkpoint[1] if checkpoint else key


def _list_named(
    lake: Lake, table: str, column: str, pinned: Collection[int], since: int
) -> set[str]:
    """The blobs named by any row of the pinned versions, and of all from ``since`` on."""
    newest = lake.snapshot()
    brought = _BROUGHT.format(table=table, column=column, since=since, newest=newest)
    named = set(lake.query(brought).column(0).to_pylist())
    for version in (*pinned, since):
        rows = lake.read(table, columns=[column], version=version)
        named |= set(rows.column(0).unique().to_pylist())
    return named


# Answers are canonical JSON, so this finds the key at any depth.
_LEDGER_SHARDS = """
    SELECT DISTINCT unnest(regexp_extract_all(response, '"shard":"([^"]+)"', 1)) FROM model_calls
"""

# All rows that any version from ``since`` on has brought, also those that are gone again.
_BROUGHT = """
    SELECT DISTINCT {column}
    FROM ducklake_table_insertions('lake', 'main', '{table}', {since}, {newest})
"""
