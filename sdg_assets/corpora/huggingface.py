"""Hugging Face data sets by name or local path: speech, and questions over passages.

Rows stream, and audio stays encoded: the factory's own decoder reads it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from sdg_assets.corpora.base import AudioSource, CorpusError, Reject, SourceQA, SourceUtterance
from sdg_assets.corpora.files import absolute
from sdg_assets.corpora.ids import passage_id, question_id, safe_id, utterance_id
from sdg_assets.corpora.jsonl_qa import Passage, PlainQuestion, make_qa
from sdg_assets.corpora.layout import FOLDER, Layout, SpeechLayout, TextQALayout
from sdg_assets.corpora.rows import Columns, Row, parse_row
from sdg_assets.corpora.splits import Split, split_name
from sdg_assets.corpora.squad import SquadQuestion, make_squad_qa

_SAVED = ("dataset_dict.json", "state.json")  # marks of a data set that `save_to_disk` wrote
Values = dict[str, Any]  # cells by role


def _resolve(path: str, info: ValidationInfo) -> str:
    """A local folder where there is one, else a name on the hub."""
    local = absolute(path, (info.context or {}).get(FOLDER, os.getcwd()))
    is_local = path.startswith((".", "/", "~")) or os.path.exists(local.partition("{")[0])
    return local if is_local else path


class _DataSet(Layout):
    names_languages: ClassVar[bool] = True

    path: Annotated[str, AfterValidator(_resolve)] = Field(
        min_length=1, description="a name on the hub, or a local folder; may hold {language}"
    )
    config: str | None = Field(
        default=None, description="the data set's own configuration name; may hold {language}"
    )
    revision: str | None = Field(
        default=None, description="a branch, tag or commit of the data set on the hub"
    )
    splits: dict[Split, str] = Field(
        default_factory=dict, description="what the data set calls each split; by default all"
    )

    def _read_rows(
        self, columns: Columns, language: str
    ) -> Iterator[tuple[Values, str, str, Split | None]]:
        """Cells by role, ``data set/split``, ``data set/split/row number`` and our split.

        Raises:
            CorpusError: the data set cannot be opened or read, or has no such split or column.
        """
        path = self.fill(self.path, language)
        config = self.fill(self.config, language) if self.config else None
        tables = _open(path, config, self.revision)
        ours = {theirs: split for split, theirs in self.splits.items()}
        for name in ours or sorted(tables):
            if name not in tables:
                raise CorpusError(
                    f"{path} has no split {name!r} (it has {', '.join(tables)}): correct `splits`"
                )
            where = f"{path}/{name}"
            found = columns.find(_column_names(tables[name], where), where)
            for number, values in enumerate(_read_cells(tables[name], found, where)):
                if self.is_of(values.get("language"), language):
                    yield values, where, f"{where}/{number:08d}", ours.get(name) or split_name(name)


class SpeechColumns(Columns):
    usual: ClassVar = {
        "audio": ("audio", "speech", "file"),
        "id": ("id", "utterance_id", "utt_id", "segment_id", "audio_id"),
        "text": ("text", "sentence", "transcription", "transcript", "normalized_text"),
        "speaker": ("speaker_id", "speaker", "client_id"),
        "language": ("locale", "language", "lang"),
    }
    required: ClassVar = ("audio",)

    audio: str | None = None
    id: str | None = Field(
        default=None, description="must be unique: FLEURS, whose `id` is a sentence's, needs `path`"
    )
    text: str | None = None
    speaker: str | None = None
    language: str | None = None


class HuggingFace(_DataSet, SpeechLayout):
    """Speech; columns are found by their usual names."""

    layout: Literal["huggingface"] = "huggingface"
    columns: SpeechColumns = SpeechColumns()

    def read(self, language: str) -> Iterator[SourceUtterance | Reject]:
        for values, where, place, split in self._read_rows(self.columns, language):
            yield _make_utterance(values, place, split, where)


class _Clip(Row):
    path: str | None = None
    bytes: Any = None


class _Speech(Row):
    audio: _Clip
    id: str | None = None
    text: str | None = None
    speaker: str | None = None
    language: str | None = None


def _make_utterance(
    values: Values, place: str, split: Split | None, where: str
) -> SourceUtterance | Reject:
    if isinstance(values["audio"], str):
        values["audio"] = {"path": values["audio"]}
    row = parse_row(_Speech, values, place, where)
    if isinstance(row, Reject):
        return row
    data, path = row.audio.bytes, row.audio.path
    if data is None and not path:
        return Reject(place, "missing_audio", "the row has neither audio bytes nor a path", where)
    named = path or "/".join(place.split("/")[-2:])
    inside = named.removeprefix(where.rpartition("/")[0] + "/")  # of the data set's own folder
    name = safe_id(row.id) if row.id else utterance_id(inside)
    return SourceUtterance(
        utterance_id=name,
        audio=AudioSource(path, None) if path and data is None else AudioSource(place, data),
        speaker=row.speaker or None,
        split=split,
        text=row.text,
        text_source=None if row.text is None else where,
        language=row.language or None,
        place=place,
    )


class QAColumns(Columns):
    usual: ClassVar = {
        "context": ("context", "passage", "paragraph"),
        "question": ("question", "query"),
        "answer": ("answers", "answer"),
        "id": ("id", "question_id", "qa_id"),
        "language": ("language", "lang", "locale"),
    }
    required: ClassVar = ("context", "question", "answer")

    context: str | None = None
    question: str | None = None
    answer: str | None = None
    id: str | None = None
    language: str | None = None


class HuggingFaceQA(_DataSet, TextQALayout):
    """Questions over passages, with SQuAD's ``answers`` or plain text; none means unanswerable."""

    layout: Literal["huggingface_qa"] = "huggingface_qa"
    columns: QAColumns = QAColumns()

    def read(self, language: str) -> Iterator[SourceQA | Reject]:
        for values, where, place, split in self._read_rows(self.columns, language):
            yield _make_qa(values, place, split, where, language)


def _make_qa(
    values: Values, place: str, split: Split | None, where: str, language: str
) -> SourceQA | Reject:
    passage = parse_row(Passage, values, place, where)
    if isinstance(passage, Reject):
        return passage
    identity = passage_id(passage.context)
    answer = values["answer"]
    if isinstance(answer, dict) and "answer_start" in answer:
        spans = [
            {"text": text, "answer_start": start}
            for text, start in zip(answer["text"], answer["answer_start"], strict=True)
        ]
        values = {
            "id": question_id(identity, str(values["question"])),
            **{role: value for role, value in values.items() if value is not None},
            "answers": spans,
            "is_impossible": not spans,
        }
        question = parse_row(SquadQuestion, values, place, where)
        if isinstance(question, Reject):
            return question
        tag = passage.language or None
        return make_squad_qa(
            question, passage.context, identity, language, where, place, split, tag
        )
    values["answer"] = _first_text(answer)
    plain = parse_row(PlainQuestion, values, place, where)
    if isinstance(plain, Reject):
        return plain
    return make_qa(passage, plain, language, where, place, split)


def _first_text(answer: Any) -> Any:
    """Of a list of answers, or of a dict with a list under ``text``; None where it is empty."""
    texts = answer["text"] if isinstance(answer, dict) and "text" in answer else answer
    return next(iter(texts), None) if isinstance(texts, list | tuple) else texts


def _open(path: str, config: str | None, revision: str | None) -> dict[str, Any]:
    """The streaming table of each split.

    Raises:
        CorpusError: it cannot be opened.
    """
    import datasets  # slow to load
    from datasets.packaged_modules.audiofolder.audiofolder import AudioFolder

    AudioFolder.BASE_FEATURE = _encoded_audio()
    try:
        if any(os.path.exists(f"{path}/{name}") for name in _SAVED):
            saved = datasets.load_from_disk(path)
            tables = saved if isinstance(saved, dict) else {str(saved.split or "train"): saved}
            return {name: table.to_iterable_dataset() for name, table in tables.items()}
        return dict(datasets.load_dataset(path, config, revision=revision, streaming=True))
    except Exception as error:
        name = f"{path} ({config})" if config else path
        raise CorpusError(
            f"the Hugging Face data set {name} cannot be opened: {type(error).__name__}: {error}. "
            "Correct `path` and `config`; without a network, give the path of a local copy"
        ) from error


@cache
def _encoded_audio() -> type[Any]:
    """The data sets' feature of audio, for files as they are: their own wants torchcodec, which we
    do not need, wherever rows are made and not read from Arrow.
    """
    import datasets

    class EncodedAudio(datasets.Audio):  # type: ignore[misc]
        def encode_example(self, value: Any) -> dict[str, Any]:
            if isinstance(value, dict):
                return {"bytes": value.get("bytes"), "path": value.get("path")}
            if isinstance(value, bytes | bytearray):
                return {"bytes": bytes(value), "path": None}
            return {"bytes": None, "path": str(value)}

    return EncodedAudio


def _column_names(table: Any, where: str) -> list[str]:
    with _readable(where):
        return list(table.column_names or next(iter(table), {}))


def _read_cells(table: Any, columns: dict[str, str], where: str) -> Iterator[Values]:
    """Cells by role. Only the columns in use are read, and audio is not decoded."""
    import datasets

    with _readable(where):
        table = table.select_columns(sorted(set(columns.values())))
        for name, feature in (table.features or {}).items():
            if isinstance(feature, datasets.Audio):
                table = table.cast_column(name, _encoded_audio()(decode=False))
        for row in table:
            yield {role: row[column] for role, column in columns.items()}


@contextmanager
def _readable(where: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise CorpusError(
            f"{where} cannot be read to its end: {type(error).__name__}: {error}"
        ) from error
