"""ROUGE-L: published values, a textbook LCS as the oracle, and every script."""

import json
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdg_training.rouge.score import RougeScore, rouge_l, tokenize

SENTENCES = {
    "ar": "ذهبت المرأة إلى السوق يوم الاثنين",
    "de": "Die Straße nach Köln ist gesperrt",
    "el": "Η Μαρία πήγε στην αγορά",
    "en": "The woman went to the market on Monday",
    "fa": "می‌خواهم به بازار بروم",
    "he": "האישה הלכה לשוק",
    "hi": "महिला सोमवार को बाज़ार गई",
    "ja": "女性は月曜日に市場へ行きました",
    "km": "ស្ត្រីបានទៅផ្សារ",
    "ko": "여자는 월요일에 시장에 갔다",
    "lo": "ແມ່ຍິງໄປຕະຫຼາດ",
    "my": "အမျိုးသမီးသည် ဈေးသို့ သွားသည်",
    "ru": "Женщина пошла на рынок",
    "ta": "பெண் சந்தைக்குச் சென்றாள்",
    "th": "ผู้หญิงไปตลาดวันจันทร์",
    "zh": "那个女人星期一去了市场",
}
WORDS = st.lists(st.sampled_from(["a", "b", "c", "die", "北", "京", "की", "سوق"]), max_size=12)


def longest_common_subsequence(left: list[str], right: list[str]) -> int:
    """The textbook table, one row at a time."""
    row = [0] * (len(right) + 1)
    for token in left:
        diagonal = 0
        for column, other in enumerate(right, start=1):
            above = row[column]
            row[column] = diagonal + 1 if token == other else max(above, row[column - 1])
            diagonal = above
    return row[-1]


def expected_score(prediction: list[str], reference: list[str]) -> RougeScore:
    common = longest_common_subsequence(prediction, reference)
    if common == 0:
        return RougeScore(0.0, 0.0, 0.0)
    precision, recall = common / len(prediction), common / len(reference)
    return RougeScore(precision, recall, 2 * precision * recall / (precision + recall))


@pytest.mark.real_data
def test_agrees_with_every_published_rouge_l_case(shared_data: Path) -> None:
    golden = json.loads((shared_data / "rouge_golden" / "rouge_score_cases.json").read_text())
    cases = [case for case in golden["cases"] if case["type"] == "rougeL"]
    assert len(cases) == 5
    for case in cases:
        score = rouge_l(case["prediction"], case["target"])
        tolerance = 0.5 * 10 ** -case["decimal_places"]
        for name in ("precision", "recall", "fmeasure"):
            assert getattr(score, name) == pytest.approx(case[name], abs=tolerance), case["name"]


@pytest.mark.real_data
def test_many_references_give_the_best_of_each_alone(shared_data: Path) -> None:
    golden = json.loads((shared_data / "rouge_golden" / "rouge_metric_test_data.json").read_text())
    assert len(golden) == 25
    for case in golden.values():
        references = [re.findall("[a-z0-9]+", text.lower()) for text in case["references"]]
        for summary in case["summaries"]:
            tokens = re.findall("[a-z0-9]+", summary.lower())
            best = max((expected_score(tokens, other) for other in references), key=_fmeasure)
            assert rouge_l(summary, case["references"]) == best


def _fmeasure(score: RougeScore) -> float:
    return score.fmeasure


def test_the_sentence_of_lin_2004() -> None:
    score = rouge_l("police kill the gunman", "police killed the gunman")
    assert score == RougeScore(0.75, 0.75, 0.75)
    assert rouge_l("the gunman kill police", "police killed the gunman").fmeasure == 0.5


@pytest.mark.parametrize("language", SENTENCES)
def test_a_text_equals_itself_in_every_script(language: str) -> None:
    text = SENTENCES[language]
    assert rouge_l(text, text) == RougeScore(1.0, 1.0, 1.0)
    assert rouge_l(unicodedata.normalize("NFD", text), text + "!").fmeasure == 1.0


@pytest.mark.parametrize("language", SENTENCES)
def test_half_a_text_scores_between_none_and_all(language: str) -> None:
    tokens = tokenize(SENTENCES[language])
    half = "".join(tokens[::2]) if language in {"zh", "ja", "th"} else " ".join(tokens[::2])
    score = rouge_l(half, SENTENCES[language])
    assert score.precision == 1.0
    assert 0.3 < score.recall < 0.8


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don't stop: it_is 3.5%", ["don", "t", "stop", "it", "is", "3", "5"]),
        ("Zürich, STRASSE", ["zürich", "strasse"]),
        ("दिल्ली में", ["दिल्ली", "में"]),
        ("कर्म", ["कर्म"]),
        ("২০২৪ সালে", ["২০২৪", "সালে"]),
        ("2024年5月", ["2024", "年", "5", "月"]),
        ("二〇〇四年", ["二", "〇", "〇", "四", "年"]),
        ("東京タワー", ["東", "京", "タ", "ワ", "ー"]),
        ("ที่ ๑๒", ["ที่", "๑๒"]),
        ("မြန်မာ", ["မြ", "န်", "မာ"]),
        ("می‌خواهم", ["میخواهم"]),
        ("안녕 세계", ["안녕", "세계"]),
        ("１２３ ﬁne", ["123", "fine"]),
        ("…?! 😀", []),
        ("", []),
    ],
)
def test_tokens(text: str, tokens: list[str]) -> None:
    assert tokenize(text) == tokens


@pytest.mark.parametrize(
    ("prediction", "reference"),
    [("", ""), ("a", ""), ("", "€"), ("$", "€"), ("+", "+ +"), ("5 €", "€")],
)
def test_nothing_in_common(prediction: str, reference: str) -> None:
    assert rouge_l(prediction, reference) == RougeScore(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("prediction", "reference"), [("+", " + "), ("≠", "=\u0338"), ("😀", "😀")]
)
def test_what_has_no_letter_and_no_digit_counts_as_it_is(prediction: str, reference: str) -> None:
    assert rouge_l(prediction, reference) == RougeScore(1.0, 1.0, 1.0)


def test_no_reference_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one reference"):
        rouge_l("a", [])


def test_a_tokenizer_of_one_s_own() -> None:
    assert rouge_l("walks", "walked", tokenizer=list).precision == 0.8


@given(WORDS, WORDS)
def test_equals_the_textbook_and_turns_round(left: list[str], right: list[str]) -> None:
    score = rouge_l(" ".join(left), " ".join(right))
    assert score == expected_score(left, right)
    mirrored = rouge_l(" ".join(right), " ".join(left))
    assert (score.precision, score.recall) == (mirrored.recall, mirrored.precision)
    assert score.fmeasure == pytest.approx(mirrored.fmeasure)


@given(st.text(), st.text())
def test_any_text_scores_within_bounds(prediction: str, reference: str) -> None:
    score = rouge_l(prediction, reference)
    assert 0.0 <= score.fmeasure <= 1.0
    assert rouge_l(prediction, prediction).fmeasure == bool(prediction.strip())


@given(st.text())
def test_tokens_do_not_depend_on_the_unicode_form(text: str) -> None:
    assert tokenize(unicodedata.normalize("NFD", text)) == tokenize(text)


@given(st.text(alphabet=st.characters(codec="ascii")))
def test_ascii_takes_the_same_way_as_the_rest(text: str) -> None:
    assert tokenize(text + " ü") == [*tokenize(text), "ü"]
