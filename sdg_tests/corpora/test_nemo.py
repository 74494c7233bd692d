"""NeMo manifests."""

import io
import json
from itertools import islice
from pathlib import Path
from typing import Any

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdg_assets.corpora import open_reader
from sdg_assets.corpora.base import CorpusError
from sdg_tests.corpora.reading import Found, corpus, read

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)


def write(folder: Path, *rows: dict[str, Any] | str) -> Path:
    path = folder / "manifest.jsonl"
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def read_manifest(path: Path, language: str = "en", kind: str = "labelled_speech") -> Found:
    return read(corpus(kind, {"layout": "nemo", "path": str(path)}, language))


def test_whole_files_and_segments(tmp_path: Path) -> None:
    for name in ("a.wav", "talk.wav"):
        (tmp_path / name).touch()
    path = write(
        tmp_path,
        {"audio_filepath": "a.wav", "duration": 2.5, "text": "नमस्ते", "speaker": 7},
        {"audio_filepath": "talk.wav", "offset": 0, "duration": 1.5, "text": "one"},
        {"audio_filepath": f"{tmp_path}/talk.wav", "offset": 1.5, "duration": 2, "text": "two"},
        {"audio_filepath": "talk.wav", "offset": 3.5, "text": "rest", "id": "utt 9"},
    )
    found = read_manifest(path)
    assert found.rejects == []
    whole, first, second, rest = found.items
    assert (whole.utterance_id, whole.speaker, whole.text) == ("a", "7", "नमस्ते")
    assert (whole.audio.start, whole.audio.duration) == (None, None)
    assert first.utterance_id == "talk-00000000-00001500"
    assert (first.audio.start, first.audio.duration) == (0, 1.5)
    assert second.utterance_id.endswith("talk-00001500-00003500")
    assert (rest.utterance_id, rest.audio.start, rest.audio.duration) == ("utt%209", 3.5, None)


def test_languages(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    path = write(
        tmp_path,
        {"audio_filepath": "a.wav", "lang": "en-US", "text": "a", "id": 1},
        {"audio_filepath": "a.wav", "lang": "pt_BR", "text": "b", "id": 2},
        {"audio_filepath": "a.wav", "lang": "pt", "text": "c", "id": 3},
        {"audio_filepath": "a.wav", "text": "d", "id": 4},
    )
    assert read_manifest(path, "en").ids == ["1", "4"]
    assert read_manifest(path, "pt").ids == ["2", "3", "4"]
    assert read_manifest(path, "pt-br").ids == ["2", "4"]


def test_bad_rows_are_rejects_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    good = {"audio_filepath": "a.wav", "text": "good"}
    path = write(
        tmp_path,
        good,
        '{"audio_filepath": "a.wav", ',
        {"text": "no audio"},
        {"audio_filepath": "a.wav", "offset": -1, "text": "x"},
        '{"audio_filepath": "a.wav", "offset": NaN, "text": "x"}',
        {"audio_filepath": "a.wav", "offset": 0, "duration": "long", "text": "x"},
        {"audio_filepath": "", "text": "x"},
        {"audio_filepath": "absent.wav", "text": "x"},
        {"audio_filepath": "a.wav", "id": "silent"},
        '{"audio_filepath": "a.wav", "id": "half", "text": "\\ud83d"}',
        {"audio_filepath": "a.wav", "text": "last", "id": "last"},
    )
    found = read_manifest(path)
    assert found.texts == {"a": "good", "last": "last"}
    assert [(r.item_id, r.reason) for r in found.rejects] == [
        ("manifest.jsonl:2", "broken_json"),
        ("manifest.jsonl:3", "broken_row"),
        ("manifest.jsonl:4", "broken_row"),
        ("manifest.jsonl:5", "broken_row"),
        ("manifest.jsonl:6", "broken_row"),
        ("manifest.jsonl:7", "broken_row"),
        ("absent", "missing_audio"),
        ("silent", "missing_text"),
        ("half", "not_utf8"),
    ]
    assert "audio_filepath: is missing" in found.rejects[1].detail
    for number, reject in enumerate(found.rejects, start=2):
        assert f"manifest.jsonl:{number}" in f"{reject.item_id} {reject.detail}"
    assert "silent" in read_manifest(path, kind="unlabelled_speech").ids


def test_missing_audio_is_told_of_unlabelled_speech_too(tmp_path: Path) -> None:
    path = write(tmp_path, {"audio_filepath": "absent.wav"})
    assert read_manifest(path, kind="unlabelled_speech").reasons == {"absent": "missing_audio"}


def test_several_manifests(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    for split in ("train", "test"):
        manifest = write(tmp_path, {"audio_filepath": "a.wav", "text": "x", "id": split})
        manifest.rename(tmp_path / f"{split}_manifest.json")
    assert read_manifest(tmp_path / "*_manifest.json").ids == ["test", "train"]
    paths = {split: f"{tmp_path}/{split}_manifest.json" for split in ("train", "test")}
    found = read(corpus("labelled_speech", {"layout": "nemo", "path": paths}))
    assert {i.utterance_id: i.split for i in found.items} == {"train": "train", "test": "test"}


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="there is no file"):
        read_manifest(tmp_path / "absent.jsonl")


def test_a_long_manifest_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (f'{{"audio_filepath": "{n}.wav", "text": "x"}}\n' for n in range(100_000))
    manifest = io.BytesIO("".join(rows).encode())
    with fsspec.open("memory://long/manifest.json", "wb") as file:
        file.write(b"{}")
    monkeypatch.setattr("sdg_assets.corpora.files.open_binary", lambda path, compression: manifest)
    config = corpus("labelled_speech", {"layout": "nemo", "path": "memory://long/manifest.json"})
    items = open_reader(config).read("en")
    assert len(list(islice(items, 100))) == 100
    assert manifest.tell() < 10_000


@given(st.lists(st.dictionaries(st.sampled_from(["audio_filepath", "text", "offset", "id"]), JSON)))
def test_any_json_is_an_utterance_or_a_reject(rows: list[dict[str, Any]]) -> None:
    with fsspec.open("memory://any/manifest.json", "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    config = corpus("unlabelled_speech", {"layout": "nemo", "path": "memory://any/manifest.json"})
    found = read(config)
    assert len(found.items) + len(found.rejects) == len(rows)
    assert len(set(found.ids)) == len(found.ids)
