"""NeMo manifests: one JSON object per line with ``audio_filepath``, ``duration`` and ``text``."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sdg_assets.corpora.base import AudioSource, Reject, SourceUtterance
from sdg_assets.corpora.files import absolute, is_missing, parent, read_json_lines
from sdg_assets.corpora.ids import safe_id, utterance_id
from sdg_assets.corpora.layout import Files, SpeechLayout
from sdg_assets.corpora.rows import Row, parse_row
from sdg_assets.corpora.splits import Split, split_name


class _Entry(Row):
    audio_filepath: Annotated[str, Field(min_length=1)]
    id: str | None = None
    offset: Annotated[float, Field(ge=0)] | None = None
    duration: Annotated[float, Field(gt=0)] | None = None
    text: str | None = None
    speaker: str | None = None
    lang: str | None = None
    split: str | None = None

    @property
    def name(self) -> str:
        """Entries with an offset are segments: their times in milliseconds tell them apart."""
        if self.id:
            return safe_id(self.id)
        name = utterance_id(self.audio_filepath)
        if self.offset is None:
            return name
        end = "end" if self.duration is None else f"{(self.offset + self.duration) * 1000:08.0f}"
        return f"{name}-{self.offset * 1000:08.0f}-{end}"


class NeMoManifest(SpeechLayout):
    """``path`` is the manifest, or one for each split; audio paths are relative to its folder.

    A line is ``{"audio_filepath", "text"}``; it may have ``offset`` and ``duration`` (seconds: a
    segment), ``id``, ``speaker``, ``lang`` and ``split``.
    """

    names_languages: ClassVar[bool] = True

    layout: Literal["nemo"] = "nemo"
    path: Files

    def read(self, language: str) -> Iterator[SourceUtterance | Reject]:
        for split, path in self.files(self.path, language):
            for found in read_json_lines(path):
                if isinstance(found, Reject):
                    yield found
                    continue
                place, value = found
                entry = parse_row(_Entry, value, place, path)
                if isinstance(entry, Reject):
                    yield entry
                elif self.is_of(entry.lang, language):
                    yield _make(entry, place, path, split)


def _make(entry: _Entry, place: str, path: str, split: Split | None) -> SourceUtterance | Reject:
    audio = absolute(entry.audio_filepath, parent(path))
    if is_missing(audio):
        detail = f"{place} names {audio}, which is not there"
        return Reject(entry.name, "missing_audio", detail, path)
    # Without an offset, the duration describes the whole file and may be rounded.
    duration = None if entry.offset is None else entry.duration
    return SourceUtterance(
        utterance_id=entry.name,
        audio=AudioSource(audio, start=entry.offset, duration=duration),
        speaker=entry.speaker or None,
        split=split_name(entry.split) or split,
        text=entry.text,
        text_source=None if entry.text is None else path,
        language=entry.lang or None,
        place=place,
    )
