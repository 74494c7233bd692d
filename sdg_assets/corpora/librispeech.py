"""The LibriSpeech tree: SPEAKER/CHAPTER/*.flac with the texts in SPEAKER-CHAPTER.trans.txt."""

import posixpath
import re
from collections.abc import Iterator
from typing import Literal

from sdg_assets.corpora.base import AudioSource, Reject, SourceUtterance
from sdg_assets.corpora.files import is_audio, read_lines, walk_files
from sdg_assets.corpora.ids import safe_id
from sdg_assets.corpora.layout import Location, SpeechLayout
from sdg_assets.corpora.splits import Split, split_name

_TRANSCRIPTS = ".trans.txt"
_SUBSET = re.compile(r"(?:train|dev|test)-(?:clean|other)")


class LibriSpeech(SpeechLayout):
    """``path`` is the whole corpus or one subset; the split comes from a subset's name in it."""

    layout: Literal["librispeech"] = "librispeech"
    path: Location

    def read(self, language: str) -> Iterator[SourceUtterance | Reject]:
        root = self.fill(self.path, language)
        chapters: dict[str, list[str]] = {}
        for path in walk_files(root):
            chapters.setdefault(posixpath.dirname(path), []).append(posixpath.basename(path))
        for chapter, names in chapters.items():
            yield from _read_chapter(root, chapter, names)


def _read_chapter(root: str, chapter: str, names: list[str]) -> Iterator[SourceUtterance | Reject]:
    folder = posixpath.join(root, chapter)
    texts = {
        name: (text, posixpath.join(folder, file))
        for file in names
        if file.endswith(_TRANSCRIPTS)
        for name, text in _read_transcripts(posixpath.join(folder, file))
    }
    for file in filter(is_audio, names):
        name = posixpath.splitext(file)[0]
        text, text_source = texts.pop(name, (None, None))
        yield SourceUtterance(
            utterance_id=safe_id(name),
            audio=AudioSource(posixpath.join(folder, file)),
            speaker=_speaker(chapter, name),
            split=_split(folder),
            text=text,
            text_source=text_source,
        )
    for name, (_, text_source) in texts.items():
        detail = f"there is no audio file {name!r} beside its transcript"
        yield Reject(safe_id(name), "orphan_transcript", detail, text_source)


def _read_transcripts(path: str) -> Iterator[tuple[str, str]]:
    for _, line in read_lines(path):
        name, _, text = line.strip().partition(" ")
        if name:
            yield name, text.strip()


def _speaker(chapter: str, name: str) -> str:
    folders = chapter.split("/")
    return folders[-2] if len(folders) > 1 else name.split("-")[0]


def _split(folder: str) -> Split | None:
    subsets = _SUBSET.findall(folder)
    return split_name(subsets[-1]) if subsets else None
