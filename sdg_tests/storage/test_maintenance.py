"""Garbage collection removes garbage, and nothing else."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sdg_assets.storage.blobs import BlobRef, BlobStore
from sdg_assets.storage.lake import Lake, LakeError, Replacement
from sdg_assets.storage.ledger import Call, Ledger, Outcome, call_key
from sdg_assets.storage.maintenance import GcPlan, checkpoint_versions, plan_gc, run_gc
from sdg_tests.storage.rows import make_rows, replace_transcripts
from sdg_tests.storage.workers import ORIGIN, complete

NO_GRACE = timedelta(0)


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(str(tmp_path / "blobs"))


def store(blobs: BlobStore, *names: str) -> list[BlobRef]:
    """One shard of its own for each name."""
    return [blobs.write_shard("audio", [(name, name.encode())])[0] for name in names]


def name_shards(lake: Lake, table: str, corpus: str, refs: Iterable[BlobRef]) -> int:
    """Replace the corpus's rows by one for each blob."""
    where = {"corpus": corpus, "language": "en"}
    rows = (
        {**where, "shard": ref.shard, "byte_offset": ref.offset, "byte_length": ref.length}
        for ref in refs
    )
    return lake.replace(Replacement(table, make_rows(table, rows), where))


def name_checkpoint(lake: Lake, corpus: str, version: int) -> None:
    where = {"corpus": corpus, "language": "en"}
    rows = make_rows("trained_checkpoints", [{**where, "data_snapshot": version}])
    lake.replace(Replacement("trained_checkpoints", rows, where))


def now() -> datetime:
    return datetime.now(UTC)


def collect(lake: Lake, blobs: BlobStore, keep: Iterable[int] = ()) -> GcPlan:
    """Plan for this very moment, and carry it out."""
    plan = plan_gc(lake, blobs, set(keep), older_than=now(), grace=NO_GRACE)
    run_gc(lake, blobs, plan)
    return plan


def keys(blobs: BlobStore) -> set[str]:
    return {blob.key for blob in blobs.find()}


def test_blobs_of_the_present_stay_and_others_go(lake: Lake, blobs: BlobStore) -> None:
    raw, spoken, example, answer, replaced, orphan = store(blobs, *"abcdef")
    name_shards(lake, "raw_audio", "c", [raw, replaced])
    name_shards(lake, "raw_audio", "c", [raw])
    name_shards(lake, "synthesized_speech", "c", [spoken])
    name_shards(lake, "training_examples", "c", [example])
    call = Call(call_key("f", {}, ""), {})
    response = {"audio": {"shard": answer.shard, "byte_offset": answer.offset}}
    complete(Ledger(lake), [call], lambda _: [Outcome(response)], origin=ORIGIN)

    plan = collect(lake, blobs)
    assert {blob.key for blob in plan.blobs} == {replaced.shard, orphan.shard}
    assert keys(blobs) == {ref.shard for ref in (raw, spoken, example, answer)}
    assert [blobs.read(ref) for ref in (raw, spoken, example, answer)] == [b"a", b"b", b"c", b"d"]


def test_a_plan_changes_nothing_and_says_what_it_would(sqlite_lake: Lake, blobs: BlobStore) -> None:
    refs = store(blobs, "a", "b")
    name_shards(sqlite_lake, "raw_audio", "c", refs[:1])
    before = sqlite_lake.snapshot()
    plan = plan_gc(sqlite_lake, blobs, [], now(), NO_GRACE)
    assert refs[1].shard in str(plan)
    assert refs[0].shard not in str(plan)
    assert plan.blob_bytes == len(blobs.open(refs[1].shard).read())
    assert keys(blobs) == {ref.shard for ref in refs}
    assert sqlite_lake.snapshot() == before
    assert all(sqlite_lake.version_exists(version) for version in plan.versions)


def test_kept_versions_can_be_read_with_their_blobs(lake: Lake, blobs: BlobStore) -> None:
    refs = store(blobs, *"abcde")
    versions = [name_shards(lake, "raw_audio", "c", [ref]) for ref in refs]
    texts = [lake.replace(replace_transcripts("c", "en", [str(n)] * 3)) for n in range(5)]
    collect(lake, blobs, keep=[versions[1], texts[2]])
    collect(lake, blobs, keep=[versions[1], texts[2]])

    assert keys(blobs) == {refs[1].shard, refs[4].shard}
    rows = lake.read("raw_audio", version=versions[1]).to_pylist()
    assert [row["shard"] for row in rows] == [refs[1].shard]
    assert lake.read("transcripts", version=versions[1]).num_rows == 0
    assert lake.read("transcripts", version=texts[2]).column("text").to_pylist() == ["2"] * 3
    assert lake.read("transcripts").column("text").to_pylist() == ["4"] * 3
    for gone in (*versions[2:], *texts[:2], texts[3]):
        assert not lake.version_exists(gone)
        with pytest.raises(LakeError, match="removed by garbage collection"):
            lake.read("raw_audio", version=gone)


def test_the_versions_of_checkpoints_are_kept_unasked(sqlite_lake: Lake, blobs: BlobStore) -> None:
    refs = store(blobs, *"ab")
    trained_on = name_shards(sqlite_lake, "training_examples", "c", refs[:1])
    name_checkpoint(sqlite_lake, "c", trained_on)
    name_shards(sqlite_lake, "training_examples", "c", refs[1:])
    assert checkpoint_versions(sqlite_lake) == {trained_on}
    for _ in range(2):
        plan = collect(sqlite_lake, blobs)
        assert plan.versions
        assert trained_on not in plan.versions
        name_shards(sqlite_lake, "training_examples", "c", refs[1:])
    rows = sqlite_lake.read("training_examples", version=trained_on).to_pylist()
    assert [blobs.read(BlobRef(r["shard"], r["byte_offset"], r["byte_length"])) for r in rows] == [
        b"a"
    ]


def test_young_versions_and_blobs_stay(sqlite_lake: Lake, blobs: BlobStore) -> None:
    old, first, second, orphan = store(blobs, *"abcd")
    name_shards(sqlite_lake, "raw_audio", "c", [old])
    time.sleep(0.05)
    limit = now()
    version = name_shards(sqlite_lake, "raw_audio", "c", [first])
    name_shards(sqlite_lake, "raw_audio", "c", [second])

    plan = plan_gc(sqlite_lake, blobs, [], limit, NO_GRACE)
    assert {blob.key for blob in plan.blobs} == {old.shard, orphan.shard}
    run_gc(sqlite_lake, blobs, plan)
    assert keys(blobs) == {first.shard, second.shard}
    assert sqlite_lake.read("raw_audio", version=version).column("shard").to_pylist() == [
        first.shard
    ]

    (fresh,) = store(blobs, "e")
    assert plan_gc(sqlite_lake, blobs, [], now()).blobs == ()  # the grace of a day
    assert [b.key for b in plan_gc(sqlite_lake, blobs, [], now(), NO_GRACE).blobs] != []
    assert fresh.shard in keys(blobs)


def test_what_comes_into_use_after_the_plan_stays(sqlite_lake: Lake, blobs: BlobStore) -> None:
    named, rewritten, _ = store(blobs, *"abc")
    trained_on = sqlite_lake.replace(replace_transcripts("c", "en", ["old"]))
    sqlite_lake.replace(replace_transcripts("c", "en", ["new"]))
    plan = plan_gc(sqlite_lake, blobs, [], now(), NO_GRACE)
    assert len(plan.blobs) == 3
    assert trained_on in plan.versions

    name_shards(sqlite_lake, "raw_audio", "c", [named])
    store(blobs, "b")  # a run under way has just written it again
    name_checkpoint(sqlite_lake, "c", trained_on)
    run_gc(sqlite_lake, blobs, plan)
    assert keys(blobs) == {named.shard, rewritten.shard}
    assert sqlite_lake.read("transcripts", version=trained_on).column("text").to_pylist() == ["old"]


def test_checkpoints_stay_whole_until_no_version_names_them(
    sqlite_lake: Lake, blobs: BlobStore, tmp_path: Path
) -> None:
    (tmp_path / "weights").write_bytes(b"weights")
    old, new = (f"checkpoints/c/en/{digit * 12}" for digit in "ab")
    for uri in (old, new):
        blobs.put_folder(uri, tmp_path)
        where = {"corpus": "c", "language": "en"}
        rows = make_rows("trained_checkpoints", [{**where, "uri": uri}])
        sqlite_lake.replace(Replacement("trained_checkpoints", rows, where))
    kept = {key for key in keys(blobs) if key.startswith(new)}
    assert plan_gc(sqlite_lake, blobs, (), now() - timedelta(hours=1), NO_GRACE).blobs == ()
    collect(sqlite_lake, blobs)
    assert keys(blobs) == kept


def test_only_what_the_store_itself_wrote_is_touched(sqlite_lake: Lake, blobs: BlobStore) -> None:
    folder = Path(blobs.url, "checkpoints")
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "half.tmp").write_bytes(b"garbage of a crash")
    collect(sqlite_lake, blobs)
    assert keys(blobs) == {"checkpoints/model.safetensors"}


def test_files_of_the_lake_are_merged_and_old_ones_removed(
    sqlite_lake: Lake, blobs: BlobStore
) -> None:
    lake, data = sqlite_lake, Path(sqlite_lake.config.data_url)
    for number in range(12):
        lake.append("model_calls", make_rows("model_calls", [{"key": f"k{number}"}]))
        lake.replace(replace_transcripts("c", "en", [str(number)]))
    (data / "half-written.parquet").write_bytes(b"garbage of a crash")
    collect(lake, blobs)
    collect(lake, blobs)
    assert len(list(data.rglob("*.parquet"))) == 2
    assert lake.read("model_calls").num_rows == 12
    assert lake.read("transcripts").column("text").to_pylist() == ["11"]


def test_collecting_garbage_twice_or_in_an_empty_lake_is_fine(
    sqlite_lake: Lake, blobs: BlobStore
) -> None:
    for _ in range(2):
        plan = collect(sqlite_lake, blobs)
        assert plan.blobs == ()
    sqlite_lake.replace(replace_transcripts("c", "en", ["x"]))
    assert sqlite_lake.read("transcripts").num_rows == 1
