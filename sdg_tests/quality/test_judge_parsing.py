"""Tests of reading a verdict."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdg_assets.quality.judge_parsing import parse_verdict


@pytest.mark.parametrize(
    "text",
    [
        "yes",
        " YES.\n",
        "**Yes**",
        "`yes`",
        '{"verdict": "yes"}',
        '```json\n{"verdict": "Yes"}\n```',
        '{"reason": "There is no doubt.", "verdict": "yes"}',
        '{"reason": "It says four.", "verdict": "yes',
        "Verdict: yes, because no other boat left.",
        "The verdict is yes.",
        "It says that there is no other boat.\n\nYes",
        "Answer: yes",
        "Yes, it says four.",
        "Yes — it says four.",
        "The context says four, so yes.",
    ],
)
def test_yes(text: str) -> None:
    assert parse_verdict(text) == "yes"


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "No.",
        "NO!",
        '{"verdict":"no"}',
        "**Verdict:** no",
        "Yes would be right for the other boat.\nVerdict: no",
        "The number is wrong. No",
        "No: it says five.",
    ],
)
def test_no(text: str) -> None:
    assert parse_verdict(text) == "no"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "maybe",
        "yes or no",
        "Yes/No",
        "yes\nno",
        '{"verdict": "yes"} {"verdict": "no"}',
        "Yes, because no other boat left.",
        "No one knows",
        "nothing",
        "yesterday",
        "I cannot say yes",
        '{"verdict": "no context"}',
        '{"verdict": "unknown"}',
        "是",
    ],
)
def test_ambiguous_or_absent(text: str) -> None:
    assert parse_verdict(text) is None


@given(st.text())
def test_no_text_raises(text: str) -> None:
    assert parse_verdict(text) in {"yes", "no", None}


@given(st.sampled_from(["yes", "no"]), st.text(st.sampled_from(" \n.*_\"'`!")))
def test_punctuation_does_not_matter(word: str, noise: str) -> None:
    assert parse_verdict(noise + word.title() + noise[::-1]) == word
