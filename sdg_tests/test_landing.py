"""Landing decisions: what is whole, what changed, what waits."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdg_assets.corpora.base import CorpusError
from sdg_assets.corpora.config import CorpusConfig
from sdg_assets.corpora.keys import Partition
from sdg_assets.landing import (
    READY_MARKER,
    LandedFile,
    LandedFolder,
    Memory,
    Seen,
    decide,
    describe_texts,
    dump_cursor,
    fit_corpus,
    group_files,
    list_files,
    load_cursor,
)


def landed(path: str, size: int = 10, modified: float = 0.0) -> LandedFile:
    return LandedFile(path, size, str(modified), modified)


def folders_of(*files: LandedFile):  # type: ignore[no-untyped-def]
    return group_files(files)[0]


def test_a_folder_with_audio_is_a_partition() -> None:
    folders, problems = group_files(
        [landed("talks/de/a.wav"), landed("talks/de/a.txt"), landed("talks/de/deep/b.mp3")]
    )
    assert [folder.partition for folder in folders] == [Partition("talks", "de")]
    assert (folders[0].files, folders[0].audio, folders[0].with_text) == (3, 2, 1)
    assert problems == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("a.wav", "1 file (a.wav) in no language's folder: move into <corpus>/<language>/"),
        ("talks/b.wav", "1 file (b.wav) in no language's folder: move into talks/<language>/"),
        ("talks/de/note.txt", "talks/de: no audio in 1 file (note.txt)"),
    ],
)
def test_what_is_no_partition_is_named_with_advice(path: str, said: str) -> None:
    folders, [problem] = group_files([landed(path)])
    assert folders == []
    assert problem.startswith(said)


def test_of_many_files_some_are_named() -> None:
    _, [problem] = group_files([landed(f"talks/{n}.wav") for n in range(9)])
    assert problem.startswith("9 files (0.wav, 1.wav, 2.wav, ...)")


def test_hidden_and_temporary_folders_are_ignored() -> None:
    hidden = [landed(".trash/de/a.wav"), landed("talks/de/.part/a.wav"), landed("b.wav.part")]
    assert group_files(hidden) == ([], [])


@pytest.mark.parametrize("path", ["Talks/de/a.wav", "a|b/de/a.wav", "talks/German/a.wav"])
def test_a_folder_that_cannot_be_a_key_is_named_with_advice(path: str) -> None:
    folders, problems = group_files([landed(path)])
    assert folders == []
    assert "rename the folder" in problems[0]


def test_a_growing_folder_waits_until_it_is_quiet() -> None:
    first = decide(folders_of(landed("t/en/a.wav", 10)), {}, now=100, quiet_seconds=10, limit=9)
    grown = folders_of(landed("t/en/a.wav", 20))
    second = decide(grown, first.seen, now=111, quiet_seconds=10, limit=9)
    third = decide(grown, second.seen, now=120.9, quiet_seconds=10, limit=9)
    fourth = decide(grown, third.seen, now=121, quiet_seconds=10, limit=9)
    assert [len(d.request) for d in (first, second, third, fourth)] == [0, 0, 0, 1]
    assert first.waiting == (Partition("t", "en"),)


def test_a_file_still_being_written_by_its_own_time_waits() -> None:
    recent = folders_of(landed("t/en/a.wav", 10, modified=1000.0))
    seen = {"t|en": Seen(recent[0].fingerprint, since=0.0, requested=False)}
    assert decide(recent, seen, now=1005, quiet_seconds=10, limit=9).request == ()


def test_the_marker_ends_the_wait() -> None:
    folders = folders_of(landed("t/en/a.wav"), landed(f"t/en/{READY_MARKER}"))
    assert len(decide(folders, {}, now=0, quiet_seconds=1e9, limit=9).request) == 1


def test_a_marker_is_about_what_came_before_it() -> None:
    marker, first = landed(f"t/en/{READY_MARKER}", modified=20), landed("t/en/a.wav", modified=10)
    same_second, later = landed("t/en/b.wav", modified=20), landed("t/en/c.wav", modified=30)
    assert folders_of(marker, first, same_second)[0].ready
    grown = folders_of(marker, first, later)
    assert not grown[0].ready
    waits = decide(grown, {}, now=35, quiet_seconds=10, limit=9)
    assert waits.request == ()
    assert len(decide(grown, waits.seen, now=45, quiet_seconds=10, limit=9).request) == 1
    renewed = landed(f"t/en/{READY_MARKER}", modified=31)
    assert folders_of(renewed, first, later)[0].ready


def test_a_requested_folder_is_requested_again_only_when_it_changes() -> None:
    folders = folders_of(landed("t/en/a.wav"))
    first = decide(folders, {}, now=50, quiet_seconds=0, limit=9)
    seen = load_cursor(dump_cursor(Memory(first.seen, frozenset()))).seen
    again = decide(folders, seen, 99, quiet_seconds=0, limit=9)
    changed = folders_of(landed("t/en/a.wav"), landed("t/en/b.wav"))
    third = decide(changed, again.seen, now=100, quiet_seconds=0, limit=9)
    assert [len(d.request) for d in (first, again, third)] == [1, 0, 1]
    assert first.request[0].fingerprint != third.request[0].fingerprint


def test_the_limit_defers_and_loses_nothing() -> None:
    folders = folders_of(*(landed(f"c{i}/en/a.wav") for i in range(5)))
    seen: dict[str, Seen] = {}
    requested: list[str] = []
    for now in range(3):
        decision = decide(folders, seen, now=now, quiet_seconds=0, limit=2)
        seen = decision.seen
        requested += [str(folder.partition) for folder in decision.request]
    assert requested == [f"c{i}|en" for i in range(5)]


def folder_of(audio: int, texts: int) -> LandedFolder:
    paths = [f"t/en/{n}.wav" for n in range(audio)] + [f"t/en/{n}.txt" for n in range(texts)]
    return folders_of(*map(landed, paths))[0]


@pytest.mark.parametrize(
    ("audio", "texts", "kind", "said"),
    [
        (3, 3, "labelled_speech", None),
        (3, 2, "labelled_speech", "t|en has 1 audio file without a text"),
        (4, 2, "labelled_speech", "t|en has 2 audio files without a text"),
        (3, 1, "unlabelled_speech", "t|en has 1 audio file with a text"),
        (3, 0, "unlabelled_speech", None),
    ],
)
def test_most_texts_make_a_labelled_corpus_and_what_lacks_one_is_said(
    audio: int, texts: int, kind: str, said: str | None
) -> None:
    folder = folder_of(audio, texts)
    corpus = fit_corpus(folder, None, "/landing")
    assert corpus.kind == kind
    note = describe_texts(folder, corpus)
    assert said in note if said else note == ""


def corpus_of(kind: str, **fields: object) -> CorpusConfig:
    return CorpusConfig.model_validate({"name": "t", "kind": kind, "languages": ["de"], **fields})


@pytest.mark.parametrize(
    ("registered", "said"),
    [
        (
            corpus_of("text_qa", reader={"layout": "jsonl_qa", "path": "/landing/t/q.jsonl"}),
            "registered as text_qa, which has no audio",
        ),
        (corpus_of("mixture", members=["a"]), "registered as mixture, which has no audio"),
        (
            corpus_of("labelled_speech", reader={"layout": "folder", "path": "/data/t"}),
            "reads from elsewhere",
        ),
    ],
)
def test_a_folder_whose_corpus_does_not_read_it_is_refused(
    registered: CorpusConfig, said: str
) -> None:
    with pytest.raises(CorpusError, match=said):
        fit_corpus(folder_of(1, 1), registered, "/landing")


def test_a_folder_adds_its_language_to_the_corpus_that_reads_it() -> None:
    reader = {"layout": "tsv", "path": {"train": "/landing/t/{language}/a.tsv"}}
    registered = corpus_of("labelled_speech", reader=reader)
    assert fit_corpus(folder_of(1, 1), registered, "/landing").languages == ("de", "en")


def test_all_languages_together_cannot_land() -> None:
    [folder] = folders_of(landed("t/mul/a.wav"))
    with pytest.raises(CorpusError, match="only a mixture has the language 'mul'"):
        fit_corpus(folder, None, "/landing")


def test_a_partition_that_a_run_works_on_waits() -> None:
    folders = folders_of(landed("t/en/a.wav"))
    first = decide(folders, {}, now=50, quiet_seconds=0, limit=9, busy={"t|en"})
    assert (first.request, first.waiting) == ((), (Partition("t", "en"),))
    assert len(decide(folders, first.seen, now=60, quiet_seconds=0, limit=9).request) == 1


def test_files_are_listed_from_a_folder(tmp_path: Path) -> None:
    target = tmp_path / "talks" / "zh" / "会议 1.wav"
    target.parent.mkdir(parents=True)
    target.write_bytes(b"1234")
    os.utime(target, (500, 500))
    [file] = list_files(str(tmp_path))
    assert (file.path, file.size, file.stamp) == ("talks/zh/会议 1.wav", 4, "500.0")
    assert list_files(str(tmp_path / "absent")) == []


@given(
    st.dictionaries(st.text(min_size=1), st.tuples(st.text(), st.floats(0, 1e9), st.booleans())),
    st.frozensets(st.text()),
)
def test_the_cursor_round_trips(
    entries: dict[str, tuple[str, float, bool]], told: frozenset[str]
) -> None:
    memory = Memory({key: Seen(*value) for key, value in entries.items()}, told)
    assert load_cursor(dump_cursor(memory)) == memory


@pytest.mark.parametrize(("began", "requests"), [(999.0, 1), (1001.0, 0)])
def test_what_somebody_ingested_already_is_not_requested(began: float, requests: int) -> None:
    folders = folders_of(landed("t/en/a.wav", modified=1000.0))
    decision = decide(folders, {}, 2000, quiet_seconds=0, limit=9, ingested={"t|en": began})
    assert len(decision.request) == requests
    later = folders_of(landed("t/en/a.wav", modified=1000.0), landed("t/en/b.wav", modified=3000.0))
    again = decide(later, decision.seen, 4000, quiet_seconds=0, limit=9, ingested={"t|en": began})
    assert len(again.request) == 1


def test_a_copy_with_an_old_time_came_when_it_was_copied(tmp_path: Path) -> None:
    before = time.time() - 1
    file = tmp_path / "landing" / "t" / "en" / "a.wav"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"RIFF")
    os.utime(file, (1e9, 1e9))
    assert list_files(str(tmp_path / "landing"))[0].modified >= before
