"""Ids: readable, safe in tar members and URLs, and never the same for different files."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdg_assets.corpora.ids import passage_id, question_id, safe_id, utterance_id

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("1688/1688-142285-0000.flac", "1688/1688-142285-0000"),
        ("録音/मेरा घर.wav", "録音/मेरा%20घर"),
        ("-rf.wav", "-rf"),
        ("a.b.wav", "a%2Eb"),
        ("./x//y.mp3", "x/y"),
        ("../../audio/x.wav", "audio/x"),
        ("a\nb'\".wav", "a%0Ab%27%22"),
        ("100%.wav", "100%25"),
        ("/data/x.wav", "data/x"),
    ],
)
def test_utterance_ids(path: str, expected: str) -> None:
    assert utterance_id(path) == expected


@given(NAMES)
def test_ids_hold_nothing_that_breaks_a_tar_key_or_a_url_path(name: str) -> None:
    assert not set(safe_id(name)) & set(" .\\|,;:?#&\"'<>\n\t\0")


@given(NAMES, NAMES)
def test_different_names_have_different_ids(one: str, other: str) -> None:
    same = unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)
    assert (safe_id(one) == safe_id(other)) == same


@given(st.text())
def test_any_text_has_an_id(name: str) -> None:
    safe_id(name).encode()
    passage_id(name)


def test_undecodable_file_names_have_ids_of_their_own() -> None:
    assert safe_id("caf\udce9") != safe_id("caf\udce8")


@pytest.mark.parametrize(
    "other", ["The  cat\nsat. ", "the CAT sat.", "The cat ｓat.", "\ufeffThe cat sat."]
)
def test_the_same_passage_in_other_clothes(other: str) -> None:
    assert passage_id(other) == passage_id("The cat sat.")


ASCII = st.text(st.characters(max_codepoint=127))


@given(ASCII, ASCII)
def test_passages_are_the_same_when_their_words_are(one: str, other: str) -> None:
    same = one.lower().split() == other.lower().split()
    assert (passage_id(one) == passage_id(other)) == same


def test_questions_of_one_passage_have_different_ids() -> None:
    assert question_id("p", "Who?") != question_id("p", "Where?")
    assert question_id("p", "Who?") == question_id("p", "Who?")
