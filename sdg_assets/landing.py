"""The landing area: ``landing/<corpus>/<language>/`` in a folder or a bucket.

Decisions about what lies there: which folders are partitions, of which corpus, and which are due.
The sensor around them is in ``automation.py``.
"""

import hashlib
import json
import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

import fsspec

from sdg_assets.corpora.base import CorpusError
from sdg_assets.corpora.config import CorpusConfig, make_corpus
from sdg_assets.corpora.files import absolute, is_audio, is_ignored
from sdg_assets.corpora.keys import Partition, PartitionKeyError, check_partition
from sdg_assets.corpora.layout import Layout
from sdg_assets.corpora.registry import CorpusRegistry
from sdg_assets.explaining import spell_count

READY_MARKER = "_READY"
TEXT_SUFFIXES = frozenset({".txt", ".lab"})
NAMED_FILES = 3  # in a message about many


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
    ready: bool  # its marker, newer than all that it is about, says that nothing more will come


@dataclass(frozen=True, slots=True)
class Seen:
    """What the sensor remembers of a folder."""

    fingerprint: str
    since: float  # when it was first seen so
    requested: bool
    note: str = ""  # what was said of its texts


@dataclass(frozen=True, slots=True)
class Memory:
    """What the sensor remembers from tick to tick."""

    seen: Mapping[str, Seen]
    told: frozenset[str]  # problems that were said, and still are there


@dataclass(frozen=True, slots=True)
class Decision:
    request: tuple[LandedFolder, ...]
    waiting: tuple[Partition, ...]  # changed, but not yet quiet, or not yet their turn
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


def survey(url: str, registry: CorpusRegistry) -> tuple[list[LandedFolder], list[str]]:
    """The folders of the landing area that can be ingested, and what else lies there: why it
    cannot, and what to do about it."""
    folders, problems = group_files(list_files(url))
    good = []
    for folder in folders:
        try:
            fit_corpus(folder, registry.find(folder.partition.corpus), url)
        except CorpusError as error:
            problems.append(f"{_path_of(folder.partition)}: {error}")
        else:
            good.append(folder)
    return good, problems


def group_files(files: Iterable[LandedFile]) -> tuple[list[LandedFolder], list[str]]:
    """Folders that are partitions, and what is left out and why.

    Hidden and temporary files and folders are not spoken of.
    """
    groups: dict[tuple[str, ...], list[LandedFile]] = {}
    for file in files:
        parts = PurePosixPath(file.path).parts
        if not any(map(is_ignored, parts)):
            groups.setdefault(parts[:2] if len(parts) > 2 else parts[:-1], []).append(file)
    folders, problems = [], []
    for place, members in sorted(groups.items()):
        if len(place) < 2:
            target = "/".join([*place, *("<corpus>", "<language>")[len(place) :]])
            problems.append(
                f"{_describe(members, place)} in no language's folder: move into {target}/"
            )
            continue
        try:
            partition = check_partition(Partition(*place))
        except PartitionKeyError as error:
            problems.append(f"{'/'.join(place)}: {error}; rename the folder")
            continue
        folder = _summarise(partition, members)
        if folder.audio:
            folders.append(folder)
        else:
            problems.append(
                f"{_path_of(partition)}: no audio in {_describe(members, place)}; only audio "
                "lands, with or without texts: questions come by `sdg corpora register`"
            )
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
        ready=_is_ready(files),
    )


def _is_ready(files: Iterable[LandedFile]) -> bool:
    """Whether a marker came last: an older one is about what came before it."""
    newest = max(files, key=lambda file: (file.modified, _is_marker(file)))
    return _is_marker(newest)


def _is_marker(file: LandedFile) -> bool:
    return PurePosixPath(file.path).name == READY_MARKER


def decide(
    folders: Sequence[LandedFolder],
    seen: Mapping[str, Seen],
    now: float,
    quiet_seconds: float,
    limit: int,
    ingested: Mapping[str, float] = MappingProxyType({}),
    busy: Container[str] = (),
) -> Decision:
    """Which folders to request: changed since the last request, and whole.

    A folder never seen before that was ingested since its files came (``ingested``: by partition,
    when that began) is taken as requested: somebody did so without the sensor.

    A folder is whole when its marker came last, or when it has not changed for ``quiet_seconds``,
    by the files' own times and by what was seen at earlier ticks (a store may not tell times,
    and a copy may keep old ones). At most ``limit`` are requested; the rest waits for its turn,
    and so does a partition that a run is working on (``busy``): it would read half of the old
    and half of the new.
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
            before = Seen(folder.fingerprint, now, requested=False, note=before.note)
        if not before.requested:
            quiet = now - max(before.since, folder.modified) >= quiet_seconds
            if (quiet or folder.ready) and key not in busy and len(request) < limit:
                request.append(folder)
                before = replace(before, requested=True)
            else:
                waiting.append(folder.partition)
        remembered[key] = before
    return Decision(tuple(request), tuple(waiting), remembered)


def dump_cursor(memory: Memory) -> str:
    seen = {key: asdict(value) for key, value in memory.seen.items()}
    return json.dumps({"seen": seen, "told": sorted(memory.told)}, sort_keys=True)


def load_cursor(cursor: str | None) -> Memory:
    values = json.loads(cursor or "{}")
    return Memory(
        seen={key: Seen(**value) for key, value in values.get("seen", {}).items()},
        told=frozenset(values.get("told", ())),
    )


def fit_corpus(
    folder: LandedFolder, registered: CorpusConfig | None, landing_url: str
) -> CorpusConfig:
    """The corpus of a landed folder as it has to be registered: a new one, or with its language.

    Raises:
        CorpusError: the registered corpus of that name does not read what lands.
    """
    corpus, language = folder.partition.corpus, folder.partition.language
    if registered is None:
        values = {
            "name": corpus,
            "kind": guess_kind(folder),
            "languages": [language],
            "reader": {"layout": "folder", "path": f"{landing_url}/{corpus}/{{language}}"},
        }
        return make_corpus(values, f"the folder {_path_of(folder.partition)} cannot be a corpus")
    if registered.kind in ("text_qa", "mixture"):
        raise CorpusError(
            f"{corpus} is registered as {registered.kind}, which has no audio of its own: "
            "rename the folder"
        )
    if not _reads_below(registered.reader, f"{landing_url}/{corpus}"):
        raise CorpusError(
            f"{corpus} is registered and reads from elsewhere, so these files would not be read: "
            f"put them where {corpus} reads, or rename the folder"
        )
    return registered.with_language(language)


def guess_kind(folder: LandedFolder) -> str:
    """The kind of a corpus that nobody registered: labelled when half of the files have a text.

    Where fewer have one, quarantining the others would lose most of the audio.
    """
    return "labelled_speech" if 2 * folder.with_text >= folder.audio else "unlabelled_speech"


def describe_texts(folder: LandedFolder, corpus: CorpusConfig) -> str:
    """What becomes of a folder in which only a part of the files has texts; empty otherwise."""
    if folder.with_text in (0, folder.audio):
        return ""
    if corpus.kind == "labelled_speech":
        some = f"{spell_count(folder.audio - folder.with_text, 'audio file')} without a text"
        fate = "such are quarantined (missing_text) until their texts land"
    else:
        some = f"{spell_count(folder.with_text, 'audio file')} with a text"
        fate = "all are transcribed by ASR, and a text only measures its errors"
    return (
        f"{folder.partition} has {some}: in {corpus.name}, which is {corpus.kind}, {fate}. "
        "`kind` in the corpus's YAML file says which it is."
    )


def _reads_below(reader: Layout | None, folder: str) -> bool:
    """Whether one of the reader's paths lies in ``folder``."""
    below = absolute(folder, os.getcwd()).rstrip("/") + "/"
    return reader is not None and any(
        f"{path}/".startswith(below) for path in _strings_in(reader.model_dump())
    )


def _strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings_in(item)


def _describe(files: Sequence[LandedFile], place: Sequence[str]) -> str:
    names = [file.path.split("/", len(place))[-1] for file in files[:NAMED_FILES]]
    more = ", ..." if len(files) > NAMED_FILES else ""
    return f"{spell_count(len(files), 'file')} ({', '.join(names)}{more})"


def _path_of(partition: Partition) -> str:
    return f"{partition.corpus}/{partition.language}"
