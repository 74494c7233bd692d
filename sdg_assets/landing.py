"""The landing area: ``landing/<corpus>/<language>/`` in a folder or a bucket.

Pure decisions about what lies there; the sensor around them is in ``automation.py``.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

import fsspec

from sdg_assets.corpora.files import is_audio, is_ignored
from sdg_assets.corpora.keys import Partition, PartitionKeyError, check_partition

READY_MARKER = "_READY"
TEXT_SUFFIXES = frozenset({".txt", ".lab"})


@dataclass(frozen=True, slots=True)
class LandedFile:
    path: str  # relative to the landing area: corpus/language/...
    size: int  # bytes
    stamp: str  # modification time or etag: changes when the file does
    modified: float  # seconds since the epoch when it came or changed; 0: the store does not tell


@dataclass(frozen=True, slots=True)
class LandedFolder:
    partition: Partition
    files: int
    audio: int
    with_text: int  # audio files that have a sidecar
    fingerprint: str  # of all paths, sizes and stamps
    modified: float  # of the newest file
    ready: bool  # its marker says that nothing more will come


@dataclass(frozen=True, slots=True)
class Seen:
    """What the sensor remembers of a folder: its last fingerprint, since when, and if requested."""

    fingerprint: str
    since: float
    requested: bool


@dataclass(frozen=True, slots=True)
class Decision:
    request: tuple[LandedFolder, ...]
    waiting: tuple[Partition, ...]  # changed, but not yet quiet
    seen: dict[str, Seen]


def list_files(url: str) -> list[LandedFile]:
    """Every file under the landing area; none where it does not exist yet."""
    fs, root = fsspec.core.url_to_fs(url)
    fs.invalidate_cache()
    if not fs.exists(root):
        return []
    base = root.rstrip("/") + "/"
    return [
        LandedFile(
            path=path.removeprefix(base),
            size=int(info.get("size") or 0),
            stamp=str(info.get("ETag") or info.get("mtime") or info.get("LastModified") or ""),
            modified=_modified(info),
        )
        for path, info in sorted(fs.find(root, detail=True).items())
    ]


def _modified(info: Mapping[str, Any]) -> float:
    """A folder's ``created`` tells when a file came, though a copy may keep the time of the old."""
    stored = info.get("LastModified")
    if isinstance(stored, datetime):
        return stored.timestamp()
    return max(float(info.get("mtime") or 0.0), float(info.get("created") or 0.0))


def group_files(files: Iterable[LandedFile]) -> tuple[list[LandedFolder], list[str]]:
    """Folders that are partitions, and for each one that cannot be, why."""
    groups: dict[tuple[str, str], list[LandedFile]] = {}
    for file in files:
        parts = PurePosixPath(file.path).parts
        if len(parts) >= 3 and not any(is_ignored(part) for part in parts):
            groups.setdefault((parts[0], parts[1]), []).append(file)
    folders, problems = [], []
    for (corpus, language), members in sorted(groups.items()):
        try:
            partition = check_partition(Partition(corpus, language))
        except PartitionKeyError as error:
            problems.append(f"{corpus}/{language}: {error}; rename the folder")
            continue
        folder = _summarise(partition, members)
        if folder.audio:
            folders.append(folder)
    return folders, problems


def _summarise(partition: Partition, files: Sequence[LandedFile]) -> LandedFolder:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.path}\0{file.size}\0{file.stamp}\n".encode())
    paths = [PurePosixPath(file.path) for file in files]
    texts = {path.with_suffix("") for path in paths if path.suffix.lower() in TEXT_SUFFIXES}
    audio = [path for path in paths if is_audio(path.name)]
    return LandedFolder(
        partition=partition,
        files=len(files),
        audio=len(audio),
        with_text=sum(path.with_suffix("") in texts for path in audio),
        fingerprint=digest.hexdigest()[:16],
        modified=max(file.modified for file in files),
        ready=any(path.name == READY_MARKER for path in paths),
    )


def decide(
    folders: Sequence[LandedFolder],
    seen: Mapping[str, Seen],
    now: float,
    quiet_seconds: float,
    limit: int,
    ingested: Mapping[str, float] = MappingProxyType({}),
) -> Decision:
    """Which folders to request: changed since the last request, and whole.

    A folder never seen before that was ingested since its files came (``ingested``: by partition,
    when that began) is taken as requested: somebody did so without the sensor.

    A folder is whole when it has its marker, or when it has not changed for ``quiet_seconds``,
    by the files' own times and by what was seen at earlier ticks (a store may not tell times,
    and a copy may keep old ones). At most ``limit`` are requested; the rest waits for its turn.
    """
    remembered: dict[str, Seen] = {}
    request: list[LandedFolder] = []
    waiting: list[Partition] = []
    for folder in folders:
        key = str(folder.partition)
        before = seen.get(key)
        if before is None:
            known = 0 < folder.modified < ingested.get(key, 0.0)
            before = Seen(folder.fingerprint, now, requested=known)
        if before.fingerprint != folder.fingerprint:
            before = Seen(folder.fingerprint, now, requested=False)
        if not before.requested:
            quiet = now - max(before.since, folder.modified) >= quiet_seconds
            if (quiet or folder.ready) and len(request) < limit:
                request.append(folder)
                before = Seen(folder.fingerprint, before.since, requested=True)
            else:
                waiting.append(folder.partition)
        remembered[key] = before
    return Decision(tuple(request), tuple(waiting), remembered)


def dump_cursor(seen: Mapping[str, Seen]) -> str:
    return json.dumps({key: asdict(value) for key, value in seen.items()}, sort_keys=True)


def load_cursor(cursor: str | None) -> dict[str, Seen]:
    return {key: Seen(**value) for key, value in json.loads(cursor or "{}").items()}


def guess_kind(folder: LandedFolder) -> str:
    """The kind of a corpus that nobody registered: labelled when every file has its text."""
    return "labelled_speech" if folder.with_text == folder.audio else "unlabelled_speech"
