"""Blobs: immutable tar shards in any object store that fsspec knows.

A shard is a WebDataset-style tar of about a thousand members. A row of the lake names the shard
and the bytes of its member, so training streams whole shards while listening is one ranged read.
The row is what makes a blob real: a crash before it leaves garbage, never damage.
"""

import hashlib
import io
import os
import tarfile
import tempfile
import uuid
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import fsspec
from fsspec.utils import merge_offset_ranges

from sdg_assets.errors import UserError

MAX_SHARD_BYTES = 512 * 2**20
_MERGE_GAP = 64 * 2**10  # bytes: reading over this gap costs less than a second request
_MERGE_BLOCK = 32 * 2**20


class BlobError(UserError):
    """The object store refused: says what was wrong, where, and what to do next."""


@dataclass(frozen=True, slots=True)
class BlobRef:
    """One member of a shard: ``length`` bytes from ``offset`` on."""

    shard: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class StoredBlob:
    key: str
    size: int  # bytes
    modified: datetime  # UTC


class BlobStore:
    """Blobs under one URL that fsspec knows: a folder, ``s3://bucket/prefix``, ``memory://name``.

    A *key* is a blob's path below that URL, so a store can be moved as a whole. Threads and forked
    processes may share a store.
    """

    def __init__(self, url: str) -> None:
        """
        Raises:
            BlobError: no such kind of store is known or installed.
        """
        self.url = url
        self._protocol = urlsplit(url).scheme or "file"
        try:
            system = fsspec.get_filesystem_class(self._protocol)
        except (ValueError, ImportError) as error:
            raise BlobError(f"The blob store {url} cannot be used: {error}") from error
        self._root = system._strip_protocol(url).rstrip("/")

    @property
    def _fs(self) -> Any:
        # fsspec keeps one instance per thread and process, and forgets it after a fork.
        return fsspec.filesystem(self._protocol, use_listings_cache=False)

    def write_shard(self, prefix: str, items: Iterable[tuple[str, bytes]]) -> list[BlobRef]:
        """Write named members as one tar under ``prefix``, named by the hash of its content.

        Equal items make equal bytes and so one object. No items make no shard.

        Returns:
            Where each member lies, in the order of ``items``.

        Raises:
            BlobError: a member's name is unusable or comes twice, or the store refused.
        """
        archive, spans = _build_tar(items)
        if not spans:
            return []
        key = f"{prefix}/{hashlib.sha256(archive).hexdigest()[:32]}.tar"
        # Written even if it is there already: its age protects it from garbage collection.
        self._put(key, archive)
        return [BlobRef(key, offset, length) for offset, length in spans]

    def write_shards(
        self,
        prefix: str,
        items: Iterable[tuple[str, bytes]],
        per_shard: int = 1000,
        max_bytes: int = MAX_SHARD_BYTES,
    ) -> list[BlobRef]:
        """Write a stream as shards of at most ``per_shard`` members, holding one in memory.

        A shard is also closed by the member that takes it to ``max_bytes``.
        """
        refs: list[BlobRef] = []
        for members in _split(items, per_shard, max_bytes):
            refs.extend(self.write_shard(prefix, members))
        return refs

    def read(self, ref: BlobRef) -> bytes:
        """The member's bytes, in one ranged read.

        Raises:
            BlobError: the shard is missing or shorter than that, or the store refused.
        """
        return self.read_many([ref])[0]

    def read_many(self, refs: Sequence[BlobRef]) -> list[bytes]:
        """The bytes of each member, in order; neighbours in a shard share one ranged read."""
        wanted = [ref for ref in refs if ref.length]
        if not wanted:
            return [b""] * len(refs)
        keys, starts, ends = merge_offset_ranges(
            [ref.shard for ref in wanted],
            [ref.offset for ref in wanted],
            [ref.offset + ref.length for ref in wanted],
            max_gap=_MERGE_GAP,
            max_block=_MERGE_BLOCK,
        )
        with _explain("read", keys[0], self.url):
            paths = [self._locate(key) for key in keys]
            blocks = self._fs.cat_ranges(paths, starts, ends, on_error="raise")
        ranges = list(zip(keys, starts, strict=True))
        return [_cut(ref, ranges, blocks) for ref in refs]

    def open(self, key: str) -> IO[bytes]:
        """The whole blob as a seekable binary file."""
        with _explain("open", key, self.url):
            return self._fs.open(self._locate(key), "rb")

    def find(self, prefix: str = "") -> list[StoredBlob]:
        """Every blob under ``prefix``, in the order of keys."""
        with _explain("list", prefix, self.url):
            found = self._fs.find(self._locate(prefix), detail=True)
        skipped = len(self._root) + 1
        return [
            StoredBlob(path[skipped:], info["size"], _read_time(info))
            for path, info in sorted(found.items())
        ]

    def put_folder(self, prefix: str, folder: Path) -> None:
        """Copy every file of a local folder to ``prefix``."""
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            self._put(f"{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes())

    @contextmanager
    def local_folder(self, prefix: str) -> Iterator[Path]:
        """The blobs under ``prefix`` as a local folder, which is to be read only.

        Raises:
            BlobError: there are none, or the store refused.
        """
        blobs = self.find(prefix)
        if not blobs:
            raise BlobError(
                f"There is nothing under {prefix} in the blob store {self.url}."
                " Materialise its asset again, or check the store's URL."
            )
        if self._protocol in ("file", "local"):
            yield Path(self._locate(prefix))
            return
        with tempfile.TemporaryDirectory(prefix="sdg-blobs-") as folder:
            for blob in blobs:
                target = Path(folder, blob.key.removeprefix(f"{prefix}/"))
                target.parent.mkdir(parents=True, exist_ok=True)
                with self.open(blob.key) as source:
                    target.write_bytes(source.read())
            yield Path(folder)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove blobs; those that are gone already are no error."""
        for key in keys:
            with _explain("delete", key, self.url):
                path = self._locate(key)
                if self._fs.exists(path):
                    self._fs.rm_file(path)

    def _locate(self, key: str) -> str:
        if ".." in key.split("/"):
            raise BlobError(f"The key {key!r} would leave the blob store {self.url}.")
        return f"{self._root}/{key}".rstrip("/")

    def _put(self, key: str, data: bytes) -> None:
        with _explain("write", key, self.url):
            path = self._locate(key)
            if self._protocol in ("file", "local"):
                _write_file(Path(path), data)
            else:  # object stores show an object only when it is complete
                self._fs.pipe_file(path, data)


def _build_tar(items: Iterable[tuple[str, bytes]]) -> tuple[bytes, list[tuple[int, int]]]:
    """A tar archive, and the (offset, length) of each member's bytes in it."""
    archive = io.BytesIO()
    spans: list[tuple[int, int]] = []
    names: set[str] = set()
    for name, data in items:
        _check_name(name, names)
        names.add(name)
        header = tarfile.TarInfo(name)  # its defaults are constants: no time, no owner
        header.size = len(data)
        archive.write(header.tobuf(tarfile.PAX_FORMAT, "utf-8"))
        spans.append((archive.tell(), len(data)))
        archive.write(data)
        archive.write(bytes(-len(data) % tarfile.BLOCKSIZE))
    archive.write(bytes(2 * tarfile.BLOCKSIZE))
    archive.write(bytes(-archive.tell() % tarfile.RECORDSIZE))
    return archive.getvalue(), spans


def _check_name(name: str, taken: set[str]) -> None:
    if name in taken:
        raise BlobError(f"Two members of one shard are called {name!r}: give each its own name.")
    encodable = name.encode("utf-8", "replace").decode() == name
    if not name or name != name.strip("/") or "\0" in name or not encodable:
        raise BlobError(
            f"{name!r} cannot name a member of a shard: use a path without a slash at either end,"
            " in valid Unicode without NUL."
        )


def _split(
    items: Iterable[tuple[str, bytes]], count: int, max_bytes: int
) -> Iterator[list[tuple[str, bytes]]]:
    members: list[tuple[str, bytes]] = []
    size = 0
    for name, data in items:
        members.append((name, data))
        size += len(data)
        if len(members) == count or size >= max_bytes:
            yield members
            members, size = [], 0
    yield members


def _cut(ref: BlobRef, ranges: Sequence[tuple[str, int]], blocks: Sequence[bytes]) -> bytes:
    """The member's bytes, out of the block that they were read in."""
    if not ref.length:
        return b""
    position = bisect_right(ranges, (ref.shard, ref.offset)) - 1
    start = ref.offset - ranges[position][1]
    data = blocks[position][start : start + ref.length]
    if len(data) < ref.length:
        raise BlobError(
            f"{ref.shard} ends before byte {ref.offset + ref.length}, which a row of the lake"
            " points at: the shard was cut off or replaced; materialise its asset again."
        )
    return data


def _write_file(path: Path, data: bytes) -> None:
    """All of it or nothing, also when the power fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with partial.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def _read_time(info: dict[str, Any]) -> datetime:
    """When it was written; each backend of fsspec has its own word for it."""
    for name in ("mtime", "LastModified", "updated", "last_modified", "created"):
        value = info.get(name)
        if isinstance(value, datetime):
            return value.astimezone(UTC)
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
    raise BlobError(f"The store does not say when {info.get('name')} was written.")


@contextmanager
def _explain(action: str, key: str, url: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise BlobError(
            f"Could not {action} {key}: it is not in the blob store {url}."
            " Materialise its asset again, or check the store's URL."
        ) from error
    except BlobError:
        raise
    except Exception as error:  # every backend of fsspec raises exceptions of its own
        raise BlobError(f"Could not {action} {key} in the blob store {url}: {error!r}") from error
