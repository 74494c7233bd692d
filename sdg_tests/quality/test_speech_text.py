"""Tests of text normalisation for speaking."""

import json
import unicodedata
from pathlib import Path

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from sdg_assets.quality.grounding import grounding
from sdg_assets.quality.speech_text import speakable
from sdg_assets.quality.text import normalise

LANGUAGES = ["en", "de", "es", "zh", "hi"]
BRACKET = regex.compile(r"[\p{Ps}\p{Pe}]")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Plain text, as it is.", "Plain text, as it is."),
        ("The Normans (Nortmanni) came.", "The Normans, Nortmanni, came."),
        ("He left. (He was tired.) She stayed.", "He left. He was tired. She stayed."),
        ("They came[12] late.[a][note 3][2–4]", "They came late."),
        ("in the [21st] century [citation needed].", "in the 21st century."),
        ("im [21.] Jahrhundert", "im 21. Jahrhundert"),
        ("the member(s) met", "the members met"),
        ("<p>One<br/>two</p><!-- no -->", "One two"),
        ("**bold** [link](http://x.org/y) &amp; more", "bold link & more"),
        ("&lt;tag&gt; &quot;x&quot;", 'tag "x"'),
        ("# Head\n\n* one\n* two", "Head. one two"),
        ("wrapped\nline\n\nNext", "wrapped line. Next"),
        (
            "See https://www.example.org/a_b/c.html?q=1#x, or not.",
            "See example org a b c html, or not.",
        ),
        ("late — too late – gone", "late, too late, gone"),
        ("1990–1995, Mason–Dixon, at -5", "1990–1995, Mason-Dixon, at −5"),
        ("“Well,” he said, ‘fine’", "\"Well,\" he said, 'fine'"),
        ("Wait!!! What?! No……", "Wait! What? No..."),
        ("hi 🎉👩‍👩‍👧 there ™ ❤️", "hi there"),
        ("ze\u200bro\u00ad \x07\ufeffwidth", "zero width"),
        ("ʿAbbās al-Zahrāwī", "Abbās al-Zahrāwī"),
        ("C# costs $5, 20% or 6½ at 20 °C", "C# costs $5, 20% or 6½ at 20 °C"),
        ("cafe\u0301", "café"),
    ],
)
def test_english(text: str, expected: str) -> None:
    assert speakable(text, "en") == expected


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("卢克·坎克利（LA）说：《书》——好！", "zh", '卢克 坎克利, LA, 说："书", 好！'),
        ("需要[需要引证]６３％", "zh", "需要 63%"),
        ("€5，20°C", "zh-CN", "欧元 5，20 摄氏度"),
        ("トム・ハンクスの「ｶﾞｲﾄﾞ」", "ja", 'トム ハンクスの"ガイド"'),
        ("यह (NFL) है [उद्धरण वांछित]। क्‍ष", "hi", "यह, NFL, है। क्‍ष"),
        ("€5", "hi", "यूरो 5"),
        ("می‌خواهم [۱۲]", "fa", "می‌خواهم"),
        ("هو (هي)، 5%", "ar", "هو, هي، 5 بالمئة"),
        ("¿Qué? ¡Sí!", "es", "¿Qué? ¡Sí!"),
    ],
)
def test_other_languages(text: str, language: str, expected: str) -> None:
    assert speakable(text, language) == expected


@pytest.mark.parametrize("text", ["", "  ", "🎉", "[12]", "(…)", "— * —", "\x00", "♪♪"])
def test_nothing_to_say(text: str) -> None:
    assert speakable(text, "en") == ""


@given(st.text(), st.sampled_from(LANGUAGES))
def test_any_text_becomes_one_clean_line(text: str, language: str) -> None:
    spoken = speakable(text, language)
    assert spoken == " ".join(spoken.split())
    assert not BRACKET.search(spoken)
    assert {unicodedata.category(character) for character in spoken} & {"Cc", "Cs", "Co", "So"} <= {
        "So"
    }
    assert spoken == "" or any(map(str.isalnum, spoken))


def letters(text: str) -> str:
    """Letters and digits, without what is noted in square brackets and what has a word instead."""
    text = regex.sub(r"\[[^\]]*\]|[ʰ-˿]", "", unicodedata.normalize("NFKC", text))
    return "".join(regex.findall(r"[\p{L}\p{M}\p{N}]", text))


@pytest.mark.real_data
@pytest.mark.parametrize("language", LANGUAGES)
def test_real_passages_lose_no_word(shared_data: Path, language: str) -> None:
    data = json.loads((shared_data / "xquad" / f"xquad.{language}.json").read_text("utf-8"))
    paragraphs = [paragraph for article in data["data"] for paragraph in article["paragraphs"]]
    compared = 0
    for paragraph in paragraphs:
        context = paragraph["context"]
        spoken = speakable(context, language)
        assert speakable(spoken, language) == spoken
        assert not BRACKET.search(spoken)
        if not regex.search(r"\[|[°×€£¥$]", context):
            compared += 1
            assert letters(spoken) == letters(context)
        written, heard = normalise(context, language), normalise(spoken, language)
        for qa in paragraph["qas"]:
            answer = qa["answers"][0]["text"]
            if grounding(normalise(answer, language), written) == 1.0:
                answer = normalise(speakable(answer, language), language)
                assert grounding(answer, heard) > 0.85
    assert compared > 180
