"""Tar shards in a folder, in memory and in S3."""

import os
import shutil
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st

from sdg_assets.storage.blobs import BlobError, BlobRef, BlobStore

NAMES = [
    "plain.flac",
    "कॉर्पस/नमस्ते.flac",
    "语料/第一句.flac",
    "ar/مرحبا‌بك.flac",
    "é" * 130 + ".flac",
    "a/" * 120 + "b.flac",
    "with space\nand newline.flac",
]
ITEMS = [(name, bytes([number]) * (number * 300)) for number, name in enumerate(NAMES)]


@pytest.fixture(params=["folder", "file", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    urls = {
        "folder": str(tmp_path / "blobs"),
        "file": f"file://{tmp_path}/blobs",
        "memory": f"memory://{uuid.uuid4().hex}",
    }
    return BlobStore(urls.get(request.param) or request.getfixturevalue("s3_url"))


@pytest.fixture
def folder_store(tmp_path: Path) -> BlobStore:
    return BlobStore(str(tmp_path / "blobs"))


def members(store: BlobStore, shard: str) -> list[tuple[str, int, int, bytes]]:
    """(name, offset, length, bytes) of each, as `tarfile` sees them."""
    with store.open(shard) as file, tarfile.open(fileobj=file) as archive:
        return [
            (info.name, info.offset_data, info.size, _extract(archive, info)) for info in archive
        ]


def _extract(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(info)
    assert file is not None
    return file.read()


def test_a_shard_is_a_plain_tar_and_its_refs_are_right(store: BlobStore) -> None:
    refs = store.write_shard("audio/c/hi", ITEMS)
    assert len({ref.shard for ref in refs}) == 1
    assert members(store, refs[0].shard) == [
        (name, ref.offset, ref.length, data) for (name, data), ref in zip(ITEMS, refs, strict=True)
    ]
    assert [store.read(ref) for ref in refs] == [data for _, data in ITEMS]
    assert store.read_many(refs[::-1]) == [data for _, data in ITEMS[::-1]]


def test_find_size_and_delete(store: BlobStore) -> None:
    assert store.find() == []
    first = store.write_shard("audio/a/en", ITEMS[:2])[0].shard
    second = store.write_shard("audio/b/en", ITEMS[2:])[0].shard
    assert [blob.key for blob in store.find()] == [first, second]
    (found,) = store.find("audio/b")
    assert (found.key, found.size) == (second, len(store.open(second).read()))
    assert store.find("audio/nothing") == []
    store.delete([first, first, "audio/never/was.tar"])
    assert [blob.key for blob in store.find()] == [second]


def test_equal_items_are_one_object_with_a_fresh_date(store: BlobStore) -> None:
    refs = store.write_shard("audio", ITEMS)
    before = store.find()[0].modified
    assert store.write_shard("audio", iter(ITEMS)) == refs
    (after,) = store.find()
    assert after.modified >= before
    assert store.write_shard("audio", ITEMS[:1])[0].shard != refs[0].shard


def test_what_is_missing_is_named(store: BlobStore) -> None:
    ref = BlobRef("audio/gone.tar", 512, 10)
    for attempt in (lambda: store.read(ref), lambda: store.open(ref.shard)):
        with pytest.raises(BlobError, match=r"audio/gone\.tar: it is not in the blob store"):
            attempt()


def test_a_cut_shard_is_named(store: BlobStore) -> None:
    ref = store.write_shard("audio", ITEMS)[-1]
    beyond = BlobRef(ref.shard, ref.offset, 10**6)
    with pytest.raises(BlobError, match="ends before byte"):
        store.read(beyond)


def test_shards_are_split_by_count(store: BlobStore) -> None:
    refs = store.write_shards("audio", iter(ITEMS), per_shard=3)
    assert [len(members(store, shard)) for shard in dict.fromkeys(r.shard for r in refs)] == [
        3,
        3,
        1,
    ]
    assert store.read_many(refs) == [data for _, data in ITEMS]


def test_shards_are_split_by_size_and_written_as_the_stream_goes(folder_store: BlobStore) -> None:
    seen = []

    def stream() -> Iterator[tuple[str, bytes]]:
        for number in range(10):
            seen.append(len(folder_store.find()))
            yield f"{number}.flac", bytes(1000)

    refs = folder_store.write_shards("audio", stream(), max_bytes=3000)
    assert seen == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]
    assert len({ref.shard for ref in refs}) == 4


def test_neighbours_share_a_ranged_read(
    folder_store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    refs = folder_store.write_shard("a", ((f"{n}.flac", bytes([n]) * 50_000) for n in range(20)))
    ranges: list[tuple[int, int]] = []
    read = LocalFileSystem.cat_file

    def record(fs: LocalFileSystem, path: str, start: int, end: int) -> bytes:
        ranges.append((start, end))
        data: bytes = read(fs, path, start=start, end=end)
        return data

    monkeypatch.setattr(LocalFileSystem, "cat_file", record)
    wanted = [*refs[3:6], refs[15]]
    assert folder_store.read_many(wanted) == [bytes([n]) * 50_000 for n in (3, 4, 5, 15)]
    assert ranges == [
        (refs[3].offset, refs[5].offset + 50_000),
        (refs[15].offset, refs[15].offset + 50_000),
    ]


def test_no_items_make_no_shard(folder_store: BlobStore) -> None:
    assert folder_store.write_shards("audio", []) == []
    assert folder_store.write_shards("audio", ITEMS, per_shard=len(ITEMS))
    assert len(folder_store.find()) == 1
    assert folder_store.read_many([]) == []


@pytest.mark.parametrize("name", ["", "/absolute", "folder/", "nul\0", "\ud800"])
def test_unusable_names_are_refused(folder_store: BlobStore, name: str) -> None:
    with pytest.raises(BlobError, match="cannot name a member"):
        folder_store.write_shard("audio", [("fine", b""), (name, b"")])
    assert folder_store.find() == []


def test_names_come_once(folder_store: BlobStore) -> None:
    with pytest.raises(BlobError, match=r"Two members .* 'a'"):
        folder_store.write_shard("audio", [("a", b"1"), ("b", b"2"), ("a", b"3")])


def test_a_key_cannot_leave_the_store(folder_store: BlobStore) -> None:
    with pytest.raises(BlobError, match="would leave the blob store"):
        folder_store.read(BlobRef("../../etc/passwd", 0, 10))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BlobError, match="Could not write audio/"):
        BlobStore(str(tmp_path / "file")).write_shard("audio", ITEMS)


def test_a_moved_store_is_the_same_store(folder_store: BlobStore, tmp_path: Path) -> None:
    refs = folder_store.write_shard("audio", ITEMS)
    shutil.move(tmp_path / "blobs", tmp_path / "elsewhere")
    assert BlobStore(str(tmp_path / "elsewhere")).read_many(refs) == [data for _, data in ITEMS]


def test_a_write_that_fails_leaves_nothing(
    folder_store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", _fail)
    with pytest.raises(BlobError, match="No space left"):
        folder_store.write_shard("audio", ITEMS)
    assert folder_store.find() == []


def _fail(descriptor: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_killed_write_leaves_no_shard(folder_store: BlobStore) -> None:
    program = f"""
import os, signal
from sdg_assets.storage.blobs import BlobStore
os.replace = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)
BlobStore({folder_store.url!r}).write_shard("audio", [("a", b"1")])
"""
    killed = subprocess.run([sys.executable, "-c", program], timeout=60)
    assert killed.returncode == -9
    assert [blob.key.endswith(".tmp") for blob in folder_store.find()] == [True]


def test_a_folder_goes_in_and_comes_out(store: BlobStore, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    (folder / "adapter").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "adapter" / "weights").write_bytes(bytes(range(256)))
    store.put_folder("checkpoints/c/en/1", folder)
    store.put_folder("checkpoints/c/en/10", tmp_path / "checkpoint" / "adapter")
    with store.local_folder("checkpoints/c/en/1") as found:
        assert (found / "config.json").read_text() == "{}"
        assert (found / "adapter" / "weights").read_bytes() == bytes(range(256))
        assert len([path for path in found.rglob("*") if path.is_file()]) == 2
    with (
        pytest.raises(BlobError, match="nothing under checkpoints/c/en/2"),
        store.local_folder("checkpoints/c/en/2"),
    ):
        pass


TAR_NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=300
).filter(lambda name: name == name.strip("/"))
TAR_ITEMS = st.lists(
    st.tuples(TAR_NAMES, st.binary(max_size=2000)), min_size=1, max_size=8, unique_by=lambda i: i[0]
)
MEMORY = BlobStore(f"memory://{uuid.uuid4().hex}")


@settings(max_examples=150)
@given(items=TAR_ITEMS, order=st.randoms())
def test_any_items_round_trip(items: list[tuple[str, bytes]], order: object) -> None:
    refs = MEMORY.write_shard("p", items)
    assert members(MEMORY, refs[0].shard) == [
        (name, ref.offset, ref.length, data) for (name, data), ref in zip(items, refs, strict=True)
    ]
    mixed = list(zip(refs, items, strict=True)) * 2
    order.shuffle(mixed)  # type: ignore[attr-defined]
    assert MEMORY.read_many([ref for ref, _ in mixed]) == [data for _, (_, data) in mixed]
    assert MEMORY.write_shard("p", items) == refs
