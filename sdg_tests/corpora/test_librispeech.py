"""The LibriSpeech tree."""

from pathlib import Path

import fsspec
import pytest

from sdg_tests.corpora.reading import Found, corpus, read


def make_chapter(root: Path, speaker: str, chapter: str, texts: dict[str, str | None]) -> Path:
    """Audio files 0000, 0001 ... of a chapter; those without a text are not in its list."""
    folder = root / speaker / chapter
    folder.mkdir(parents=True)
    lines = []
    for number, text in texts.items():
        (folder / f"{speaker}-{chapter}-{number}.flac").touch()
        if text is not None:
            lines.append(f"{speaker}-{chapter}-{number} {text}\n")
    (folder / f"{speaker}-{chapter}.trans.txt").write_text("".join(lines), encoding="utf-8")
    return folder


def read_tree(root: Path, kind: str = "labelled_speech", **fields: object) -> Found:
    return read(corpus(kind, {"layout": "librispeech", "path": str(root)}, **fields))


def test_the_whole_corpus_with_its_subsets(tmp_path: Path) -> None:
    make_chapter(tmp_path / "train-clean-100", "19", "198", {"0000": "NORTHANGER ABBEY"})
    make_chapter(tmp_path / "dev-other", "116", "288044", {"0001": "BUT MARSHALL SAID"})
    make_chapter(tmp_path / "test-clean", "61", "70968", {"0000": "HE BEGAN", "0001": "A TUNE"})
    (tmp_path / "SPEAKERS.TXT").write_text("19 | F")
    found = read_tree(tmp_path, split={"by": "given"})
    assert [(i.utterance_id, i.speaker, i.split, i.text) for i in found.items] == [
        ("116-288044-0001", "116", "validation", "BUT MARSHALL SAID"),
        ("61-70968-0000", "61", "test", "HE BEGAN"),
        ("61-70968-0001", "61", "test", "A TUNE"),
        ("19-198-0000", "19", "train", "NORTHANGER ABBEY"),
    ]
    assert found.rejects == []


def test_one_subset_by_itself_still_has_its_split(tmp_path: Path) -> None:
    make_chapter(tmp_path / "test-clean", "61", "70968", {"0000": "HE BEGAN"})
    (item,) = read_tree(tmp_path / "test-clean").items
    assert (item.split, item.speaker) == ("test", "61")


def test_text_without_audio_and_audio_without_text(tmp_path: Path) -> None:
    folder = make_chapter(tmp_path, "1", "2", {"0000": None, "0001": "YES"})
    with (folder / "1-2.trans.txt").open("a") as file:
        file.write("1-2-0009 NOBODY SAID THIS\n\n1-2-0010\n")
    found = read_tree(tmp_path)
    assert found.texts == {"1-2-0001": "YES"}
    assert found.reasons == {
        "1-2-0000": "missing_text",
        "1-2-0009": "orphan_transcript",
        "1-2-0010": "orphan_transcript",
    }
    assert read_tree(tmp_path, "unlabelled_speech").texts == {"1-2-0000": None, "1-2-0001": "YES"}


def test_a_transcript_line_that_is_not_utf8(tmp_path: Path) -> None:
    folder = make_chapter(tmp_path, "1", "2", {"0000": None, "0001": "YES"})
    with (folder / "1-2.trans.txt").open("ab") as file:
        file.write(b"1-2-0000 CAF\xc9\n")
    found = read_tree(tmp_path)
    assert found.ids == ["1-2-0001"]
    assert found.reasons == {"1-2-0000": "not_utf8"}


def test_an_object_store() -> None:
    with fsspec.open("memory://ls/dev-clean/1/2/1-2-0000.flac", "w") as file:
        file.write("x")
    with fsspec.open("memory://ls/dev-clean/1/2/1-2.trans.txt", "w") as file:
        file.write("1-2-0000 HELLO")
    found = read(corpus("labelled_speech", {"layout": "librispeech", "path": "memory://ls"}))
    (item,) = found.items
    assert (item.text, item.speaker, item.split) == ("HELLO", "1", "validation")
    assert item.audio.path == "memory://ls/dev-clean/1/2/1-2-0000.flac"


@pytest.mark.real_data
def test_real_speech_in_folders_of_speakers(shared_data: Path) -> None:
    found = read_tree(shared_data / "librispeech_test_other" / "audio", "unlabelled_speech")
    assert len(found.items) == 50
    assert {i.speaker for i in found.items} == {"1688", "1998", "2033", "2414", "2609"}
