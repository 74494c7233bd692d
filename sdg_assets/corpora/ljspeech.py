"""The LJSpeech layout: ``metadata.csv`` of ``id|text[|normalised text]`` and a folder of audio."""

import posixpath
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from sdg_assets.corpora.base import AudioSource, CorpusError, Reject, SourceUtterance
from sdg_assets.corpora.files import exists, is_audio, read_lines, walk_files
from sdg_assets.corpora.ids import safe_id
from sdg_assets.corpora.layout import Location, SpeechLayout


class LJSpeech(SpeechLayout):
    """Audio is found by its id, in any format, anywhere under ``path`` (wavs/, audio/)."""

    layout: Literal["ljspeech"] = "ljspeech"
    path: Location
    metadata: str = Field(default="metadata.csv", description="its path below `path`")
    text: Literal["normalised", "written"] = Field(
        default="normalised", description="`written` takes the second column even where a third is"
    )
    speaker: str | None = Field(
        default=None,
        description="of all utterances. A corpus of one speaker leaves it out, or splits by "
        "utterance: all that one speaker says lands in one split",
    )

    def read(self, language: str) -> Iterator[SourceUtterance | Reject]:
        root = self.fill(self.path, language)
        metadata = posixpath.join(root, self.fill(self.metadata, language))
        audio: dict[str, str] = {}
        for path in filter(is_audio, walk_files(root)):
            audio.setdefault(_name(path), posixpath.join(root, path))
        if not exists(metadata):
            raise CorpusError(
                f"there is no file {metadata}: put it there, or correct `metadata` in the "
                "corpus's YAML file"
            )
        listed: set[str] = set()
        for number, line in read_lines(metadata):
            if line.strip():
                name, text = self._parse(line)
                listed.add(name)
                place = f"{posixpath.basename(metadata)}:{number}"
                yield self._make(name, audio.get(name), text, metadata, place)
        for name in sorted(audio.keys() - listed):
            yield self._make(name, audio[name], None, None, "")

    def _parse(self, line: str) -> tuple[str, str]:
        """Name and text; the fields are not quoted, and quotation marks are part of the text."""
        name, *texts = line.split("|")
        chosen = texts[1:2] if self.text == "normalised" and any(texts[1:2]) else texts[:1]
        return _name(name.strip()), "".join(chosen).strip()

    def _make(
        self, name: str, path: str | None, text: str | None, text_source: str | None, place: str
    ) -> SourceUtterance | Reject:
        if path is None:
            detail = f"{place}: no audio file is called {name!r}"
            return Reject(safe_id(name), "orphan_transcript", detail, text_source or "")
        return SourceUtterance(
            utterance_id=safe_id(name),
            audio=AudioSource(path),
            speaker=self.speaker,
            text=text,
            text_source=text_source,
            place=place,
        )


def _name(path: str) -> str:
    """The base name, without an audio suffix: ids may have dots."""
    base = posixpath.basename(path)
    return posixpath.splitext(base)[0] if is_audio(base) else base
