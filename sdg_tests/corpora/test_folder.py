"""Folders of audio, as people keep them."""

import os
from pathlib import Path
from typing import Any

import fsspec
import pytest

from sdg_assets.corpora.base import CorpusError
from sdg_tests.corpora.reading import Found, corpus, read


def make(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(f"text of {path}", encoding="utf-8")


def read_folder(
    folder: Path, kind: str = "labelled_speech", language: str = "en", **options: Any
) -> Found:
    return read(corpus(kind, {"layout": "folder", "path": str(folder)} | options, language))


def test_text_lies_beside_the_audio(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", "a.txt", "b/c.mp3", "b/c.lab", "d.ogg", "d.normalized.txt",
         "e.opus", "e.normalized.txt", "e.txt")  # fmt: skip
    found = read_folder(tmp_path)
    assert found.texts == {
        "a": "text of a.txt",
        "b/c": "text of b/c.lab",
        "d": "text of d.normalized.txt",
        "e": "text of e.txt",
    }
    assert found.items[0].text_source == str(tmp_path / "a.txt")
    assert found.rejects == []


def test_text_is_expected_of_labelled_speech_only(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", "b.txt", "c.wav", "c.txt", "README.txt", "LICENSE.MIT.txt", "x.docx")
    (tmp_path / "d.wav").touch()
    (tmp_path / "d.txt").write_text(" \n")
    found = read_folder(tmp_path)
    assert found.ids == ["c"]
    assert found.reasons == {"a": "missing_text", "b": "orphan_transcript", "d": "empty_text"}
    unlabelled = read_folder(tmp_path, "unlabelled_speech")
    assert unlabelled.texts == {"a": None, "c": "text of c.txt", "d": ""}
    assert unlabelled.rejects == []


def test_byte_order_marks_and_other_encodings(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", "b.wav", "c.wav")
    (tmp_path / "a.txt").write_bytes("\ufeffGrüße\r\n".encode())
    (tmp_path / "b.txt").write_bytes("Grüße".encode("latin-1"))
    (tmp_path / "c.txt").write_bytes("Grüße".encode("utf-16"))
    found = read_folder(tmp_path)
    assert found.texts == {"a": "Grüße"}
    assert found.reasons == {"b": "not_utf8", "c": "not_utf8"}
    assert all(reject.detail.startswith("its text is not UTF-8") for reject in found.rejects)
    unlabelled = read_folder(tmp_path, "unlabelled_speech")
    assert unlabelled.texts == {"a": "Grüße", "b": None, "c": None}


def test_hidden_and_temporary_files_are_not_there(tmp_path: Path) -> None:
    make(tmp_path, ".a.wav", "b.wav.part", "c.tmp.wav", ".trash/d.wav", "e.wav", "_READY")
    assert read_folder(tmp_path, "unlabelled_speech").ids == ["e"]


def test_audio_that_cannot_be_decoded_is_listed_so_that_it_ends_in_quarantine(
    tmp_path: Path,
) -> None:
    make(tmp_path, "a.m4a", "b.webm", "C.WAV")
    assert read_folder(tmp_path, "unlabelled_speech").ids == ["C", "a", "b"]


@pytest.mark.parametrize(
    "name",
    [
        "मेरा घर",
        "録音",
        "a b",
        "new\nline",
        "q\"u'o`te",
        "-rf",
        "..",
        "a::b",
        "50%",
        "a\\b",
        "x|y,z",
    ],
)
def test_strange_names(tmp_path: Path, name: str) -> None:
    make(tmp_path, f"{name}.wav", f"{name}.txt")
    found = read_folder(tmp_path)
    if name == "..":  # "...wav" begins with a dot: hidden
        assert found.items == []
        return
    (item,) = found.items
    assert Path(item.audio.path).read_text() == f"text of {name}.wav"
    assert item.text == f"text of {name}.txt"


def test_a_name_that_is_not_utf8_is_a_reject(tmp_path: Path) -> None:
    make(tmp_path, "good.wav", "good.txt")
    for suffix in (b".wav", b".txt"):
        with open(os.fsencode(tmp_path) + b"/caf\xe9" + suffix, "wb") as file:
            file.write(b"x")
    found = read_folder(tmp_path)
    assert found.ids == ["good"]
    assert list(found.reasons.values()) == ["not_utf8"]
    assert found.rejects[0].detail.startswith("its file name is not UTF-8")


@pytest.mark.timeout(20)
def test_a_text_that_is_a_pipe_is_a_reject(tmp_path: Path) -> None:
    make(tmp_path, "a.wav")
    os.mkfifo(tmp_path / "a.txt")
    found = read_folder(tmp_path)
    assert found.ids == []
    assert "not a file" in found.rejects[0].detail


def test_two_files_with_one_id(tmp_path: Path) -> None:
    make(tmp_path, "a.flac", "a.wav", "a.txt")
    found = read_folder(tmp_path)
    assert [item.audio.path for item in found.items] == [str(tmp_path / "a.flac")]
    assert found.reasons == {"a": "duplicate_id"}
    assert "a.flac has the same id" in found.rejects[0].detail


def test_the_speaker_is_the_folder_unless_it_is_a_container(tmp_path: Path) -> None:
    make(tmp_path, "alice/1.wav", "wavs/2.wav", "bob/audio/3.wav", "4.wav", "x/carol/5.wav")
    found = read_folder(tmp_path, "unlabelled_speech")
    speakers = {item.utterance_id: item.speaker for item in found.items}
    assert speakers == {
        "alice/1": "alice",
        "wavs/2": None,
        "bob/audio/3": None,
        "4": None,
        "x/carol/5": "carol",
    }


def test_a_pattern_says_what_names_mean(tmp_path: Path) -> None:
    make(tmp_path, "train/7_jackson_0.wav", "dev/0_lucas_3.wav", "test/odd.wav")
    pattern = r"(?P<split>\w+)/(?P<text>\d)_(?P<speaker>\w+)_\d+"
    found = read_folder(tmp_path, pattern=pattern, language="de")
    assert [(i.split, i.text, i.speaker) for i in found.items] == [
        ("validation", "0", "lucas"),
        ("train", "7", "jackson"),
    ]
    assert found.reasons == {"test/odd": "name_mismatch"}


def test_given_splits_are_demanded(tmp_path: Path) -> None:
    make(tmp_path, "train/a.wav", "misc/b.wav")
    config = corpus(
        "unlabelled_speech",
        {"layout": "folder", "path": str(tmp_path), "pattern": r"(?P<split>\w+)/"},
        split={"by": "given"},
    )
    found = read(config)
    assert found.ids == ["train/a"]
    assert found.reasons == {"misc/b": "no_split"}


def test_languages_in_folders_and_in_names(tmp_path: Path) -> None:
    make(tmp_path, "de/a.wav", "en/b.wav", "zh-CN/c.wav", "x-de-1.wav", "x-en-2.wav")
    reader = {"layout": "folder", "path": f"{tmp_path}/{{language}}"}
    config = corpus(
        "unlabelled_speech",
        reader | {"language_names": {"zh-cn": "zh-CN"}},
        "de", "en", "zh-cn", "fr",
    )  # fmt: skip
    assert read(config, "de").ids == ["a"]
    assert read(config, "zh-cn").ids == ["c"]
    with pytest.raises(CorpusError, match=r"there is no folder .*/fr"):
        read(config, "fr")
    with pytest.raises(CorpusError, match="has no language 'sw'"):
        read(config, "sw")
    by_name = {"layout": "folder", "path": str(tmp_path), "include": "x-{language}-*"}
    config = corpus("unlabelled_speech", by_name, "de", "en")
    assert (read(config, "de").ids, read(config, "en").ids) == (["x-de-1"], ["x-en-2"])


def test_an_object_store() -> None:
    for path in ("s/1.wav", "s/1.txt", "t/2.wav"):
        with fsspec.open(f"memory://bucket/corpus/{path}", "w") as file:
            file.write(path)
    found = read(corpus("labelled_speech", {"layout": "folder", "path": "memory://bucket/corpus"}))
    (item,) = found.items
    assert (item.utterance_id, item.speaker, item.text) == ("s/1", "s", "s/1.txt")
    assert item.audio.path == "memory://bucket/corpus/s/1.wav"
    assert found.reasons == {"t/2": "missing_text"}


def test_an_empty_folder(tmp_path: Path) -> None:
    assert read_folder(tmp_path).items == []


def test_reading_is_lazy_and_repeatable(tmp_path: Path) -> None:
    make(tmp_path, *(f"{n}.wav" for n in range(20)), *(f"{n}.txt" for n in range(20)))
    assert read_folder(tmp_path) == read_folder(tmp_path)


@pytest.mark.real_data
@pytest.mark.parametrize("language", ["de", "en", "fr"])
def test_real_fleurs(shared_data: Path, language: str) -> None:
    found = read_folder(
        shared_data / "fleurs_mini", language=language, include="fleurs-{language}-*"
    )
    assert found.ids == [f"fleurs-{language}-{n:03d}" for n in range(10)]
    assert all(item.text for item in found.items)
    assert found.rejects == []


@pytest.mark.real_data
def test_real_mixed_formats_with_lab_files(shared_data: Path) -> None:
    found = read_folder(shared_data / "mfa_mixed")
    assert len(found.items) == 9
    assert found.rejects == []
    assert found.texts["common_voice_ja_24511055"] == (
        "真っ昼間なのにキャンプの外れの電柱に電球がともっていた"
    )
    japanese = read_folder(
        shared_data / "mfa_mixed", include="common_voice_{language}_*", language="ja"
    )
    assert len(japanese.items) == 1


@pytest.mark.real_data
def test_real_digits_are_labelled_by_their_names(shared_data: Path) -> None:
    found = read_folder(
        shared_data / "fsdd", pattern=r"recordings/(?P<text>\d)_(?P<speaker>\w+)_\d+"
    )
    assert len(found.items) == 1200
    assert len({item.speaker for item in found.items}) == 6
    assert {item.text for item in found.items} == set("0123456789")


@pytest.mark.real_data
def test_real_speech_without_labels(shared_data: Path) -> None:
    found = read_folder(shared_data / "librispeech_unlabeled", "unlabelled_speech")
    assert len(found.items) == 30
    assert len(read_folder(shared_data / "librispeech_unlabeled").rejects) == 30
