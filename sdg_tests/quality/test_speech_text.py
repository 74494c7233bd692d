"""Tests of text normalisation for speaking."""

import unicodedata
from pathlib import Path

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from sdg_assets.quality.grounding import grounding
from sdg_assets.quality.speech_text import speakable
from sdg_assets.quality.text import normalise
from sdg_tests.xquad import read_passages

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
        ("degrees of success.:121,154 He lived", "degrees of success. He lived"),
        ("and compressions.:133–134:38-1–38-11", "and compressions."),
        ("the price[12]:45 rose.[3]:7–9 Then", "the price rose. Then"),
        ("at 3:15, odds of 2:1, Gen. 1:1", "at 3:15, odds of 2:1, Gen. 1:1"),
        ("10:30–11:15. Matthew 5:3–12.", "10:30–11:15. Matthew 5:3–12."),
        ("Tel.:030 1234, Telef.:030 1234", "Tel.:030 1234, Telef.:030 1234"),
        ("Tesla (/ˈtɛslə/; Serbian: [ˈnǐkola tesla]) was", "Tesla; Serbian: was"),
        ("in the U.S. (and the U.S.). How!... Why?.", "in the U.S. and the U.S. How! Why?"),
        ("north/south, TCP / IP, 180 km/hour, 3/5", "north south, TCP IP, 180 km/hour, 3/5"),
        ("R&amp;amp;D &amp;lt;so&amp;gt;", "R&D so"),
    ],
)
def test_english(text: str, expected: str) -> None:
    assert speakable(text, "en") == expected


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("卢克·坎克利（LA）说：《书》——好！", "zh", '卢克 坎克利, LA, 说："书", 好！'),
        ("需要[需要引证]６３％", "zh", "需要 63%"),
        ("需要［12］［來源請求］。", "zh", "需要。"),
        ("€5，20°C", "zh-CN", "5 欧元，20 摄氏度"),
        ("花了$5,000.50，共 £ 3万。", "zh", "花了5,000.50 美元，共 3万 英镑。"),
        ("₹ 3,00,000 और £5 लाख, $5", "hi", "3,00,000 रुपये और 5 लाख पाउंड, $5"),
        ("$ und €5", "de", "$ und €5"),
        ("トム・ハンクスの「ｶﾞｲﾄﾞ」", "ja", 'トム ハンクスの"ガイド"'),
        ("यह (NFL) है [उद्धरण वांछित]। क्‍ष", "hi", "यह, NFL, है। क्‍ष"),
        ("€5", "hi", "5 यूरो"),
        ("थे। :121,154 एमपीईजी-2", "hi", "थे। एमपीईजी-2"),
        ("取得了成功。:121他在3:15去", "zh", "取得了成功。他在3:15去"),
        ("代课/临时教师 1800转/分钟", "zh", "代课 临时教师 1800转/分钟"),
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


PIECES = [
    *("[12]", "[citation needed]", ":121–3", "Gen. 1:1", "3:15", "[", "]", "(", ")", "(s)"),
    *("…", "..", ".", ",", ";", "!", "?", "।", "。", "—", "–", "-", "−", "/", "“", "’", "＂", "·"),
    *(" ", "\n\n", "\u200b", "\u00ad", "\u200c", "\u0301", "*", "#", "_", "&amp;", "&lt;", "<b>"),
    *("a", "Wort", "中", "की", "Ａ", "5", "٣", "€", "°C", "%", "=", "🎉", "ˈnɪu", "http://x.y"),
]
texts = st.text() | st.lists(st.sampled_from(PIECES)).map("".join)


@given(texts, st.sampled_from(LANGUAGES))
def test_any_text_becomes_one_clean_line(text: str, language: str) -> None:
    spoken = speakable(text, language)
    assert speakable(spoken, language) == spoken
    assert spoken == " ".join(spoken.split())
    assert not BRACKET.search(spoken)
    assert {unicodedata.category(character) for character in spoken} & {"Cc", "Cs", "Co", "So"} <= {
        "So"
    }
    assert spoken == "" or any(map(str.isalnum, spoken))


def letters(text: str) -> str:
    """Letters and digits, without what is noted and what has a word instead."""
    noted = r"\[[^\]]*\]|(?<=[.।]) ?:[\d,:–-]+|[ʰ-˿]"
    text = regex.sub(noted, "", unicodedata.normalize("NFKC", text))
    return "".join(regex.findall(r"[\p{L}\p{M}\p{N}]", text))


@pytest.mark.real_data
@pytest.mark.parametrize("language", LANGUAGES)
def test_real_passages_lose_no_word(shared_data: Path, language: str) -> None:
    compared = 0
    for context, pairs in read_passages(shared_data, language):
        spoken = speakable(context, language)
        assert speakable(spoken, language) == spoken
        assert not BRACKET.search(spoken)
        if not regex.search(r"\[|[°×€£¥$]", context):
            compared += 1
            assert letters(spoken) == letters(context)
        written, heard = normalise(context, language), normalise(spoken, language)
        for pair in pairs:
            if grounding(normalise(pair.answer, language), written, language) == 1.0:
                answer = normalise(speakable(pair.answer, language), language)
                assert grounding(answer, heard, language) > 0.85
    assert compared > 180
