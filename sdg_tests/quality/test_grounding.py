"""Tests of what an answer has of its context."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdg_assets.quality.grounding import grounding
from sdg_assets.quality.languages import is_unspaced
from sdg_assets.quality.qa_rules import QARules
from sdg_assets.quality.text import normalise, script_share, words
from sdg_tests.xquad import read_passages

LEAST = QARules().min_grounding
LANGUAGES = ["en", "de", "es", "zh", "hi"]
latin_words = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), min_size=5, max_size=12)


def is_grounded(answer: str, context: str, language: str) -> bool:
    return grounding(normalise(answer, language), normalise(context, language), language) >= LEAST


@pytest.mark.parametrize(
    ("answer", "context", "language"),
    [
        ("Bryo", "Der Embryo ist gekrümmt.", "de"),
        ("an der Dete", "Umschlossen wird der Detektor von Myon-Kammern.", "de"),
        ("nach Holen", "Sie schaffte nie den Sprung nach Hollywood.", "de"),
        ("im Schloss", "Die Familie ließ im Schlosspark ein Familiengrab anlegen.", "de"),
        ("in phyy", "He died in a physical sense.", "en"),
        ("hi", "I heard him not.", "en"),
        ("Bostan", "She lived in Boston.", "en"),
        ("a blue house", "a blue mouse", "en"),
        ("19", "It was in 1990.", "en"),
        ("7,000,00", "about 7,000,000 people", "en"),
        ("7 apples", "She bought 9 apples.", "en"),
        ("el niña", "un niño", "es"),
        ("in the car", "He waited in the hall by the red door.", "en"),
        ("Tom and Ann", "Tom and Bob met.", "en"),
        ("for two years", "They met for ten years.", "en"),
        ("ten lanterns", "She bought red lanterns.", "en"),
        ("bei der Uhr", "Er saß im Bus bei der Tür.", "de"),
        ("la flor gris", "Compró la flor roja.", "es"),
        ("दो सेब", "उसने तीन सेब खरीदे", "hi"),
        ("in Rom", "Hon bor i Rom.", "sv"),
        ("慕林", "他在柏林工作", "zh"),
        ("1991年4日", "他1991年4月来，住了3日", "zh"),
        ("ベルラン", "ベルリンへ行きました", "ja"),
        ("เบอร์นิล", "ไปเบอร์ลินเมื่อวาน", "th"),
        ("दिल्ला", "वह दिल्ली में है", "hi"),
        ("", "She lived in Boston.", "en"),
        ("to the", "She lived in Boston.", "en"),
    ],
)
def test_what_is_not_said_is_not_grounded(answer: str, context: str, language: str) -> None:
    assert not is_grounded(answer, context, language)


@pytest.mark.parametrize(
    ("answer", "context", "language"),
    [
        ("in Ulm", "Er zog nach Ulm.", "de"),
        ("She lived in Boston.", "Anna lived near Boston.", "en"),
        ("दिल्ली में", "वह दिल्ली से आया", "hi"),
        ("to Boston", "She lived in Boston.", "en"),
        ("the harbours", "He saw a harbour.", "en"),
        ("four apples", "She bought four red apples.", "en"),
        ("Anna", "It is Anna’s house.", "en"),
        ("the 1990s", "It was in 1990.", "en"),
        ("nach Berlin", "Sie lebte in Berlin.", "de"),
        ("die Philharmonikern", "ein Philharmoniker", "de"),
        ("los trenes rápidos", "un tren rápido", "es"),
        ("été", "L’été est beau.", "fr"),
        ("छात्र", "छात्रों ने पढ़ा", "hi"),
        ("городе", "Город большой.", "ru"),
        ("Berlin", "Berlin’den geldi.", "tr"),
        ("베를린", "베를린에서 왔다", "ko"),
        ("مدينة", "سافرت إلى المدينة", "ar"),
        ("בית", "הוא גר בבית", "he"),
        ("柏林", "他在柏林工作", "zh"),
        ("柏", "他在柏林工作", "zh"),
        ("NASA总部", "他在NASA总部工作", "zh"),
        ("ベルリン", "ベルリンへ行きました", "ja"),
        ("เบอร์ลิน", "ไปเบอร์ลินเมื่อวาน", "th"),
    ],
)
def test_what_is_said_in_another_form_is_grounded(answer: str, context: str, language: str) -> None:
    assert is_grounded(answer, context, language)


@given(st.lists(latin_words, min_size=1), st.data())
def test_words_of_the_context_are_grounded(context: list[str], data: st.DataObject) -> None:
    answer = data.draw(st.lists(st.sampled_from(context), min_size=1))
    assert grounding(" ".join(answer), " ".join(context), "en") == 1.0


@given(latin_words, st.data())
def test_another_letter_makes_another_word(word: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(word) - 1))
    letter = data.draw(
        st.sampled_from("abcdefghijklmnopqrstuvwxyz").filter(lambda x: x != word[place])
    )
    assert grounding(word[:place] + letter + word[place + 1 :], word, "fi") == 0.0


@given(latin_words, st.integers(0, 11))
def test_the_end_of_a_word_is_no_word(word: str, start: int) -> None:
    assert grounding(word[start:], "é" + word, "fi") == 0.0


@pytest.mark.real_data
@pytest.mark.parametrize("language", LANGUAGES)
def test_real_answers_are_grounded_and_misspelt_ones_are_not(
    shared_data: Path, language: str
) -> None:
    answers = [
        (normalise(pair.answer, language), normalise(context, language))
        for context, pairs in read_passages(shared_data, language)
        for pair in pairs
    ][::4]
    kept = [grounding(answer, context, language) >= LEAST for answer, context in answers]
    assert sum(kept) > 0.99 * len(kept)
    rng = random.Random(0)
    misspelt = []
    for answer, context in answers:
        part = answer if is_unspaced(language) else max(words(answer), key=len)
        if len(part) > 4 and script_share(part, language) == 1.0:
            place = rng.randrange(len(part))
            own = [letter for letter in sorted(set(context)) if script_share(letter, language)]
            wrong = part[:place] + rng.choice(own) + part[place + 1 :]
            misspelt.append(wrong != part and grounding(wrong, context, language) >= LEAST)
    assert len(misspelt) > 30
    assert sum(misspelt) < 0.03 * len(misspelt)
