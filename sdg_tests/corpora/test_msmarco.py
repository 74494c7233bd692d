"""MS MARCO v2.1, in both forms of the file, by the paper's rules."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from sdg_assets.corpora.base import CorpusError
from sdg_tests.corpora.reading import Found, corpus, read

REFUSAL = "I could not find the answer in the audio."


def sample(number: int, answers: list[str], selected: list[int], **fields: Any) -> dict[str, Any]:
    return {
        "query_id": number,
        "query": f"query {number}",
        "query_type": "DESCRIPTION",
        "answers": answers,
        "passages": [
            {"is_selected": int(i in selected), "passage_text": f"Passage {i}.", "url": "u"}
            for i in range(4)
        ],
        "wellFormedAnswers": "[]",
    } | fields


SAMPLES = [
    sample(1, ["short"], [2], wellFormedAnswers=["A well-formed answer.", "Another."]),
    sample(2, ["only answer"], [0, 3]),
    sample(3, ["one", "two"], [1]),
    sample(4, ["No Answer Present."], []),
    sample(5, ["an answer without a passage"], []),
    sample(6, ["No Answer Present."], [1]),
    sample(7, [], [1]),
    sample(8, [""], [1]),
    sample(9, ["x"], [0], passages=[]),
    sample(10, ["x"], [0], passages="none"),
    sample(11, "one word", [0]),
    {"query_id": 12, "answers": ["x"]},
    sample(13, ["last"], [0]),
]


def as_columns(samples: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The form of the official download: columns of rows."""
    names = ["query_id", "query", "query_type", "answers", "passages", "wellFormedAnswers"]
    return {name: {str(i): s[name] for i, s in enumerate(samples) if name in s} for name in names}


def as_lines(samples: list[dict[str, Any]]) -> str:
    return "\n".join(json.dumps(s) for s in samples) + "\n"


def write(folder: Path, form: str, samples: list[dict[str, Any]]) -> Path:
    path = folder / {"gzip": "dev_v2.1.json.gz", "jsonl": "dev.jsonl"}.get(form, "dev_v2.1.json")
    columns = as_columns(samples)
    if form == "gzip":
        path.write_bytes(gzip.compress(json.dumps(columns).encode()))
    elif form == "columns":
        path.write_text(json.dumps(columns))
    elif form == "indented":
        path.write_text(json.dumps(columns, indent=1))
    else:
        path.write_text(as_lines(samples))
    return path


def read_msmarco(path: Path, **options: Any) -> Found:
    return read(corpus("text_qa", {"layout": "msmarco", "path": str(path)} | options))


FORMS = ["columns", "indented", "gzip", "jsonl", "lines named .json"]


@pytest.mark.parametrize("form", FORMS)
def test_the_papers_rules(tmp_path: Path, form: str) -> None:
    found = read_msmarco(write(tmp_path, form, SAMPLES))
    items = {item.qa_id: item for item in found.items}
    assert list(items) == ["1", "2", "4", "5", "6", "13"]
    assert (items["1"].context, items["1"].answer) == ("Passage 2.", "A well-formed answer.")
    assert (items["2"].context, items["2"].answer) == ("Passage 0. Passage 3.", "only answer")
    for name in ("4", "5"):
        assert items[name].context in {f"Passage {i}." for i in range(4)}
    assert items["6"].context == "Passage 1."
    for name in ("4", "5", "6"):
        assert (items[name].answer, items[name].answerable) == (REFUSAL, False)
    assert {n for n, i in items.items() if i.answerable} == {"1", "2", "13"}


@pytest.mark.parametrize("form", FORMS)
def test_what_is_dropped_and_why(tmp_path: Path, form: str) -> None:
    rejects = read_msmarco(write(tmp_path, form, SAMPLES)).rejects
    assert [r.reason for r in rejects] == [
        "several_answers",
        "no_answer",
        "no_answer",
        "broken_row",
        "broken_row",
        "broken_row",
        "broken_row",
    ]
    assert rejects[0].item_id == "3"


def test_passages_in_columns_as_exports_have_them(tmp_path: Path) -> None:
    passages = {"is_selected": [0, 1], "passage_text": ["No.", "Yes."], "url": ["a", "b"]}
    good = sample(1, ["a"], [], passages=passages, wellFormedAnswers=[])
    ragged = sample(2, ["a"], [], passages=passages | {"is_selected": [1]})
    found = read_msmarco(write(tmp_path, "jsonl", [good, ragged]))
    assert [i.context for i in found.items] == ["Yes."]
    assert [r.reason for r in found.rejects] == ["broken_row"]


def test_the_random_passage_depends_on_the_sample_and_the_seed_alone(tmp_path: Path) -> None:
    samples = [sample(n, ["No Answer Present."], []) for n in range(200)]
    path = write(tmp_path, "jsonl", samples)
    contexts = {i.qa_id: i.context for i in read_msmarco(path).items}
    assert set(contexts.values()) == {f"Passage {i}." for i in range(4)}
    fewer = read_msmarco(write(tmp_path, "jsonl", samples[::7]))
    assert {i.qa_id: i.context for i in fewer.items}.items() <= contexts.items()
    write(tmp_path, "jsonl", samples)
    assert {i.qa_id: i.context for i in read_msmarco(path, seed=1).items} != contexts


def test_one_passage_is_one_group(tmp_path: Path) -> None:
    found = read_msmarco(write(tmp_path, "jsonl", [sample(n, ["a"], [1]) for n in range(3)]))
    assert len({i.passage_id for i in found.items}) == 1


def test_a_broken_line_is_one_reject(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    path.write_text(as_lines(SAMPLES[:2]) + '{"query": \n' + as_lines(SAMPLES[-1:]))
    found = read_msmarco(path)
    assert found.ids == ["1", "2", "13"]
    assert found.reasons == {"dev.json:3": "broken_json"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"answers": {}}', "is not MS MARCO v2.1"),
        ("[1, 2]", "is not MS MARCO v2.1"),
        ('{\n "query": {"0": }\n}', "line 2, column 17"),
        ("", "line 1, column 1"),
    ],
)
def test_files_of_another_form(tmp_path: Path, content: str, expected: str) -> None:
    path = tmp_path / "dev.json"
    path.write_text(content)
    with pytest.raises(CorpusError, match=expected):
        read_msmarco(path)
