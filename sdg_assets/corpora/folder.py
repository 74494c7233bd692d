"""A folder of audio files, with or without a text file beside each."""

import posixpath
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from sdg_assets.corpora.base import AudioSource, Reject, SourceUtterance
from sdg_assets.corpora.files import is_audio, read_text, walk_files
from sdg_assets.corpora.ids import utterance_id
from sdg_assets.corpora.layout import Location, SpeechLayout
from sdg_assets.corpora.splits import split_name

# A folder of that name holds audio of many speakers: it is not a speaker's own.
_CONTAINERS = frozenset({"audio", "clips", "wav", "wavs", "flac", "mp3", "recordings"})
_DOCUMENTS = re.compile(r"(readme|licen[cs]e|copying|notice|source|authors|changelog)\b", re.I)
_GROUPS = frozenset({"speaker", "split", "text"})


def _check_pattern(pattern: str) -> str:
    try:
        groups = set(re.compile(pattern).groupindex)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
    if pattern and (not groups or groups - _GROUPS):
        raise ValueError(
            f"{pattern!r} has the named groups {sorted(groups)}: write some of "
            "(?P<speaker>...), (?P<split>...), (?P<text>...)"
        )
    return pattern


class Folder(SpeechLayout):
    """All audio under ``path``. The speaker is the folder that a file lies in, if it is in one."""

    layout: Literal["folder"] = "folder"
    path: Location
    include: str = Field(
        default="*", description="glob over paths below `path`: fleurs-{language}-*"
    )
    pattern: Annotated[str, AfterValidator(_check_pattern)] = Field(
        default="",
        description="regular expression over the path below `path` that says speaker, split or "
        "text by named groups; a file that it does not fit is quarantined",
    )
    text_suffixes: tuple[str, ...] = Field(
        default=(".txt", ".lab", ".normalized.txt"),
        description="of transcripts; the first found counts",
    )

    def read(self, language: str) -> Iterator[SourceUtterance | Reject]:
        root = self.fill(self.path, language)
        glob = self.fill(self.include, language)
        files = [path for path in walk_files(root) if fnmatchcase(path, glob)]
        texts = {path for path in files if path.endswith(self.text_suffixes)}
        for path in files:
            if is_audio(path):
                yield self._read_one(root, path, texts)
        yield from self._orphans(root, files, texts)

    def _read_one(self, root: str, path: str, texts: set[str]) -> SourceUtterance | Reject:
        name, source = utterance_id(path), f"{root}/{path}"
        match = re.search(self.pattern, path)
        if match is None:
            detail = f"{path!r} does not fit the corpus's pattern {self.pattern!r}"
            return Reject(name, "name_mismatch", detail, source)
        named = match.groupdict()
        text, text_source = named.get("text"), source
        sidecar = next((path for path in self._sidecars(path) if path in texts), None)
        if text is None and sidecar is not None:
            text_source = f"{root}/{sidecar}"
            try:
                text = read_text(text_source).strip()
            except OSError as error:
                return Reject(name, "unreadable_text", f"{text_source}: {error}", text_source)
        return SourceUtterance(
            utterance_id=name,
            audio=AudioSource(source),
            speaker=named.get("speaker") or _folder_speaker(path),
            split=split_name(named.get("split")),
            text=text,
            text_source=None if text is None else text_source,
        )

    def _sidecars(self, path: str) -> list[str]:
        return [_stem(path) + suffix for suffix in self.text_suffixes]

    def _orphans(self, root: str, files: list[str], texts: set[str]) -> Iterator[Reject]:
        stems = {_stem(path) for path in files if is_audio(path)}
        for path in sorted(texts):
            possible = {path.removesuffix(s) for s in self.text_suffixes if path.endswith(s)}
            if not possible & stems and not _DOCUMENTS.match(posixpath.basename(path)):
                detail = f"there is no audio file beside the transcript {path!r}"
                yield Reject(utterance_id(path), "orphan_transcript", detail, f"{root}/{path}")


def _stem(path: str) -> str:
    return posixpath.splitext(path)[0]


def _folder_speaker(path: str) -> str | None:
    folder = posixpath.basename(posixpath.dirname(path))
    return folder if folder and folder.lower() not in _CONTAINERS else None
