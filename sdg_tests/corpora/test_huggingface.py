"""Hugging Face data sets, all local: files, saved ones, and what cannot be opened."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdg_assets.audio import decode, encode_flac
from sdg_assets.corpora.base import CorpusError
from sdg_assets.corpora.splits import split_of
from sdg_tests.corpora.reading import corpus, read

datasets = pytest.importorskip("datasets", reason="the `hf` extra is not installed")


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))


def flac(seconds: float) -> bytes:
    return encode_flac(np.full(round(16_000 * seconds), 0.1, np.float32))


def speech(**columns: list[Any]) -> Any:
    table = datasets.Dataset.from_dict(columns)
    return table.cast_column("audio", datasets.Audio(sampling_rate=16_000))


CLIPS = [{"bytes": flac(n), "path": f"clip{n}.flac"} for n in (1, 2, 3)]


def write_parquet(folder: Path, tables: Mapping[str, Any]) -> Path:
    folder.mkdir()
    for split, table in tables.items():
        table.to_parquet(str(folder / f"{split}-00000-of-00001.parquet"))
    return folder


@pytest.mark.parametrize("metadata", ["", "metadata.csv", "metadata.jsonl"])
def test_a_folder_of_audio(tmp_path: Path, metadata: str) -> None:
    (tmp_path / "set" / "train").mkdir(parents=True)
    for number in (1, 2):
        (tmp_path / f"set/train/clip{number}.flac").write_bytes(flac(number))
    listed = {
        "metadata.csv": "file_name,transcription\nclip1.flac,eins\nclip2.flac,zwei\n",
        "metadata.jsonl": '{"file_name": "clip1.flac", "transcription": "eins"}\n'
        '{"file_name": "clip2.flac", "transcription": "zwei"}\n',
    }
    if metadata:
        (tmp_path / "set" / "train" / metadata).write_text(listed[metadata])
    reader = {"layout": "huggingface", "path": str(tmp_path / "set")}
    found = read(corpus("labelled_speech" if metadata else "unlabelled_speech", reader, "de"))
    assert found.rejects == []
    assert {i.utterance_id: i.text for i in found.items} == {
        "train/clip1": "eins" if metadata else None,
        "train/clip2": "zwei" if metadata else None,
    }
    assert {len(decode(i.audio, 60).samples) for i in found.items} == {16_000, 32_000}


def test_speech_stays_encoded_until_we_decode_it(tmp_path: Path) -> None:
    train = speech(audio=CLIPS[:2], sentence=["eins", "zwei"], client_id=["x", "y"])
    test = speech(audio=CLIPS[2:], sentence=["drei"], client_id=["z"])
    folder = write_parquet(tmp_path / "set", {"train": train, "test": test})
    reader = {"layout": "huggingface", "path": str(folder)}
    config = corpus("labelled_speech", reader, "de", split={"by": "given"})
    found = read(config)
    assert found.rejects == []
    assert {i.utterance_id: (i.text, i.speaker) for i in found.items} == {
        "clip1": ("eins", "x"),
        "clip2": ("zwei", "y"),
        "clip3": ("drei", "z"),
    }
    assert {i.utterance_id: split_of(i, config.split) for i in found.items}["clip3"] == "test"
    assert {i.utterance_id: len(decode(i.audio, 60).samples) for i in found.items} == {
        "clip1": 16_000,
        "clip2": 32_000,
        "clip3": 48_000,
    }


def test_a_saved_data_set_and_columns_by_other_names(tmp_path: Path) -> None:
    table = speech(audio=CLIPS, words=["a", "b", "c"], number=[7, 8, 9], spare=CLIPS)
    table = table.cast_column("spare", datasets.Audio())
    datasets.DatasetDict({"part": table}).save_to_disk(str(tmp_path / "saved"))
    found = read(
        corpus(
            "labelled_speech",
            {
                "layout": "huggingface",
                "path": str(tmp_path / "saved"),
                "splits": {"validation": "part"},
                "columns": {"text": "words", "id": "number"},
            },
        )
    )
    assert found.texts == {"7": "a", "8": "b", "9": "c"}
    assert {i.split for i in found.items} == {"validation"}


def test_audio_paths_without_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.flac").write_bytes(flac(1))
    rows = [{"audio": str(tmp_path / "a.flac"), "text": "x", "id": "a"}]
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    found = read(
        corpus("labelled_speech", {"layout": "huggingface", "path": str(tmp_path / "set")})
    )
    (item,) = found.items
    assert item.audio.path == str(tmp_path / "a.flac")
    assert len(decode(item.audio, 60).samples) == 16_000


def test_rows_that_lack_something(tmp_path: Path) -> None:
    clips = [*CLIPS[:1], {"bytes": None, "path": None}, *CLIPS[1:]]
    table = speech(
        audio=clips,
        text=["a", "b", None, "d"],
        id=["1", "2", "3", "1"],
        language=["en", "en-US", None, "en"],
    )
    folder = write_parquet(tmp_path / "set", {"train": table})
    found = read(corpus("labelled_speech", {"layout": "huggingface", "path": str(folder)}))
    assert found.ids == ["1"]
    assert [r.reason for r in found.rejects] == ["missing_audio", "missing_text", "duplicate_id"]
    german = corpus("labelled_speech", {"layout": "huggingface", "path": str(folder)}, "de")
    assert read(german).reasons == {"3": "missing_text"}


def write_rows(folder: Path, *rows: dict[str, Any]) -> Path:
    folder.mkdir()
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_questions_in_squads_form(tmp_path: Path) -> None:
    def row(name: str, **answers: list[Any]) -> dict[str, Any]:
        return {"id": name, "context": "A red lamp.", "question": f"{name}?", "answers": answers}

    folder = write_rows(
        tmp_path / "set",
        row("good", text=["red"], answer_start=[2]),
        row("wrong", text=["red"], answer_start=[1]),
        row("none", text=[], answer_start=[]),
    )
    found = read(corpus("text_qa", {"layout": "huggingface_qa", "path": str(folder)}))
    assert [(i.qa_id, i.answer, i.answerable) for i in found.items] == [
        ("good", "red", True),
        ("none", "I could not find the answer in the audio.", False),
    ]
    assert found.reasons == {"wrong": "answer_not_in_context"}
    assert {i.split for i in found.items} == {"train"}


def test_questions_in_plain_form(tmp_path: Path) -> None:
    folder = write_rows(
        tmp_path / "set",
        {"passage": "A lamp.", "query": "What?", "reply": ["A lamp.", "Lamp."]},
        {"passage": "A lamp.", "query": "Who?", "reply": []},
        {"passage": None, "query": "Who?", "reply": ["x"]},
    )
    columns = {"answer": "reply"}
    found = read(
        corpus("text_qa", {"layout": "huggingface_qa", "path": str(folder), "columns": columns})
    )
    assert [(i.answer, i.answerable) for i in found.items] == [
        ("A lamp.", True),
        ("I could not find the answer in the audio.", False),
    ]
    assert [r.reason for r in found.rejects] == ["broken_row"]


def test_rows_of_several_languages(tmp_path: Path) -> None:
    row = {"context": "A red lamp.", "question": "q?"}
    spans = {"text": ["red"], "answer_start": [2]}
    answers = {"plain": ("answer", "red"), "squad": ("answers", spans)}
    for form, (column, answer) in answers.items():
        folder = write_rows(
            tmp_path / form,
            row | {"id": "a", "language": "en", column: answer},
            row | {"id": "b", "language": None, column: answer},
        )
        reader = {"layout": "huggingface_qa", "path": str(folder)}
        found = read(corpus("text_qa", reader, "en", "de"))
        assert (found.ids, found.reasons) == (["a"], {"b": "no_language"})
    table = speech(audio=CLIPS, text=["a", "b", "c"], locale=["en", None, "de"])
    folder = write_parquet(tmp_path / "set", {"train": table})
    reader = {"layout": "huggingface", "path": str(folder)}
    found = read(corpus("labelled_speech", reader, "en", "de"))
    assert (found.ids, found.reasons) == (["clip1"], {"clip2": "no_language"})


def test_a_folder_for_each_language(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for language in ("de", "fr"):
        row = {"context": "c", "question": "q", "answer": language}
        write_rows(tmp_path / "set" / language, row)
    path = f"{tmp_path}/set/{{language}}"
    config = corpus("text_qa", {"layout": "huggingface_qa", "path": path}, "de", "fr")
    assert [i.answer for i in read(config, "fr").items] == ["fr"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"path": "/absent/set"}, "/absent/set cannot be opened"),
        ({"path": "organisation/absent-set"}, "give the path of a local copy"),
        ({"splits": {"test": "dev"}}, r"has no split 'dev' \(it has train\): correct `splits`"),
        ({"columns": {"answer": "reply"}}, "has no column 'reply'; it has context, question, x"),
        ({}, "has no column answers or answer; it has context, question, x: name the right one"),
    ],
)
def test_errors_say_what_to_do(tmp_path: Path, options: dict[str, Any], expected: str) -> None:
    folder = write_rows(tmp_path / "set", {"context": "c", "question": "q", "x": "a"})
    reader = {"layout": "huggingface_qa", "path": str(folder)} | options
    with pytest.raises(CorpusError, match=expected):
        read(corpus("text_qa", reader))


def test_broken_rows_in_the_middle_are_an_error_of_the_corpus(tmp_path: Path) -> None:
    folder = write_rows(tmp_path / "set", {"context": "c", "question": "q", "answer": "a"})
    with (folder / "train.jsonl").open("a") as file:
        file.write('{"context": \n')
    with pytest.raises(CorpusError, match=r"cannot be (read|opened)"):
        read(corpus("text_qa", {"layout": "huggingface_qa", "path": str(folder)}))
