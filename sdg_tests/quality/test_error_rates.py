"""Tests of word and character error rates."""

import csv
import json
from pathlib import Path

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdg_assets.quality.error_rates import (
    ErrorCounts,
    comparable_transcript,
    default_unit,
    error_counts,
    sum_counts,
)

SMALL_TEXTS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=8).map(" ".join)


def edit_distance(reference: list[str], hypothesis: list[str]) -> int:
    """Levenshtein distance by the textbook table."""
    row = list(range(len(hypothesis) + 1))
    for i, expected in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, heard in enumerate(hypothesis, 1):
            cheapest = min(row[j] + 1, row[j - 1] + 1, diagonal + (expected != heard))
            diagonal, row[j] = row[j], cheapest
    return row[-1]


def test_operations_are_told_apart() -> None:
    assert error_counts("a b c d e f g", "a x c d f g h", "xx") == ErrorCounts(1, 1, 1, 7)


def test_unspaced_languages_are_counted_in_characters() -> None:
    assert default_unit("zh-TW") == "character"
    assert default_unit("hi") == "word"
    assert error_counts("我在北京。", "我 在 南京", "zh") == ErrorCounts(1, 0, 0, 4)


def test_the_unit_can_be_chosen_and_a_mark_is_part_of_its_character() -> None:
    assert error_counts("नमस्ते", "नमस्ती", "hi", unit="character") == ErrorCounts(1, 0, 0, 3)
    assert error_counts("नमस्ते", "नमस्ती", "hi", unit="word") == ErrorCounts(1, 0, 0, 1)


def test_format_is_no_error_but_words_are() -> None:
    same = error_counts("mister smith had twenty one dogs", "Mr. Smith had 21 dogs.", "en-US")
    assert same.errors == 0
    assert error_counts("Guten Tag!", "guten tag", "de").errors == 0
    assert error_counts("L’État, c’est moi", "l'état c'est toi", "fr").errors == 1


def test_the_english_normaliser_touches_english_only() -> None:
    assert comparable_transcript("I'm twenty one, um", "en") == "i am 21"
    assert comparable_transcript("um neun Uhr, I'm Kino", "de") == "um neun uhr i'm kino"


def test_corpus_rate_is_total_errors_over_total_words() -> None:
    corpus = sum_counts(
        [
            error_counts("no", "yes", "xx"),
            error_counts("a b c d e f g h i", "a b c d e f g h i", "xx"),
        ]
    )
    assert corpus == ErrorCounts(1, 0, 0, 10)
    assert corpus.rate == pytest.approx(0.1)


def test_without_reference_there_is_no_rate_but_insertions_count_in_the_corpus() -> None:
    hallucinated = error_counts("", "thank you", "xx")
    assert hallucinated.rate is None
    assert sum_counts([hallucinated, error_counts("a b", "a b", "xx")]).rate == 1.0
    assert sum_counts([]).rate is None


@given(SMALL_TEXTS, SMALL_TEXTS)
def test_errors_are_the_edit_distance(reference: str, hypothesis: str) -> None:
    counts = error_counts(reference, hypothesis, "xx")
    assert counts.errors == edit_distance(reference.split(), hypothesis.split())
    assert counts.reference_units == len(reference.split())
    balance = counts.reference_units - counts.deletions + counts.insertions
    assert balance == len(hypothesis.split())


@pytest.mark.real_data
def test_real_hypotheses_agree_with_jiwer(shared_data: Path) -> None:
    with (shared_data / "librispeech_test_other" / "transcripts.tsv").open(
        encoding="utf-8"
    ) as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    pairs = [(row["reference"], row["asr_hypothesis_rnnt_baseline"]) for row in rows]
    references, hypotheses = map(list, zip(*pairs, strict=True))

    by_word = sum_counts(error_counts(*pair, "xx") for pair in pairs)
    expected = jiwer.process_words(references, hypotheses)
    assert by_word.rate == pytest.approx(expected.wer)
    assert (by_word.substitutions, by_word.deletions, by_word.insertions) == (
        expected.substitutions,
        expected.deletions,
        expected.insertions,
    )
    assert 0.02 < expected.wer < 0.3

    by_character = sum_counts(error_counts(*pair, "xx", "character") for pair in pairs)
    joined = [[text.replace(" ", "") for text in texts] for texts in (references, hypotheses)]
    assert by_character.rate == pytest.approx(jiwer.process_characters(*joined).cer)


@pytest.mark.real_data
def test_english_is_compared_as_whisper_does(shared_data: Path) -> None:
    golden = json.loads(
        (shared_data / "whisper_golden" / "normalizer_cases.json").read_text("utf-8")
    )
    cases = [case for case in golden["cases"] if case["test"] == "test_text_normalizer"]
    assert len(cases) > 5
    for case in cases:
        assert comparable_transcript(case["input"], "en") == case["expected"]
