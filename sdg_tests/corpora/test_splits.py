"""Splits: disjoint by group, stable, and in the shares that were asked for."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sdg_assets.corpora.base import AudioSource, SourceQA, SourceUtterance
from sdg_assets.corpora.splits import SplitRule, assign_split, split_name, split_of

NAMES = st.text(min_size=1, max_size=20)


def utterance(name: str, speaker: str | None = None, split: str | None = None) -> SourceUtterance:
    return SourceUtterance(name, AudioSource("x.wav"), speaker=speaker, split=split)


def question(name: str, passage: str, split: str | None = None) -> SourceQA:
    return SourceQA(name, passage, "c", "q", "a", True, "x.json", "x.json:1", split)


@given(names=st.sets(NAMES), more=st.sets(NAMES), seed=st.integers(0, 5))
def test_nothing_moves_when_files_are_added(names: set[str], more: set[str], seed: int) -> None:
    rule = SplitRule(by="utterance", seed=seed)
    before = {name: assign_split(name, rule) for name in names}
    after = {name: assign_split(name, rule) for name in names | more}
    assert before.items() <= after.items()


@given(NAMES, st.lists(NAMES))
def test_a_speaker_is_on_one_side(speaker: str, names: list[str]) -> None:
    rule = SplitRule(by="speaker")
    assert len({split_of(utterance(name, speaker), rule) for name in names}) <= 1


@given(NAMES, st.lists(NAMES))
def test_a_passage_is_on_one_side(passage: str, names: list[str]) -> None:
    rule = SplitRule(by="passage")
    assert len({split_of(question(name, passage), rule) for name in names}) <= 1


def test_utterances_of_unknown_speakers_are_their_own_group() -> None:
    by_speaker = SplitRule(by="speaker")
    splits = Counter(split_of(utterance(f"u{n}"), by_speaker) for n in range(1000))
    assert set(splits) == {"train", "validation", "test"}


def test_splitting_by_utterance_takes_no_notice_of_the_speaker() -> None:
    rule = SplitRule(by="utterance")
    assert len({split_of(utterance(f"u{n}", "one"), rule) for n in range(200)}) == 3


@pytest.mark.parametrize(
    ("rule", "promised"),
    [
        ({"by": "speaker"}, ("train", "validation", "test")),
        ({"by": "utterance", "train": 1, "validation": 0, "test": 0}, ("train",)),
        (
            {"by": "speaker", "train": 1, "validation": 0, "test": 0, "test_groups": ["a"]},
            ("train", "test"),
        ),
        ({"by": "given"}, ()),
    ],
)
def test_a_rule_promises_the_sets_with_a_share(
    rule: dict[str, Any], promised: tuple[str, ...]
) -> None:
    assert SplitRule.model_validate(rule).promised == promised


@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.1), (0.5, 0.2, 0.3), (1.0, 0.0, 0.0), (0, 0, 1)])
def test_shares(shares: tuple[float, float, float]) -> None:
    train, validation, test = shares
    rule = SplitRule(by="utterance", train=train, validation=validation, test=test)
    counts = Counter(assign_split(f"group {n}", rule) for n in range(20_000))
    assert counts["train"] / 20_000 == pytest.approx(train, abs=0.01)
    assert counts["validation"] / 20_000 == pytest.approx(validation, abs=0.01)
    assert counts["test"] / 20_000 == pytest.approx(test, abs=0.01)


def test_a_larger_test_share_keeps_the_test_groups() -> None:
    small = SplitRule(by="utterance")
    large = SplitRule(by="utterance", train=0.6, test=0.3)
    names = [f"group {n}" for n in range(2000)]
    kept = {n for n in names if assign_split(n, small) == "test"}
    assert kept < {n for n in names if assign_split(n, large) == "test"}


def test_the_seed_changes_who_is_where() -> None:
    names = [f"group {n}" for n in range(500)]
    sides = [[assign_split(n, SplitRule(by="utterance", seed=s)) for n in names] for s in (0, 1)]
    assert sides[0] != sides[1]


def test_known_values_never_change() -> None:
    """A changed hash would move test speakers into training between two versions of the code."""
    rule = SplitRule(by="speaker")
    sides = {str(n): assign_split(str(n), rule) for n in range(12)}
    assert [name for name, side in sides.items() if side == "validation"] == ["1"]
    assert [name for name, side in sides.items() if side == "test"] == ["8"]


def test_named_test_groups_are_the_whole_test_split() -> None:
    rule = SplitRule(by="speaker", test_groups=("alice", "bob"))
    names = [f"speaker {n}" for n in range(5000)]
    counts = Counter(assign_split(name, rule) for name in names)
    assert counts["test"] == 0
    assert counts["validation"] / 5000 == pytest.approx(1 / 9, abs=0.02)
    assert assign_split("alice", rule) == assign_split("bob", rule) == "test"


def test_given_splits_are_kept() -> None:
    rule = SplitRule(by="given")
    assert split_of(utterance("a", split="dev-clean"), rule) == "validation"
    assert split_of(question("a", "p", split="test"), rule) == "test"
    everything = SplitRule(by="utterance", train=1, validation=0, test=0)
    assert split_of(utterance("a", split="test"), everything) == "train"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train", "train"),
        ("train.clean.100", "train"),
        ("Training", "train"),
        ("dev", "validation"),
        ("valid", "validation"),
        ("validation", "validation"),
        ("test-other", "test"),
        ("other", None),
        ("", None),
        (None, None),
    ],
)
def test_names_of_splits(name: str | None, expected: str | None) -> None:
    assert split_name(name) == expected


@pytest.mark.parametrize("shares", [{"train": 0.9}, {"train": 0, "test": 0, "validation": 0}])
def test_shares_must_sum_to_one(shares: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="write three shares that sum to 1"):
        SplitRule.model_validate({"by": "speaker"} | shares)


@pytest.mark.parametrize("shares", [{"train": 1.2}, {"test": -0.1}, {"by": "colour"}])
def test_wrong_rules(shares: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SplitRule.model_validate({"by": "speaker"} | shares)
