"""SQuAD 1.1 and 2.0 JSON, and what has its form: XQuAD, MLQA, GermanQuAD, ..."""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from sdg_assets.corpora.base import CorpusError, Reject, SourceQA
from sdg_assets.corpora.files import read_json
from sdg_assets.corpora.ids import passage_id, safe_id
from sdg_assets.corpora.layout import Files, TextQALayout
from sdg_assets.corpora.refusals import refusal
from sdg_assets.corpora.rows import Row, parse_row
from sdg_assets.corpora.splits import Split


class Answer(Row):
    text: str
    answer_start: int  # characters into the context

    def is_in(self, context: str) -> bool:
        return self.answer_start >= 0 and context.startswith(self.text, self.answer_start)


class SquadQuestion(Row):
    id: str
    question: str
    answers: tuple[Answer, ...] = ()
    is_impossible: bool = False


class _Paragraph(Row):
    context: str
    qas: list[dict[str, Any]]


class Squad(TextQALayout):
    """``path`` is a file, or one for each split."""

    layout: Literal["squad"] = "squad"
    path: Files
    parallel: bool = Field(
        default=False,
        description="a passage and its translations share their questions' ids (XQuAD, MLQA): "
        "keep them on one side of the split, for languages that are trained on together",
    )

    def read(self, language: str) -> Iterator[SourceQA | Reject]:
        for split, path in self.files(self.path, language):
            for place, value in _read_paragraphs(path):
                paragraph = parse_row(_Paragraph, value, place, path)
                if isinstance(paragraph, Reject):
                    yield paragraph
                else:
                    yield from self._read_questions(paragraph, place, language, path, split)

    def _read_questions(
        self, paragraph: _Paragraph, place: str, language: str, path: str, split: Split | None
    ) -> Iterator[SourceQA | Reject]:
        context, passage = paragraph.context, passage_id(self._identity(paragraph))
        for number, value in enumerate(paragraph.qas):
            spot = f"{place}.qas[{number}]"
            question = parse_row(SquadQuestion, value, spot, path)
            if isinstance(question, Reject):
                yield question
            else:
                yield make_squad_qa(question, context, passage, language, path, spot, split)

    def _identity(self, paragraph: _Paragraph) -> str:
        if not self.parallel:
            return paragraph.context
        return " ".join(sorted(str(qa.get("id")) for qa in paragraph.qas))


def make_squad_qa(
    question: SquadQuestion,
    context: str,
    passage: str,
    language: str,
    path: str,
    place: str,
    split: str | None,
    tag: str | None = None,
) -> SourceQA | Reject:
    """The first answer that is in the context where it says it is.

    Args:
        tag: the corpus's own name of the language, where the question has one.
    """
    qa_id = safe_id(question.id)
    answer = next((a.text for a in question.answers if a.is_in(context)), None)
    if not question.is_impossible and not question.answers:
        detail = f"{place}: the question has no answers and is not marked as impossible"
        return Reject(qa_id, "no_answer", detail, path)
    if not question.is_impossible and answer is None:
        first = question.answers[0]
        detail = f"{place}: {first.text!r} is not in the passage at character {first.answer_start}"
        return Reject(qa_id, "answer_not_in_context", detail, path)
    return SourceQA(
        qa_id=qa_id,
        passage_id=passage,
        context=context,
        question=question.question,
        answer=refusal(language) if question.is_impossible or answer is None else answer,
        answerable=not question.is_impossible,
        source_path=path,
        place=place,
        split=split,
        language=tag,
    )


def _read_paragraphs(path: str) -> Iterator[tuple[str, Any]]:
    """Each paragraph with its place in the file.

    Raises:
        CorpusError: the file is not SQuAD's JSON.
    """
    content = read_json(path)
    try:
        for i, article in enumerate(content["data"]):
            for j, paragraph in enumerate(article["paragraphs"]):
                yield f"data[{i}].paragraphs[{j}]", paragraph
    except (TypeError, KeyError) as error:
        raise CorpusError(
            f"{path} is not in SQuAD's form, data[].paragraphs[].qas[] ({error!r}): "
            "correct the file, or set another `layout`"
        ) from error
