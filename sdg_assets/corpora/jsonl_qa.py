"""Questions over passages, one JSON object per line: the plain way to bring one's own."""

from collections.abc import Iterator
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from sdg_assets.corpora.base import Reject, SourceQA
from sdg_assets.corpora.files import read_json_lines
from sdg_assets.corpora.ids import passage_id, question_id, safe_id
from sdg_assets.corpora.layout import Files, TextQALayout
from sdg_assets.corpora.refusals import refusal
from sdg_assets.corpora.rows import Row, parse_row
from sdg_assets.corpora.splits import Split, split_name


class PlainQuestion(Row):
    question: str
    answer: str | None = None
    answerable: bool | None = None
    id: str | None = None

    @model_validator(mode="after")
    def _answer_is_given(self) -> Self:
        if self.answerable is not False and "answer" not in self.model_fields_set:
            raise ValueError("there is no `answer`: add it, or null where the passage has none")
        if self.answerable and self.answer is None:
            raise ValueError("it is `answerable`, but its `answer` is null")
        return self


class Passage(Row):
    context: str
    passage_id: str | None = None
    split: str | None = None
    language: str | None = None


class _Questions(Row):
    questions: tuple[PlainQuestion, ...]


class JsonlQA(TextQALayout):
    """``path`` is a file, or one for each split.

    A line is ``{"context", "question", "answer"}``, or ``{"context", "questions": [{"question",
    "answer"}, ...]}``; where the passage has no answer, ``"answer": null`` or ``"answerable":
    false``. It may have ``id`` (of a question), ``passage_id``, ``split`` and ``language``.

    An answer may be in words of its own: whether it stands in its passage is not looked at (the
    layout `squad` does).
    """

    names_languages: ClassVar[bool] = True

    layout: Literal["jsonl_qa"] = "jsonl_qa"
    path: Files

    def read(self, language: str) -> Iterator[SourceQA | Reject]:
        for split, path in self.files(self.path, language):
            for found in read_json_lines(path):
                if isinstance(found, Reject):
                    yield found
                    continue
                place, value = found
                passage = parse_row(Passage, value, place, path)
                questions = parse_row(_Questions, _as_list(value), place, path)
                if isinstance(passage, Reject):
                    yield passage
                elif isinstance(questions, Reject):
                    yield questions
                elif self.is_of(passage.language, language):
                    for question in questions.questions:
                        yield make_qa(passage, question, language, path, place, split)


def _as_list(value: dict[str, object]) -> dict[str, object]:
    return value if "questions" in value else {"questions": [value]}


def make_qa(
    passage: Passage,
    question: PlainQuestion,
    language: str,
    path: str,
    place: str,
    split: Split | None,
) -> SourceQA:
    identity = safe_id(passage.passage_id) if passage.passage_id else passage_id(passage.context)
    answerable = question.answerable is not False and question.answer is not None
    return SourceQA(
        qa_id=safe_id(question.id) if question.id else question_id(identity, question.question),
        passage_id=identity,
        context=passage.context,
        question=question.question,
        answer=(question.answer or "") if answerable else refusal(language),
        answerable=answerable,
        source_path=path,
        place=place,
        split=split_name(passage.split) or split,
        language=passage.language or None,
    )
