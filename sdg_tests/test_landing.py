"""Landing decisions: what is whole, what changed, what waits."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdg_assets.corpora.keys import Partition
from sdg_assets.landing import (
    READY_MARKER,
    LandedFile,
    Seen,
    decide,
    dump_cursor,
    group_files,
    guess_kind,
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


def test_loose_files_and_text_without_audio_are_no_partition() -> None:
    assert folders_of(landed("a.wav"), landed("talks/b.wav"), landed("talks/de/note.txt")) == []


def test_hidden_and_temporary_folders_are_ignored() -> None:
    assert folders_of(landed(".trash/de/a.wav"), landed("talks/de/.part/a.wav")) == []


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


def test_a_requested_folder_is_requested_again_only_when_it_changes() -> None:
    folders = folders_of(landed("t/en/a.wav"))
    first = decide(folders, {}, now=50, quiet_seconds=0, limit=9)
    again = decide(folders, load_cursor(dump_cursor(first.seen)), 99, quiet_seconds=0, limit=9)
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


def test_kind_is_labelled_only_when_every_file_has_its_text() -> None:
    both = folders_of(landed("t/en/a.wav"), landed("t/en/a.lab"))[0]
    one = folders_of(landed("t/en/a.wav"), landed("t/en/a.txt"), landed("t/en/b.wav"))[0]
    assert (guess_kind(both), guess_kind(one)) == ("labelled_speech", "unlabelled_speech")


def test_files_are_listed_from_a_folder(tmp_path: Path) -> None:
    target = tmp_path / "talks" / "zh" / "会议 1.wav"
    target.parent.mkdir(parents=True)
    target.write_bytes(b"1234")
    os.utime(target, (500, 500))
    [file] = list_files(str(tmp_path))
    assert (file.path, file.size, file.stamp) == ("talks/zh/会议 1.wav", 4, "500.0")
    assert list_files(str(tmp_path / "absent")) == []


@given(st.dictionaries(st.text(min_size=1), st.tuples(st.text(), st.floats(0, 1e9), st.booleans())))
def test_the_cursor_round_trips(entries: dict[str, tuple[str, float, bool]]) -> None:
    seen = {key: Seen(*value) for key, value in entries.items()}
    assert load_cursor(dump_cursor(seen)) == seen


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
