"""The LJSpeech layout."""

from pathlib import Path
from typing import Any

import pytest

from sdg_assets.corpora.base import CorpusError
from sdg_tests.corpora.reading import Found, corpus, read


def make(root: Path, metadata: str, *audio: str) -> None:
    for path in audio:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    (root / "metadata.csv").write_text(metadata, encoding="utf-8")


def read_lj(root: Path, kind: str = "labelled_speech", **options: Any) -> Found:
    return read(corpus(kind, {"layout": "ljspeech", "path": str(root)} | options))


def test_two_and_three_columns(tmp_path: Path) -> None:
    make(
        tmp_path,
        'LJ1|He said "no".\nLJ2|In 1450|In fourteen fifty\nLJ3|Only written|\n\n',
        "wavs/LJ1.wav", "wavs/LJ2.flac", "wavs/LJ3.ogg",
    )  # fmt: skip
    found = read_lj(tmp_path)
    assert found.texts == {
        "LJ1": 'He said "no".',
        "LJ2": "In fourteen fifty",
        "LJ3": "Only written",
    }
    assert found.items[1].audio.path == str(tmp_path / "wavs" / "LJ2.flac")
    assert {i.speaker for i in found.items} == {None}
    assert read_lj(tmp_path, text="written").texts["LJ2"] == "In 1450"
    assert {i.speaker for i in read_lj(tmp_path, speaker="Linda").items} == {"Linda"}


def test_ids_with_folders_suffixes_and_dots(tmp_path: Path) -> None:
    make(tmp_path, "wavs/a.wav|one\nb.1|two\n", "wavs/a.wav", "wavs/b.1.wav")
    assert read_lj(tmp_path).texts == {"a": "one", "b%2E1": "two"}


def test_text_without_audio_and_audio_without_text(tmp_path: Path) -> None:
    make(
        tmp_path,
        "a|one\nb|two\nc|\nd\na|again\nf|\nf|second\n",
        "x/a.wav",
        "x/c.wav",
        "x/d.wav",
        "x/e.wav",
        "x/f.wav",
    )
    found = read_lj(tmp_path)
    assert found.texts == {"a": "one", "f": "second"}
    reasons = [(r.item_id, r.reason) for r in found.rejects]
    assert reasons == [
        ("b", "orphan_transcript"),
        ("c", "empty_text"),
        ("d", "empty_text"),
        ("a", "duplicate_id"),
        ("f", "empty_text"),
        ("e", "missing_text"),
    ]
    assert all(r.detail.startswith("metadata.csv:") for r in found.rejects[:-1])
    assert read_lj(tmp_path, "unlabelled_speech").ids == ["a", "c", "d", "f", "e"]


def test_no_metadata(tmp_path: Path) -> None:
    make(tmp_path, "", "wavs/a.wav")
    with pytest.raises(CorpusError, match=r"no file .*/list\.csv"):
        read_lj(tmp_path, metadata="list.csv")


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("folder", "count", "first"),
    [
        ("kerstin_de", 80, "Ich danke ihm nochmals für seine Arbeit."),
        ("ljspeech_mini", 8, "Printing, in the only sense with which"),
    ],
)
def test_real_data(shared_data: Path, folder: str, count: int, first: str) -> None:
    found = read_lj(shared_data / folder)
    assert len(found.items) == count
    assert found.items[0].text.startswith(first)
    assert found.rejects == []
