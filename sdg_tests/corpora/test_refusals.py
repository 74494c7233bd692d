"""What is answered where there is no answer."""

import unicodedata

import pytest

from sdg_assets.corpora.refusals import refusal


@pytest.mark.parametrize(
    ("language", "script"),
    [
        ("ar", "ARABIC"), ("hi", "DEVANAGARI"), ("ru", "CYRILLIC"), ("el", "GREEK"),
        ("th", "THAI"), ("zh", "CJK"), ("ja", "HIRAGANA"), ("ko", "HANGUL"), ("de", "LATIN"),
        ("es", "LATIN"), ("fr", "LATIN"), ("tr", "LATIN"), ("vi", "LATIN"), ("ro", "LATIN"),
    ],
)  # fmt: skip
def test_each_language_has_its_own_words_in_its_own_script(language: str, script: str) -> None:
    sentence = refusal(language)
    assert sentence != refusal("en")
    scripts = [unicodedata.name(c).split()[0] for c in sentence if c.isalpha()]
    assert script in scripts


def test_regions_and_scripts() -> None:
    assert refusal("pt-br") == refusal("pt")
    assert refusal("zh-hant-tw") == refusal("zh-tw") == refusal("zh-HK") != refusal("zh")


def test_english_where_there_is_nothing_else() -> None:
    assert refusal("xx") == refusal("en") == "I could not find the answer in the audio."
