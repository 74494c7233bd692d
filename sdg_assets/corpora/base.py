"""What every reader yields, and the contract of a reader.

A reader is lazy: it opens manifests and lists files, but never decodes audio. Whatever is wrong
with one item becomes a :class:`Reject` and reading goes on; whatever makes the whole corpus
unreadable (its folder does not exist) raises :class:`CorpusError`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from sdg_assets.errors import UserError


class CorpusError(UserError):
    """The corpus cannot be read at all: says what was wrong, where, and what to do next."""


@dataclass(frozen=True, slots=True)
class AudioSource:
    """Undecoded audio: a file (local path or fsspec URL) or bytes, and which part of it."""

    path: str  # also names the source where ``data`` is given
    data: bytes | None = None  # the encoded file itself (Hugging Face datasets)
    start: float | None = None  # seconds; None: from the beginning
    duration: float | None = None  # seconds; None: to the end


@dataclass(frozen=True, slots=True)
class SourceUtterance:
    utterance_id: str
    audio: AudioSource
    speaker: str | None = None
    split: str | None = None  # the corpus's own split, where it has one
    text: str | None = None
    text_source: str | None = None  # the file the text was read from
    language: str | None = None  # the corpus's own tag of the item, where it has one
    place: str = ""  # where it is listed: "metadata.csv:12"; empty where its path says all


@dataclass(frozen=True, slots=True)
class SourceQA:
    qa_id: str
    passage_id: str
    context: str
    question: str
    answer: str
    answerable: bool
    source_path: str
    place: str  # in that file: "quiz.jsonl:12"
    split: str | None = None
    language: str | None = None  # the corpus's own tag of the item, where it has one


@dataclass(frozen=True, slots=True)
class Reject:
    """One item that cannot be used; becomes a quarantine row."""

    item_id: str
    reason: str  # a short stable code: "missing_audio", "broken_json"
    detail: str  # a sentence for a person
    source_path: str


class SpeechReader(Protocol):
    def read(self, language: str) -> Iterator[SourceUtterance | Reject]: ...


class TextQAReader(Protocol):
    def read(self, language: str) -> Iterator[SourceQA | Reject]: ...
