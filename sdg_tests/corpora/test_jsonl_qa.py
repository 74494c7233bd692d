"""The plain form for one's own questions."""

import json
from pathlib import Path
from typing import Any

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdg_tests.corpora.reading import Found, corpus, read

WORDS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)


def write(folder: Path, *rows: dict[str, Any] | str) -> Path:
    path = folder / "qa.jsonl"
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def read_qa(path: Path | str, language: str = "en") -> Found:
    return read(corpus("text_qa", {"layout": "jsonl_qa", "path": str(path)}, language))


def test_one_question_or_many_per_line(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {
            "context": "北京是首都。",
            "question": "首都是?",
            "answer": "北京",
            "id": 1,
            "split": "dev",
        },
        {
            "context": "A lamp.",
            "passage_id": "lamp 1",
            "questions": [
                {"question": "What?", "answer": "A lamp."},
                {"question": "Who?", "answer": None},
                {"question": "When?", "answerable": False, "id": "when"},
                {"question": "Why?", "answerable": False, "answer": "It is not said."},
            ],
        },
    )
    found = read_qa(path)
    assert found.rejects == []
    one, what, who, when, why = found.items
    assert (one.qa_id, one.split, one.answer) == ("1", "validation", "北京")
    assert {i.passage_id for i in (what, who, when, why)} == {"lamp%201"}
    assert len({i.qa_id for i in found.items}) == 5
    assert (what.answer, what.answerable) == ("A lamp.", True)
    for item in (who, when, why):
        assert (item.answer, item.answerable) == (
            "I could not find the answer in the audio.",
            False,
        )


def test_a_line_may_name_its_language(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {"context": "c", "question": "q", "answer": "en", "language": "en"},
        {"context": "c", "question": "r", "answer": "de", "language": "de"},
        {"context": "c", "question": "s", "answer": "any"},
    )
    assert [i.answer for i in read_qa(path, "de").items] == ["de", "any"]


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        ({"context": "c", "question": "q"}, "broken_row", "there is no `answer`"),
        ({"context": "c", "answer": "a"}, "broken_row", "question: is missing"),
        ({"question": "q", "answer": "a"}, "broken_row", "context: is missing"),
        ({"context": "c", "questions": "q"}, "broken_row", "questions: "),
        ({"context": "c", "question": "q", "answer": None, "answerable": True}, "broken_row", "is"),
        ({"context": "c", "question": "q", "answer": ""}, "empty_answer", "its answer is empty"),
        ({"context": "c", "question": " ", "answer": "a"}, "empty_question", "question is empty"),
        ({"context": "", "question": "q", "answer": ""}, "empty_context", "qa.jsonl:2: its"),
        ("{", "broken_json", "line 2 is not JSON"),
        ("[]", "broken_row", "must be a JSON object, not list"),
    ],
)  # fmt: skip
def test_bad_lines_are_rejects_and_the_rest_goes_on(
    tmp_path: Path, row: dict[str, Any] | str, reason: str, detail: str
) -> None:
    good = {"context": "c", "question": "good?", "answer": "a"}
    last = {"context": "c", "question": "last?", "answer": "a"}
    found = read_qa(write(tmp_path, good, row, last))
    assert [i.question for i in found.items] == ["good?", "last?"]
    (reject,) = found.rejects
    assert reject.reason == reason
    assert detail in reject.detail


def test_the_same_question_twice(tmp_path: Path) -> None:
    row = {"context": "c", "question": "q", "answer": "a"}
    found = read_qa(write(tmp_path, row, row | {"context": " C "}))
    assert len(found.items) == 1
    [reject] = found.rejects
    assert reject.reason == "duplicate_id"
    assert reject.detail.startswith("qa.jsonl:2: qa.jsonl:1 has the same id")


@given(st.dictionaries(WORDS, st.sets(WORDS, min_size=1, max_size=4), max_size=6))
def test_ids_are_stable_and_unique_whatever_the_order(passages: dict[str, set[str]]) -> None:
    rows = [
        {"context": c, "question": q, "answer": "a"}
        for c, questions in passages.items()
        for q in sorted(questions)
    ]
    forward, backward = _ids(rows), _ids(rows[::-1])
    assert sorted(forward) == sorted(backward)
    assert len(set(forward)) == len(forward)


def _ids(rows: list[dict[str, str]]) -> list[str]:
    with fsspec.open("memory://ids/qa.jsonl", "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return read_qa("memory://ids/qa.jsonl").ids
