"""Tests of the multilingual phrases of questions and answers."""

import pytest

from sdg_assets.quality import qa_phrases
from sdg_assets.quality.qa_phrases import is_refusal, mentions_text, strip_yes_or_no
from sdg_assets.quality.text import delimit_words, normalise, words


def test_phrases_are_written_as_they_are_searched() -> None:
    for phrase in qa_phrases._REFUSALS:
        assert phrase == delimit_words(normalise(phrase, "und"))
    for units in qa_phrases._YES_OR_NO:
        assert units == words(normalise(" ".join(units), "und"))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("yes", ""),
        ("yes in paris", "in paris"),
        ("nobody", "nobody"),
        ("是的", ""),
        ("不是", ""),
        ("是北京", "北京"),
        ("जी हाँ", ""),
        ("नहीं", ""),
        ("はい", ""),
        ("", ""),
    ],
)
def test_yes_and_no_are_taken_off(answer: str, expected: str) -> None:
    assert "".join(strip_yes_or_no(answer).split()) == "".join(expected.split())


@pytest.mark.parametrize(
    ("answer", "language"),
    [
        ("I could not find the answer in the audio.", "en"),
        ("This isn't stated; it is not mentioned.", "en"),
        ("Das wird nicht erwähnt.", "de"),
        ("No se menciona.", "es"),
        ("Ce n’est pas précisé.", "fr"),
        ("文中没有提到。", "zh"),
        ("इसका उल्लेख नहीं है।", "hi"),
        ("لم يُذكر ذلك", "ar"),
        ("記載されていません。", "ja"),
    ],
)
def test_refusals(answer: str, language: str) -> None:
    assert is_refusal(normalise(answer, language))


@pytest.mark.parametrize(
    "answer", ["Berlin", "nobody mentioned it", "没有", "四个苹果", "kein Brot"]
)
def test_what_is_no_refusal(answer: str) -> None:
    assert not is_refusal(normalise(answer, "und"))


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("According to the text, who came?", "en"),
        ("Who came, based on the given passage?", "en"),
        ("What does the transcript say about Anna?", "en"),
        ("Wer kam laut dem Text?", "de"),
        ("Wer wird im Text genannt?", "de"),
        ("Según el texto, ¿quién vino?", "es"),
        ("Selon le texte, qui est venu ?", "fr"),
        ("根据这段文字，谁来了？", "zh"),
        ("文章中谁来了？", "zh"),
        ("本文によると、誰が来ましたか。", "ja"),
        ("पाठ के अनुसार कौन आया?", "hi"),
        ("وفقًا للنص، من جاء؟", "ar"),
        ("Согласно тексту, кто пришёл?", "ru"),
    ],
)
def test_questions_about_a_text(question: str, language: str) -> None:
    assert mentions_text(normalise(question, language))


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("Who wrote the text message to Anna?", "en"),
        ("What happened in the context of the war?", "en"),
        ("What is said in the text of the treaty?", "en"),
        ("Nach wem fragte Anna?", "de"),
        ("Was sagt der Sprecher in der Aufnahme?", "de"),
        ("安娜的文章写了什么？", "zh"),
        ("अन्ना ने क्या पढ़ा?", "hi"),
    ],
)
def test_questions_about_something_else(question: str, language: str) -> None:
    assert not mentions_text(normalise(question, language))
