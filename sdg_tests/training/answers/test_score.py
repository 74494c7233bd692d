"""Scores of one answer, in any script."""

from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu import sentence_bleu

from sdg_training.answers.score import (
    score_answer,
    score_bleu,
    score_exact_match,
    score_in_context,
    score_token_f1,
)

TEXTS = st.lists(
    st.sampled_from(["red", "Red", "die", "Straße", "北京", "市", "की", "सोमवार", "سوق", "7", "!"]),
    max_size=6,
).map(" ".join)


@given(TEXTS, TEXTS)
def test_scores_are_shares_and_agree_on_what_is_right(prediction: str, reference: str) -> None:
    scores = score_answer(prediction, reference, context=None)
    values = (scores.rouge_l, scores.exact_match, scores.token_f1, scores.bleu)
    assert all(0 <= value <= 1 for value in values)
    if scores.exact_match and scores.rouge_l:
        assert values == pytest.approx((1, 1, 1, 1))
    assert scores.token_f1 == pytest.approx(score_token_f1(reference, prediction))
    assert scores.token_f1 >= scores.rouge_l - 1e-9  # the same words in whatever order


@given(st.text(), st.text(), st.text())
def test_any_texts_score_within_bounds(prediction: str, reference: str, context: str) -> None:
    values = astuple(score_answer(prediction, reference, context))
    assert all(0 <= value <= 1 for value in values)


@given(st.text().filter(str.strip))
def test_a_text_is_right_about_itself_and_a_blank_one_is_wrong(text: str) -> None:
    same = score_answer(text, text, text)
    assert astuple(same) == pytest.approx((1, 1, 1, 1, 1))
    for blank in ("", " \n"):
        assert astuple(score_answer(blank, text, text)) == (0, 0, 0, 0, 0)
        assert astuple(score_answer(text, blank, blank)) == (0, 0, 0, 0, 0)


def test_punctuation_alone_is_in_no_context() -> None:
    for said in (".", "'", "-", ""):
        assert score_in_context(said, "It's a well-known fact.") == 0
    for said in ("+", "50 %", "%", "👍"):
        assert score_in_context(said, "👍 a + b is 50 % more") == 1


@pytest.mark.parametrize(
    ("prediction", "reference", "score"),
    [("€", " €", 1), ("+", "+", 1), ("$", "€", 0), ("", "€", 0), ("€", "5 €", 0)],
)
def test_an_answer_may_be_a_sign(prediction: str, reference: str, score: int) -> None:
    scores = score_answer(prediction, reference, reference)
    assert astuple(scores)[:4] == pytest.approx((score,) * 4)
    assert scores.in_context == (prediction != "" and prediction in reference)


@pytest.mark.parametrize(
    ("prediction", "reference", "exact", "f1"),
    [
        ("The red car.", "the RED car", 1, 1),
        ("Zürich", "Zu\u0308rich", 1, 1),
        ("北京市", "北京", 0, 0.8),
        ("सोमवार को", "सोमवार", 0, 2 / 3),
        ("a a b", "a b b", 0, 2 / 3),
        ("", "", 1, 1),
        ("...", "x", 0, 0),
    ],
)
def test_exact_match_and_token_f1(prediction: str, reference: str, exact: int, f1: float) -> None:
    assert score_exact_match(prediction, reference) == exact
    assert score_token_f1(prediction, reference) == pytest.approx(f1)


def test_bleu_is_sacrebleu_s_of_our_tokens() -> None:
    said, wanted = "the cat sat on the red mat", "the cat sat on a mat"
    expected = sentence_bleu(said, [wanted], tokenize="none", use_effective_order=True).score
    assert score_bleu(f"{said.upper()}!", wanted) == pytest.approx(expected / 100)
    assert score_bleu("两只狗", "两只狗") == pytest.approx(1)
    assert score_bleu("yes", "yes") == pytest.approx(1)  # though it has no four words
    assert score_bleu("", "yes") == score_bleu("no", "yes") == 0


def test_an_answer_may_have_been_said() -> None:
    assert score_in_context("zwei Hunde", "Anna hat zwei Hunde.") == 1
    assert score_in_context("Hunde zwei", "Anna hat zwei Hunde.") == 0
    assert score_in_context("unde", "Anna hat zwei Hunde.") == 0  # whole words alone
    assert score_in_context("两只", "她有两只狗") == 1
    assert score_in_context("", "anything") == 0
    assert score_answer("a", "a", None).in_context is None
