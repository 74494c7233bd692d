"""MS MARCO v2.1 question answering, one JSON object of columns or JSONL; rules of arXiv 2406.12946.

Samples with several answers are dropped. The context is the selected passages, joined; where none
is selected it is one random passage, and the answer says that it could not be found.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator, Field

from sdg_assets.corpora.base import CorpusError, Reject, SourceQA
from sdg_assets.corpora.files import read_json, read_json_lines, read_lines
from sdg_assets.corpora.ids import passage_id, safe_id
from sdg_assets.corpora.layout import Files, TextQALayout
from sdg_assets.corpora.refusals import refusal
from sdg_assets.corpora.rows import Row, parse_row
from sdg_assets.corpora.splits import Split

_COLUMNS = ("query_id", "query", "answers", "passages", "wellFormedAnswers")
_NO_ANSWER = "No Answer Present."


def _as_list(value: Any) -> Any:
    """The release writes an empty list as the string ``[]``."""
    return [] if value in ("[]", "", None) else value


def _as_records(value: Any) -> Any:
    """Exports of the data set turn the list of passages into a dict of lists."""
    if not isinstance(value, dict):
        return value
    return [dict(zip(value, row, strict=True)) for row in zip(*value.values(), strict=True)]


class _Passage(Row):
    passage_text: str
    is_selected: bool = False


class _Sample(Row):
    query_id: str
    query: str
    answers: Annotated[tuple[str, ...], BeforeValidator(_as_list)]
    passages: Annotated[tuple[_Passage, ...], BeforeValidator(_as_records), Field(min_length=1)]
    well_formed: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = Field(
        default=(), validation_alias=AliasChoices("wellFormedAnswers", "well_formed_answers")
    )


class MSMarco(TextQALayout):
    """``path`` is a file, or one for each split.

    An object, or a line, has ``query_id``, ``query``, ``answers``, ``passages`` (each with
    ``passage_text`` and ``is_selected``) and ``wellFormedAnswers``, as the release has them.
    """

    layout: Literal["msmarco"] = "msmarco"
    path: Files
    seed: int = Field(default=0, description="of the passage where none is selected")

    def read(self, language: str) -> Iterator[SourceQA | Reject]:
        for split, path in self.files(self.path, language):
            for found in _read_samples(path):
                if isinstance(found, Reject):
                    yield found
                    continue
                place, value = found
                sample = parse_row(_Sample, value, place, path)
                yield (
                    sample
                    if isinstance(sample, Reject)
                    else self._make(sample, language, path, place, split)
                )

    def _make(
        self, sample: _Sample, language: str, path: str, place: str, split: Split | None
    ) -> SourceQA | Reject:
        qa_id = safe_id(sample.query_id)
        answers = [a for a in (*sample.well_formed[:1], *sample.answers) if a.strip()]
        if len(sample.answers) > 1:
            detail = f"{place}: it has {len(sample.answers)} answers, and which is right is open"
            return Reject(qa_id, "several_answers", detail, path)
        if not answers:
            return Reject(qa_id, "no_answer", f"{place}: it has no answer", path)
        selected = [p.passage_text for p in sample.passages if p.is_selected]
        context = " ".join(selected) if selected else self._random_passage(sample)
        answerable = bool(selected) and answers[0] != _NO_ANSWER
        return SourceQA(
            qa_id=qa_id,
            passage_id=passage_id(context),
            context=context,
            question=sample.query,
            answer=answers[0] if answerable else refusal(language),
            answerable=answerable,
            source_path=path,
            place=place,
            split=split,
        )

    def _random_passage(self, sample: _Sample) -> str:
        """Depends on the sample alone, so that other rows coming and going change nothing."""
        digest = hashlib.sha256(f"{self.seed}\0{sample.query_id}".encode()).digest()
        chosen = int.from_bytes(digest[:8], "big") % len(sample.passages)
        return sample.passages[chosen].passage_text


def _read_samples(path: str) -> Iterator[tuple[str, dict[str, Any]] | Reject]:
    """Samples of either form with the place of each.

    Raises:
        CorpusError: the file is neither.
    """
    if _is_jsonl(path):
        yield from read_json_lines(path)
        return
    content = read_json(path)
    found = content if isinstance(content, dict) else {}
    columns = {name: found[name] for name in _COLUMNS if isinstance(found.get(name), dict)}
    if "query" not in columns:
        raise CorpusError(
            f"{path} is not MS MARCO v2.1 (an object of columns, or one sample per line): "
            "correct the file, or set another `layout`"
        )
    for key in dict.fromkeys(key for column in columns.values() for key in column):
        yield f"query[{key}]", {name: c[key] for name, c in columns.items() if key in c}


def _is_jsonl(path: str) -> bool:
    """Whether the first line is a sample by itself; the official file may be all one line."""
    if ".jsonl" in path.rpartition("/")[2]:
        return True
    first = next((line for _, line in read_lines(path) if line.strip()), "")
    try:
        value = json.loads(first)
    except ValueError:
        return False
    return isinstance(value, dict) and isinstance(value.get("query"), str)
