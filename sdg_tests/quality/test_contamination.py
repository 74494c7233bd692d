"""Tests of what training has shown of an evaluation set."""

from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from sdg_assets.quality.contamination import COLUMNS, find_shown, summarise

BOATS = "the boats leave the old harbour at nine every morning and return when it is dark"
TRAINS = "a train to the northern towns leaves from the last platform once it has been cleaned"
HARBOUR = "港口位于老城区的北边，船每天早上九点出发，天黑以后才会回到这里来。"
LONG = "because the harbour master had closed the gate before noon"


def example(
    context: str | None,
    answer: str,
    speaker: str | None,
    language: str = "en",
    audio: str | None = None,
) -> Any:
    return dict(zip(COLUMNS, (language, speaker, context, answer, audio), strict=True))


def table(*examples: Any) -> pa.Table:
    schema = pa.schema([(name, pa.string()) for name in COLUMNS])
    return pa.Table.from_pylist(list(examples), schema=schema)


def signs(asked: Any, *training: Any) -> tuple[str, ...]:
    [shown] = find_shown([asked], table(*training))
    return shown.signs


def test_an_unseen_example_has_no_sign() -> None:
    assert signs(example(BOATS, "at nine", "ann"), example(TRAINS, "at nine", "bob")) == ()


def test_a_context_that_was_trained_on_is_found_whatever_its_format() -> None:
    assert signs(example(BOATS, "x", "ann"), example(f"{BOATS.upper()}!", "y", "bob")) == (
        "context",
    )


def test_most_of_a_context_is_told_apart_from_all_of_it() -> None:
    most = " ".join(BOATS.split()[:14])
    assert signs(example(BOATS, "x", None), example(f"Well, {most}", "y", None)) == (
        "context_ngrams",
    )


def test_long_answers_count_and_short_ones_do_not() -> None:
    assert signs(example(BOATS, LONG, None), example(TRAINS, LONG, None)) == ("answer_ngrams",)
    assert signs(example(BOATS, "yes", None), example(TRAINS, "yes", None)) == ()


def test_a_speaker_of_both_is_found_and_an_unknown_one_is_nobody() -> None:
    assert signs(example(BOATS, "x", "ann"), example(TRAINS, "y", "ann")) == ("speaker",)
    assert signs(example(BOATS, "x", None), example(TRAINS, "y", None)) == ()


def test_a_recording_is_found_whatever_it_was_taken_to_say() -> None:
    """As where one corpus has its text and another a pseudo-label."""
    asked = example(BOATS, "x", "ann", audio="5ha")
    assert signs(asked, example("the coats", "y", "bob", audio="5ha")) == ("recording",)
    assert signs(asked, example("the coats", "y", "bob", audio="6ha")) == ()


def test_languages_are_compared_with_themselves() -> None:
    asked = [example(BOATS, "x", "ann", "en"), example(HARBOUR, "x", "wei", "zh")]
    said = f"他说：{HARBOUR[:20]}"
    trained = table(example(BOATS, "x", "ann", "de"), example(said, "y", "li", "zh"))
    english, chinese = find_shown(asked, trained)
    assert english.signs == ()
    assert chinese.context.ngram_share > 0


def test_a_context_that_is_not_known_is_no_context() -> None:
    assert signs(example(None, "x", None), example(None, "y", None)) == ()


def test_the_summary_counts_examples_and_names_speakers() -> None:
    asked = [example(BOATS, LONG, "ann"), example(TRAINS, "yes", "bob"), example(None, "no", None)]
    found = summarise(find_shown(asked, table(example(BOATS, LONG, "bob"))), asked)
    assert (found.examples, found.exact_contexts, found.exact_answers) == (3, 1, 1)
    assert found.speakers == ("bob",)
    assert 0 < found.ngram_contexts < 1
    assert found.ngram_answers == 1


TEXTS = st.text("ab 日本", max_size=12)
EXAMPLES = st.lists(
    st.builds(example, st.none() | TEXTS, TEXTS, st.none() | st.sampled_from("xy")), min_size=1
)


@given(EXAMPLES)
def test_whoever_is_asked_what_was_trained_on_is_told_so(examples: list[Any]) -> None:
    for row, shown in zip(examples, find_shown(examples, table(*examples)), strict=True):
        assert shown.speaker == (row["speaker"] is not None)
        assert shown.context.exact == bool(row["context"])
