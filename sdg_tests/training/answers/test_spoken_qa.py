"""Our metric as ``evaluate`` loads it, without a hub."""

import pytest

from sdg_training.answers import load_metric
from sdg_training.rouge import load_metric as load_rouge

INPUTS = {
    "predictions": ["the red car", "北京", "no"],
    "references": ["a red car", "北京", "yes"],
    "contexts": ["the red car is here", "", ""],
}


def test_means_and_values() -> None:
    metric = load_metric()
    means = metric.compute(**INPUTS)
    assert means["exact_match"] == pytest.approx(1 / 3)
    assert means["token_f1"] == pytest.approx((2 / 3 + 1) / 3)
    assert means["in_context"] == 1  # of those that are known
    values = metric.compute(**INPUTS, use_aggregator=False)
    assert values["exact_match"] == [0, 1, 0]
    assert values["in_context"] == [1, None, None]


def test_rouge_l_is_that_of_the_rouge_metric() -> None:
    of_rouge = load_rouge().compute(
        predictions=INPUTS["predictions"], references=INPUTS["references"]
    )
    assert load_metric().compute(**INPUTS)["rouge_l"] == pytest.approx(of_rouge["rougeL"])


def test_without_any_context_nothing_is_said_of_it() -> None:
    assert load_metric().compute(**{**INPUTS, "contexts": [""] * 3})["in_context"] is None
