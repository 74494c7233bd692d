"""A table with a header that names audio files: Common Voice, and tables like it."""

import csv
from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from sdg_assets.corpora.base import AudioSource, CorpusError, Reject, SourceUtterance
from sdg_assets.corpora.files import absolute, exists, is_missing, is_text, parent, read_lines
from sdg_assets.corpora.ids import safe_id, utterance_id
from sdg_assets.corpora.layout import Files, Location, SpeechLayout
from sdg_assets.corpora.rows import Columns
from sdg_assets.corpora.splits import Split, split_name

_QUOTING_DELIMITERS = frozenset(",;")  # with tabs, quotation marks are part of the text


class TsvColumns(Columns):
    usual: ClassVar = {
        "audio": ("path", "audio", "file", "file_name", "audio_path", "audio_filepath", "wav"),
        "id": ("utt_id", "utterance_id", "id"),
        "text": ("sentence", "reference", "text", "transcript", "transcription"),
        "speaker": ("client_id", "speaker", "speaker_id"),
        "language": ("locale", "language", "lang"),
        "split": ("split",),
    }
    required: ClassVar = ("audio",)

    audio: str | None = None
    id: str | None = None
    text: str | None = None
    speaker: str | None = None
    language: str | None = None
    split: str | None = None


class Tsv(SpeechLayout):
    """``path`` is the table, or one for each split; columns are found by their usual names."""

    names_languages: ClassVar[bool] = True

    layout: Literal["tsv"] = "tsv"
    path: Files
    audio_folder: Location | None = Field(
        default=None,
        description="what audio paths are relative to; by default `clips` beside the table, "
        "else the table's own folder",
    )
    delimiter: str = Field(default="\t", min_length=1, max_length=1, description="between cells")
    columns: TsvColumns = TsvColumns()

    def read(self, language: str) -> Iterator[SourceUtterance | Reject]:
        for split, path in self.files(self.path, language):
            yield from self._read_table(path, split, language)

    def _read_table(
        self, path: str, split: Split | None, language: str
    ) -> Iterator[SourceUtterance | Reject]:
        rows = _read_cells(path, self.delimiter)
        _, header = next(rows, (0, None))
        if not isinstance(header, list) or not is_text("".join(header)):
            raise CorpusError(f"{path} needs a first line, in UTF-8, that names the columns")
        found = self.columns.find(header, path)
        folder = self._folder(path, language)
        for number, cells in rows:
            place = f"{path.rpartition('/')[2]}:{number}"
            if isinstance(cells, str):
                yield Reject(place, "broken_row", f"line {number}: {cells}", path)
            elif len(cells) != len(header):
                detail = f"line {number} has {len(cells)} cells, the header {len(header)}"
                yield Reject(place, "broken_row", detail, path)
            else:
                row = dict(zip(header, cells, strict=True))
                values = {role: row[column].strip() for role, column in found.items()}
                if self.is_of(values.get("language"), language):
                    yield _make(values, place, path, folder, split)

    def _folder(self, path: str, language: str) -> str:
        if self.audio_folder is not None:
            return self.fill(self.audio_folder, language)
        clips = f"{parent(path)}/clips"
        return clips if exists(clips) else parent(path)


def _make(
    values: dict[str, str], place: str, path: str, folder: str, split: Split | None
) -> SourceUtterance | Reject:
    if not values["audio"]:
        return Reject(place, "broken_row", "the cell with the audio path is empty", path)
    name = safe_id(values["id"]) if values.get("id") else utterance_id(values["audio"])
    audio = absolute(values["audio"], folder)
    if is_missing(audio):
        return Reject(name, "missing_audio", f"{place} names {audio}, which is not there", path)
    return SourceUtterance(
        utterance_id=name,
        audio=AudioSource(audio),
        speaker=values.get("speaker") or None,
        split=split_name(values.get("split")) or split,
        text=values.get("text"),
        text_source=path if "text" in values else None,
        language=values.get("language") or None,
        place=place,
    )


def _read_cells(path: str, delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Line number and cells of each row, or what is wrong with it; empty lines are skipped."""
    if delimiter not in _QUOTING_DELIMITERS:
        for number, line in read_lines(path):
            if line.strip():
                yield number, line.split(delimiter)
        return
    table = csv.reader((f"{line}\n" for _, line in read_lines(path)), delimiter=delimiter)
    while True:
        try:
            cells = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            yield table.line_num, str(error)
        else:
            if cells:
                yield table.line_num, cells
