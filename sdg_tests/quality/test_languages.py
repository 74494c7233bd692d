"""Tests of the language table."""

import pytest
import regex

from sdg_assets.quality.languages import (
    LANGUAGES,
    UNSPACED_SCRIPTS,
    base_language,
    is_unspaced,
    language_name,
    scripts_of,
    sound_alike,
)

UNSPACED = ["zh", "ja", "th", "lo", "km", "my", "yue", "bo", "zh-TW", "cmn"]
SPACED = ["en", "de", "hi", "ar", "ko", "vi", "ru", "zh-Latn", "xx"]


@pytest.mark.parametrize("language", UNSPACED)
def test_languages_without_spaces(language: str) -> None:
    assert is_unspaced(language)


@pytest.mark.parametrize("language", SPACED)
def test_languages_with_spaces(language: str) -> None:
    assert not is_unspaced(language)


def test_every_script_is_one_that_unicode_knows() -> None:
    scripts = {script for known in LANGUAGES.values() for script in known.scripts}
    assert scripts >= UNSPACED_SCRIPTS
    for script in scripts:
        regex.compile(rf"\p{{Script={script}}}")


def test_every_key_is_its_own_base_language() -> None:
    assert [code for code in LANGUAGES if base_language(code) != code] == []


def test_a_script_subtag_decides_and_an_unknown_one_is_passed_over() -> None:
    assert scripts_of("sr-latn") == ("Latn",)
    assert scripts_of("ja-Jpan-JP") == ("Hani", "Hira", "Kana")
    assert scripts_of("en-Shaw") == ("Latn",)
    assert scripts_of("tlh") == ()


def test_names_fall_back_to_the_tag() -> None:
    assert language_name("pt-BR") == "Portuguese"
    assert language_name("tlh") == "tlh"


@pytest.mark.parametrize(
    ("requested", "detected"),
    [("en-GB", "en"), ("nb", "no"), ("jv", "jw"), ("hr", "sr"), ("hi", "ur"), ("xx", "xx")],
)
def test_tags_of_one_spoken_language(requested: str, detected: str) -> None:
    assert sound_alike(requested, detected)
    assert sound_alike(detected, requested)


def test_different_languages_do_not_sound_alike() -> None:
    assert not sound_alike("en", "de")
    assert not sound_alike("hi", "mr")
