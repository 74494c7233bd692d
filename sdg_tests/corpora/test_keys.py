"""Partition keys: what Dagster would lose is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdg_assets.corpora.keys import (
    Partition,
    PartitionKeyError,
    check_corpus_name,
    parse_partition,
)


@pytest.mark.parametrize(
    "key", ["librispeech|en", "my_corpus-2|pt-br", "a|zh-hant", "0|mul", "x|sr-latn-rs"]
)
def test_good_keys_round_trip(key: str) -> None:
    assert str(parse_partition(key)) == key


@pytest.mark.parametrize(
    "key", ["", "en", "a,b|en", "A|en", "a|EN", "a|b|en", "a b|en", "-a|en", "a|english!", "|en"]
)
def test_bad_keys_are_refused(key: str) -> None:
    with pytest.raises(PartitionKeyError, match=r"write|use"):
        parse_partition(key)


@given(st.text())
def test_no_accepted_name_holds_what_breaks_dagster(name: str) -> None:
    try:
        check_corpus_name(name)
    except PartitionKeyError:
        return
    assert not set(name) & set("|,[]\n ./\\")
    assert parse_partition(f"{name}|en") == Partition(name, "en")
