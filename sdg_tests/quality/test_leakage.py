"""Tests of the overlap of training and evaluation."""

from pathlib import Path

import pytest

from sdg_assets.quality.leakage import Overlap, find_overlaps, find_shared_speakers
from sdg_tests.xquad import read_passages

ENGLISH = "the boats leave the old harbour at nine every morning and return when it is dark"
CHINESE = "港口位于老城区的北边，船每天早上九点出发，天黑以后才会回到这里来。"


def test_an_equal_text_is_found_whatever_its_format() -> None:
    assert find_overlaps([ENGLISH], [ENGLISH.upper() + "!"], "en") == [Overlap(True, 1.0)]


def test_a_shared_stretch_is_found_inside_other_text() -> None:
    words = ENGLISH.split()
    training = ["He said that " + " ".join(words[:10]) + " but nobody came."]
    [overlap] = find_overlaps([ENGLISH], training, "en")
    assert overlap == Overlap(False, pytest.approx(3 / 9))


def test_seven_shared_words_are_no_overlap() -> None:
    training = [" ".join(ENGLISH.split()[:7])]
    assert find_overlaps([ENGLISH], training, "en") == [Overlap(False, 0.0)]


def test_unspaced_text_is_compared_by_characters() -> None:
    [overlap] = find_overlaps([CHINESE], ["他说：" + CHINESE[:22] + "！"], "zh")
    assert not overlap.exact
    assert 0.1 < overlap.ngram_share < 0.5
    assert find_overlaps([CHINESE], [CHINESE[:12]], "zh") == [Overlap(False, 0.0)]


def test_a_short_text_overlaps_only_as_a_whole() -> None:
    assert find_overlaps(["yes sir"], ["Yes, sir!"], "en") == [Overlap(True, 1.0)]
    assert find_overlaps(["yes sir"], ["well yes sir of course"], "en") == [Overlap(False, 0.0)]


def test_results_are_in_order_and_training_may_stream() -> None:
    overlaps = find_overlaps(["one", "two", "three"], iter(["two"]), "en")
    assert [overlap.exact for overlap in overlaps] == [False, True, False]
    assert find_overlaps([], ["two"], "en") == []


def test_shared_speakers() -> None:
    assert find_shared_speakers(["b", "a", None, "c"], ["c", "b", "b", None]) == ("b", "c")
    assert find_shared_speakers([None, ""], [None, ""]) == ()


@pytest.mark.real_data
@pytest.mark.parametrize("language", ["en", "zh", "hi"])
def test_real_passages_overlap_with_themselves_only(shared_data: Path, language: str) -> None:
    passages = [context for context, _ in read_passages(shared_data, language)]
    evaluation, training = passages[::2], passages[1::2]
    apart = find_overlaps(evaluation, training, language)
    assert sum(overlap.ngram_share > 0.05 for overlap in apart) <= 2
    leaked = find_overlaps(evaluation, [*training, *evaluation[:10]], language)
    assert [overlap.exact for overlap in leaked] == [True] * 10 + [False] * (len(leaked) - 10)
