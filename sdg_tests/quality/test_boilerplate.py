"""Tests of the subtitle boilerplate."""

from pathlib import Path

import pytest

from sdg_assets.quality import boilerplate
from sdg_assets.quality.boilerplate import is_boilerplate
from sdg_assets.quality.text import delimit_words, normalise
from sdg_tests.xquad import read_passages


@pytest.mark.parametrize("phrases", [boilerplate._CREDITS, boilerplate._SIGN_OFFS])
def test_phrases_are_written_as_they_are_searched(phrases: tuple[str, ...]) -> None:
    searched = [delimit_words(normalise(phrase, "und")) for phrase in phrases]
    assert list(phrases) == searched
    assert len(set(phrases)) == len(phrases)


def test_a_credit_counts_anywhere_and_a_sign_off_as_the_whole() -> None:
    assert is_boilerplate("So we went home. Subtitles by the Amara.org community", "en")
    assert is_boilerplate("Okay, thanks for watching!", "en")
    assert not is_boilerplate("He said thanks for watching my dog all week long.", "en")
    assert not is_boilerplate("", "en")


def test_words_are_not_found_inside_words() -> None:
    assert not is_boilerplate("Thai media and maharaja ai", "en")
    assert not is_boilerplate("He is thinking: thanks for watchingx", "en")


@pytest.mark.real_data
@pytest.mark.parametrize("language", ["en", "de", "es", "zh", "hi"])
def test_real_passages_are_not_boilerplate(shared_data: Path, language: str) -> None:
    for context, pairs in read_passages(shared_data, language):
        assert not is_boilerplate(context, language)
        assert not any(is_boilerplate(pair.question, language) for pair in pairs)
