"""SQuAD 1.1 and 2.0, and XQuAD."""

import json
from pathlib import Path
from typing import Any

import pytest

from sdg_assets.corpora.base import CorpusError
from sdg_assets.corpora.splits import split_of
from sdg_tests.corpora.reading import Found, corpus, read

CONTEXT = "कमला ने लाल दीपक ख़रीदा। Kamala bought a red lamp."


def qa(name: str | int, *answers: tuple[str, int], **fields: Any) -> dict[str, Any]:
    spans = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": name, "question": f"Question {name}?", "answers": spans} | fields


def write(path: Path, *paragraphs: Any) -> Path:
    content = {"version": "v2.0", "data": [{"title": "t", "paragraphs": list(paragraphs)}]}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def read_squad(path: Path | str, language: str = "en", **options: Any) -> Found:
    return read(corpus("text_qa", {"layout": "squad", "path": str(path)} | options, language))


def test_answers_by_their_place(tmp_path: Path) -> None:
    red = CONTEXT.index("red")
    found = read_squad(
        write(
            tmp_path / "s.json",
            {
                "context": CONTEXT,
                "qas": [
                    qa("first", ("red lamp", red), ("lamp", red + 4)),
                    qa("second right", ("Red", red), ("red", red)),
                    qa(3, ("लाल", 8)),
                ],
            },
        )
    )
    assert [(i.qa_id, i.answer, i.answerable) for i in found.items] == [
        ("first", "red lamp", True),
        ("second%20right", "red", True),
        ("3", "लाल", True),
    ]
    assert len({i.passage_id for i in found.items}) == 1


def test_wrong_places_are_rejects(tmp_path: Path) -> None:
    red = CONTEXT.index("red")
    questions = [
        qa("bytes", ("red", len(CONTEXT[:red].encode()))),
        qa("negative", ("lamp.", -5)),
        qa("absent", ("blue", 0)),
        qa("good", ("red", red)),
    ]
    found = read_squad(write(tmp_path / "s.json", {"context": CONTEXT, "qas": questions}))
    assert found.ids == ["good"]
    assert found.reasons == dict.fromkeys(["bytes", "negative", "absent"], "answer_not_in_context")
    assert "'blue' is not in the passage at character 0" in found.rejects[2].detail


@pytest.mark.parametrize(
    ("language", "refusal"),
    [
        ("en", "I could not find the answer in the audio."),
        ("de", "Ich konnte die Antwort in der Aufnahme nicht finden."),
        ("hi", "मुझे ऑडियो में उत्तर नहीं मिला।"),
    ],
)
def test_unanswerable_questions_are_refused(tmp_path: Path, language: str, refusal: str) -> None:
    question = qa("no", is_impossible=True, plausible_answers=[{"text": "red", "answer_start": 1}])
    path = write(tmp_path / "s.json", {"context": CONTEXT, "qas": [question]})
    (item,) = read_squad(path, language).items
    assert (item.answer, item.answerable) == (refusal, False)


def test_what_is_not_of_the_form(tmp_path: Path) -> None:
    found = read_squad(
        write(
            tmp_path / "s.json",
            {"qas": []},
            "paragraph",
            {"context": CONTEXT, "qas": [{"question": "no id"}, qa("none"), qa("e", ("", 0))]},
            {"context": " ", "qas": [qa("blank", (" ", 0))]},
            {"context": CONTEXT, "qas": [qa("none"), qa("ok", ("Kamala", CONTEXT.index("K")))]},
        )
    )
    assert found.ids == ["ok"]
    assert [(r.item_id, r.reason) for r in found.rejects] == [
        ("data[0].paragraphs[0]", "broken_row"),
        ("data[0].paragraphs[1]", "broken_row"),
        ("data[0].paragraphs[2].qas[0]", "broken_row"),
        ("none", "no_answer"),
        ("e", "empty_answer"),
        ("blank", "empty_context"),
        ("none", "no_answer"),
    ]


def test_duplicates_the_first_wins(tmp_path: Path) -> None:
    paragraph = {"context": CONTEXT, "qas": [qa("a", ("Kamala", CONTEXT.index("K")))]}
    found = read_squad(write(tmp_path / "s.json", paragraph, paragraph))
    assert found.ids == ["a"]
    assert found.reasons == {"a": "duplicate_id"}


@pytest.mark.parametrize("content", ["[]", '{"data": 1}', '{"rows": []}', '{"data": [{}]}'])
def test_files_of_another_form(tmp_path: Path, content: str) -> None:
    (tmp_path / "s.json").write_text(content)
    with pytest.raises(CorpusError, match="is not in SQuAD's form"):
        read_squad(tmp_path / "s.json")


def test_a_broken_file_names_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"data": [\n  {"title": }\n]}')
    with pytest.raises(CorpusError, match="line 2, column 13"):
        read_squad(tmp_path / "s.json")


def test_splits_of_the_corpus_itself(tmp_path: Path) -> None:
    for split in ("train", "dev"):
        question = qa(split, ("Kamala", CONTEXT.index("K")))
        write(tmp_path / f"{split}-v2.0.json", {"context": CONTEXT, "qas": [question]})
    paths = {
        "train": str(tmp_path / "train-v2.0.json"),
        "validation": str(tmp_path / "dev-v2.0.json"),
    }
    config = corpus("text_qa", {"layout": "squad", "path": paths}, split={"by": "given"})
    sides = {item.qa_id: split_of(item, config.split) for item in read(config).items}
    assert sides == {"train": "train", "dev": "validation"}


def test_byte_order_marks_within_a_passage(tmp_path: Path) -> None:
    """XQuAD has them; places of answers count them, but nobody should speak them."""
    paragraph = {"context": "\ufeffA red lamp.", "qas": [qa("a", ("red", 3))]}
    (item,) = read_squad(write(tmp_path / "s.json", paragraph)).items
    assert (item.context, item.answer) == ("A red lamp.", "red")


@pytest.mark.real_data
@pytest.mark.parametrize("language", ["en", "de", "es", "zh", "hi"])
def test_real_xquad(shared_data: Path, language: str) -> None:
    found = read_squad(shared_data / "xquad" / "xquad.{language}.json", language)
    assert len(found.items) == 1190
    assert len({i.passage_id for i in found.items}) == 240
    assert all(i.answer in i.context or "\ufeff" in i.context for i in found.items)
    assert not any("\ufeff" in i.context + i.question + i.answer for i in found.items)
    assert found.rejects == []


@pytest.mark.real_data
def test_real_translations_can_be_kept_on_one_side(shared_data: Path) -> None:
    def sides(language: str, parallel: bool) -> dict[str, str]:
        path = f"{shared_data}/xquad/xquad.{{language}}.json"
        reader = {"layout": "squad", "path": path, "parallel": parallel}
        config = corpus("text_qa", reader, language)
        return {i.qa_id: split_of(i, config.split) for i in read(config).items}

    english, chinese = sides("en", True), sides("zh", True)
    assert english == chinese
    assert set(english.values()) == {"train", "validation", "test"}
    assert sides("en", False) != sides("zh", False)
