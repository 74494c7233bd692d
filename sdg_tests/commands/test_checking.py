"""What a preview says of a collection: what comes in, how it is split, and what is amiss."""

from pathlib import Path
from typing import Any

import pytest

from sdg_assets.commands import checking
from sdg_assets.commands.checking import Preview, preview
from sdg_tests.corpora.reading import corpus
from sdg_tests.factory import write_speech


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four recordings of two speakers."""
    for speaker in ("ann", "bob"):
        write_speech(tmp_path / speaker, ["One lamp.", "Two lamps."])
    return tmp_path


def look(folder: Path, kind: str = "labelled_speech", **fields: Any) -> Preview:
    return preview(corpus(kind, {"layout": "folder", "path": str(folder)}, **fields), "en")


def test_sets_are_counted_by_item_and_speaker(folder: Path) -> None:
    seen = look(folder, split={"by": "speaker", "test_groups": ["bob"], "validation": 0, "train": 1,
                               "test": 0})  # fmt: skip
    assert (seen.items, seen.problem, seen.warning) == (4, "", "")
    assert [seen.count_items(split) for split in ("train", "validation", "test")] == [2, 0, 2]
    assert (seen.count_groups("test"), seen.count_groups()) == ("1 speaker", "2 speakers")


@pytest.mark.parametrize(
    ("split", "said"),
    [
        (
            {"by": "speaker", "train": 0.98, "validation": 0.01, "test": 0.01},
            "none of its 4 items (2 speakers) is in validation or test: split by utterance, name "
            "speakers in split.test_groups, or try another split.seed",
        ),
        (
            {"by": "utterance", "train": 0.99, "validation": 0, "test": 0.01},
            "is in test: try another split.seed",
        ),
        (
            {"by": "speaker", "train": 1, "validation": 0, "test": 0, "test_groups": ["eve"]},
            "is in test: split.test_groups (eve) names none of them",
        ),
        ({"by": "speaker", "train": 1, "validation": 0, "test": 0}, ""),
    ],
)
def test_an_empty_set_that_was_promised_is_told(
    folder: Path, split: dict[str, Any], said: str
) -> None:
    warning = look(folder, split=split).warning
    assert said in warning
    assert bool(said) == bool(warning)


def test_unknown_speakers_are_told(tmp_path: Path) -> None:
    write_speech(tmp_path, ["One lamp.", "Two lamps."])
    assert look(tmp_path).warning.startswith("no speaker is known")
    assert "no speaker" not in look(tmp_path, split={"by": "utterance"}).warning


def test_of_a_part_the_whole_is_not_claimed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "READ_SECONDS", 0.0)
    monkeypatch.setattr(checking, "HEARD_ITEMS", 3)
    seen = look(folder, split={"by": "speaker", "train": 0.98, "validation": 0, "test": 0.02})
    assert (seen.read, seen.is_whole) == (3, False)
    assert seen.warning == (
        "none of the first 3 items (2 speakers) is in test; what was not read may be"
    )


def test_only_the_first_are_listened_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "HEARD_ITEMS", 1)
    for path in folder.glob("*/*.flac"):
        path.write_bytes(b"no audio")
    seen = look(folder)
    assert (seen.items, seen.reasons, seen.problem) == (3, "1 × not_audio", "")


def test_what_cannot_be_made_has_its_reason(folder: Path) -> None:
    (folder / "none").mkdir()
    assert "found 0 records in 'en'" in look(folder / "none").problem
    assert "there is no folder" in look(folder / "absent").problem
    for path in folder.glob("*/*.txt"):
        path.unlink()
    silent = look(folder)
    assert silent.problem == "none of its items can be used: 4 × missing_text"
    assert silent.warning == ""


def test_of_questions_passages_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "qa.jsonl"
    path.write_text('{"context": "A lamp.", "question": "What?", "answer": "A lamp"}\n')
    seen = preview(corpus("text_qa", {"layout": "jsonl_qa", "path": str(path)}), "en")
    assert seen.count_groups() == "1 passage"
    assert "none of its 1 items (1 passage)" in seen.warning
