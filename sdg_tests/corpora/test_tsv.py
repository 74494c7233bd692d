"""Tables of audio files: Common Voice, and whatever else has a header."""

from pathlib import Path
from typing import Any

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdg_assets.corpora.base import CorpusError
from sdg_tests.corpora.reading import Found, corpus, read

COMMON_VOICE = "client_id\tpath\tsentence\tup_votes\tlocale\n"


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read_table(path: Path, language: str = "en", **options: Any) -> Found:
    reader = {"layout": "tsv", "path": str(path)} | options
    return read(corpus("labelled_speech", reader, language))


def touch_clips(folder: Path, *names: str) -> None:
    for name in names:
        write(folder / name, "x")


def test_common_voice(tmp_path: Path) -> None:
    touch_clips(tmp_path / "clips", "a.mp3", "b.mp3", "c.mp3")
    table = COMMON_VOICE + (
        'x1\ta.mp3\t"Quoted" and \'so\t2\ten\n'
        "x2\tb.mp3\tA \"stray quotation mark\t0\ten-GB\n"
        "x1\tc.mp3\tHallo\t2\tde\n"
    )  # fmt: skip
    path = write(tmp_path / "train.tsv", table)
    found = read_table(path)
    assert [(i.utterance_id, i.speaker, i.text) for i in found.items] == [
        ("a", "x1", '"Quoted" and \'so'),
        ("b", "x2", 'A "stray quotation mark'),
    ]
    assert found.items[0].audio.path == str(tmp_path / "clips" / "a.mp3")
    assert found.items[0].text_source == str(path)
    assert read_table(path, "de").texts == {"c": "Hallo"}
    assert read_table(path, "en-gb").ids == ["b"]


def test_a_table_for_each_split(tmp_path: Path) -> None:
    touch_clips(tmp_path / "clips", "a.mp3", "b.mp3")
    write(tmp_path / "train.tsv", COMMON_VOICE + "x\ta.mp3\tone\t0\ten\n")
    write(tmp_path / "dev.tsv", COMMON_VOICE + "y\tb.mp3\ttwo\t0\ten\n")
    reader = {
        "layout": "tsv",
        "path": {"train": f"{tmp_path}/train.tsv", "validation": f"{tmp_path}/dev.tsv"},
    }
    found = read(corpus("labelled_speech", reader, split={"by": "given"}))
    assert {i.utterance_id: i.split for i in found.items} == {"a": "train", "b": "validation"}


def test_columns_by_other_names(tmp_path: Path) -> None:
    touch_clips(tmp_path / "sound", "a.wav")
    path = write(tmp_path / "t.csv", 'who,what,where\nann,"Hello, ""you""\nthere",a.wav\n')
    columns = {"audio": "where", "text": "what", "speaker": "who"}
    found = read_table(path, columns=columns, delimiter=",", audio_folder=str(tmp_path / "sound"))
    (item,) = found.items
    assert (item.speaker, item.text) == ("ann", 'Hello, "you"\nthere')


@pytest.mark.parametrize(
    ("header", "columns", "expected"),
    [
        ("who\twhat\n", {}, "has no column path or audio or"),
        ("path\ttext\n", {"speaker": "voice"}, "no column 'voice'; it has path, text"),
        ("", {}, "needs a first line"),
        (b"\xff\xfep\x00a\x00", {}, "needs a first line, in UTF-8"),
    ],
)
def test_headers_that_do_not_do(
    tmp_path: Path, header: str | bytes, columns: dict[str, str], expected: str
) -> None:
    with pytest.raises(CorpusError, match=expected):
        read_table(write(tmp_path / "t.tsv", header), columns=columns)


def test_bad_rows_are_rejects_and_the_rest_goes_on(tmp_path: Path) -> None:
    touch_clips(tmp_path, "a.wav", "b.wav", "c.wav", "d.wav")
    rows = [
        b"a.wav\tgood",
        b"b.wav",
        b"b.wav\ttoo\tmany",
        b"",
        b"absent.wav\tgone",
        b"b.wav\tcaf\xe9",
        b"\tno path",
        b"c.wav\t ",
        b"a.wav\tagain",
        b"d.wav\tlast\r",
    ]
    path = write(tmp_path / "t.tsv", b"\xef\xbb\xbfpath\ttext\r\n" + b"\n".join(rows))
    found = read_table(path)
    assert found.texts == {"a": "good", "d": "last"}
    assert [(r.item_id, r.reason) for r in found.rejects] == [
        ("t.tsv:3", "broken_row"),
        ("t.tsv:4", "broken_row"),
        ("absent", "missing_audio"),
        ("b", "not_utf8"),
        ("t.tsv:8", "broken_row"),
        ("c", "empty_text"),
        ("a", "duplicate_id"),
    ]


def test_a_quotation_mark_left_open_does_not_end_a_csv(tmp_path: Path) -> None:
    touch_clips(tmp_path, "a.wav", "z.wav")
    rows = "".join(f"x{n}.wav,filler\n" for n in range(20_000))
    path = write(tmp_path / "t.csv", f'path,text\na.wav,"open\n{rows}z.wav,last\n')
    found = read_table(path, delimiter=",")
    assert found.texts == {"z": "last"}
    assert "broken_row" in found.reasons.values()


def test_ids_and_given_splits_of_their_own(tmp_path: Path) -> None:
    touch_clips(tmp_path, "a.wav")
    path = write(tmp_path / "t.tsv", "utt_id\tpath\ttext\tsplit\nutt.1\ta.wav\thi\tdev\n")
    (item,) = read_table(path).items
    assert (item.utterance_id, item.split) == ("utt%2E1", "validation")


def test_an_object_store() -> None:
    with fsspec.open("memory://cv/train.tsv", "w") as file:
        file.write("path\tsentence\na.mp3\thello\n")
    with fsspec.open("memory://cv/clips/a.mp3", "w") as file:
        file.write("x")
    found = read(corpus("labelled_speech", {"layout": "tsv", "path": "memory://cv/train.tsv"}))
    assert [i.audio.path for i in found.items] == ["memory://cv/clips/a.mp3"]


CELL = st.text(st.characters(exclude_characters="\t\n\r\ufeff", exclude_categories=["Cs"]))


@given(st.lists(CELL, max_size=10))
def test_any_text_survives(texts: list[str]) -> None:
    """Remote audio is not looked for, so that rows need no files here."""
    with fsspec.open("memory://any/t.tsv", "w", newline="") as file:
        file.write("id\tpath\ttext\n")
        for number, text in enumerate(texts):
            file.write(f"{number}\t{number}.wav\t{text}\n")
    found = read(corpus("unlabelled_speech", {"layout": "tsv", "path": "memory://any/t.tsv"}))
    assert [i.text for i in found.items] == [text.strip() for text in texts]


@pytest.mark.real_data
def test_real_transcripts(shared_data: Path) -> None:
    table = shared_data / "librispeech_test_other" / "transcripts.tsv"
    found = read_table(table)
    assert len(found.items) == 50
    assert found.rejects == []
    assert len({i.speaker for i in found.items}) == 5
    assert found.texts["1688-142285-0000"].startswith("there's iron they say")
    hypotheses = read_table(table, columns={"text": "asr_hypothesis_rnnt_baseline"})
    assert hypotheses.texts["1688-142285-0000"].startswith("their zyon they say")
