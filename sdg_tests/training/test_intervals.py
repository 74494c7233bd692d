"""Intervals of means."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdg_training.intervals import FEWEST_SPEAKERS, bootstrap, cluster

VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=40)


@given(VALUES, st.integers(0, 9))
def test_the_mean_lies_inside_and_the_seed_decides(values: list[float], seed: int) -> None:
    interval = bootstrap(values, seed=seed)
    assert interval.mean == pytest.approx(np.mean(values))
    assert min(values) - 1e-9 <= interval.low <= interval.high <= max(values) + 1e-9
    assert interval == bootstrap(values, seed=seed)


def test_it_is_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    interval = bootstrap(values.tolist())
    assert interval.high - interval.low == pytest.approx(2 * 1.96 / np.sqrt(1000), rel=0.1)


def test_what_goes_together_is_less_sure() -> None:
    """Ten questions about one recording, all right or all wrong, are one observation."""
    right = np.random.default_rng(0).integers(0, 2, 50).repeat(10).astype(float).tolist()
    recordings = np.arange(50).repeat(10).tolist()
    alone, together = bootstrap(right), bootstrap(right, recordings)
    assert together.mean == alone.mean
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_coverage() -> None:
    """About 19 of 20 intervals hold the truth."""
    generator = np.random.default_rng(1)
    held = 0
    for seed in range(200):
        interval = bootstrap(generator.integers(0, 2, 60).tolist(), seed=seed)
        held += interval.low <= 0.5 <= interval.high
    assert 0.88 <= held / 200 <= 0.99


def test_speakers_are_resampled_where_there_are_enough() -> None:
    recordings = [str(number) for number in range(12)]
    few = [f"speaker {number % (FEWEST_SPEAKERS - 1)}" for number in range(12)]
    many = [f"speaker {number % FEWEST_SPEAKERS}" for number in range(12)]
    assert str(cluster(few, recordings)) == "12 recordings"
    assert cluster([None] * 12, recordings) == cluster(few, recordings)
    assert str(cluster(many, recordings)) == "5 speakers"
    known = cluster([None, *many], ["speaker 0", *recordings])
    assert len(set(known.members)) == FEWEST_SPEAKERS + 1  # it stands for itself
    assert str(cluster(["one"], ["alone"])) == "1 recording"


def test_coverage_of_speakers_who_were_not_heard() -> None:
    """20 speakers, each of whom is asked 30 times, and whose shares of right answers differ."""
    generator = np.random.default_rng(0)
    speakers = np.arange(20).repeat(30).tolist()
    held = {"speaker": 0, "recording": 0}
    for seed in range(100):
        shares = generator.normal(0.5, 0.15, 20).clip(0, 1).repeat(30)
        right = (generator.random(600) < shares).astype(float).tolist()
        for clusters in (cluster(speakers, range(600)), cluster([None] * 600, range(600))):
            interval = bootstrap(right, clusters.members, seed=seed)
            held[clusters.by] += interval.low <= 0.5 <= interval.high
    assert held["speaker"] >= 88
    assert held["recording"] <= 80


def test_no_score_is_an_error() -> None:
    with pytest.raises(ValueError, match="no score"):
        bootstrap([])
