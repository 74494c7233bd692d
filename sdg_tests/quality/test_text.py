"""Tests of the units of text."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdg_assets.quality.text import (
    characters,
    contains_phrase,
    is_unspaced_text,
    normalise,
    script_share,
    words,
)
from sdg_tests.xquad import read_passages

SENTENCES = {
    "en": "She's gone to Paris, isn't she?",
    "de": "Die Straße führt über die Brücke.",
    "hi": "रवीन्द्रनाथ ठाकुर का जन्म १८६१ में हुआ।",
    "ar": "وُلِدَ في القاهرة سنة ١٩١١",
    "zh": "他在北京大学学习了四年。",
    "ja": "東京タワーへ行きました。",
    "th": "ฉันไปตลาดเมื่อวานนี้",
    "ru": "Сегодня мы поехали на рынок.",
}


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Don't — STOP, now!", "en", "don't stop now"),
        ("‘Twas the dogs’ day", "en", "twas the dogs day"),
        ("L’été", "fr", "l'été"),
        ("Straße", "de", "strasse"),
        ("3.14 or 1,000. Done", "en", "3.14 or 1,000 done"),
        ("IŞIK İstanbul", "tr", "ışık istanbul"),
        ("IŞIK İstanbul", "en", "işik istanbul"),
        ("हिन्दी, क्षत्रिय।", "hi", "हिन्दी क्षत्रिय"),
        ("१९४७", "hi", "1947"),
        ("كِتَابٌ ـــ جديد", "ar", "كتاب جديد"),
        ("שָׁלוֹם", "he", "שלום"),
        ("می\u200cخواهم", "fa", "میخواهم"),
        ("ﾃﾚﾋﾞ「東京」", "ja", "テレビ 東京"),
        ("ＡＢＣ１２３", "zh", "abc123"),
        ("e\u0301te\u0301", "fr", "été"),
        ("\ufeffzero\u00adwidth\u200b", "en", "zerowidth"),
        ("...!?—", "en", ""),
    ],
)
def test_normalise(text: str, language: str, expected: str) -> None:
    assert normalise(text, language) == expected


@given(
    st.text(st.characters(categories=["L", "M", "N", "P", "S", "Z"], max_codepoint=0x1FFFF)),
    st.sampled_from(["en", "tr", "hi", "zh", "ar"]),
)
def test_normalised_text_has_words_and_single_spaces_only(text: str, language: str) -> None:
    normalised = normalise(text, language)
    assert normalised == " ".join(normalised.split())
    kinds = {
        unicodedata.category(character)[0] for character in normalised if character not in "'.,"
    }
    assert kinds <= {"L", "M", "N", "Z"}


@pytest.mark.parametrize("language", SENTENCES)
def test_normalising_twice_changes_nothing_and_loses_no_letter(language: str) -> None:
    once = normalise(SENTENCES[language], language)
    assert normalise(once, language) == once
    assert sum(map(str.isalpha, once)) >= sum(map(str.isalpha, SENTENCES[language])) * 0.99


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("she's gone", ["she's", "gone"]),
        ("他在1958年", ["他", "在", "1958", "年"]),
        ("テレビーnasa", ["テ", "レ", "ビ", "ー", "nasa"]),
        ("नमस्ते जी", ["नमस्ते", "जी"]),
        ("안녕 세상", ["안녕", "세상"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_characters_keep_marks_with_their_base() -> None:
    assert characters("ที่ น้ำ") == ["ที่", "น้ำ"]
    assert characters("e\u0301 a") == ["e\u0301", "a"]
    assert characters(" \n\t") == []


@given(st.text())
def test_words_and_characters_lose_nothing_but_space(text: str) -> None:
    normalised = normalise(text, "en")
    assert "".join(words(normalised)) == normalised.replace(" ", "")
    assert "".join(characters(normalised)) == normalised.replace(" ", "")


def test_phrases_are_found_as_words_not_as_letters() -> None:
    assert contains_phrase("we like art a lot", "art a")
    assert not contains_phrase("a party", "art")
    assert contains_phrase("他在北京工作", "北京")


def test_text_is_judged_unspaced_by_most_of_its_words() -> None:
    assert is_unspaced_text(normalise("他在NASA工作", "zh"))
    assert not is_unspaced_text(normalise("The word 山 means mountain.", "en"))
    assert not is_unspaced_text("")


@pytest.mark.parametrize("language", SENTENCES)
def test_text_is_in_the_script_of_its_own_language_only(language: str) -> None:
    assert script_share(SENTENCES[language], language) == 1.0
    others = [other for other in ("en", "hi", "ar", "th", "ru") if other != language]
    alike = {"de": {"en"}}.get(language, set())
    for other in set(others) - alike:
        assert script_share(SENTENCES[language], other) == pytest.approx(0.0, abs=0.1)


def test_one_foreign_name_does_not_outweigh_a_chinese_sentence() -> None:
    share = script_share("他在Massachusetts学习", "zh")
    assert share is not None
    assert share == pytest.approx(4 / 5)


def test_nothing_to_judge_is_no_share() -> None:
    assert script_share("1234 !", "en") is None
    assert script_share("hello", "tlh") is None


@pytest.mark.real_data
@pytest.mark.parametrize("language", ["en", "de", "es", "zh", "hi"])
def test_real_passages_are_in_their_script_and_survive(shared_data: Path, language: str) -> None:
    passages = [context for context, _ in read_passages(shared_data, language)]
    for passage in passages:
        share = script_share(passage, language)
        assert share is not None
        assert share > 0.75
        normalised = normalise(passage, language)
        assert normalise(normalised, language) == normalised
