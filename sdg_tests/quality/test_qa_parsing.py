"""Tests of reading question-answer pairs from an LLM's answer."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdg_assets.quality.qa_parsing import ParsedQA, QAPair, parse_qa

PAIRS = (QAPair("Wo liegt der Hafen?", "im Norden"), QAPair("船几点出发？", "九点"))
LISTED = json.dumps(
    [{"question": pair.question, "answer": pair.answer} for pair in PAIRS], ensure_ascii=False
)
LINES = "\n".join(json.dumps({"question": pair.question, "answer": pair.answer}) for pair in PAIRS)

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1).map(str.strip).filter(bool)
PAIR_LISTS = st.lists(st.builds(QAPair, TEXTS, TEXTS), max_size=5)
CHATTER = st.sampled_from(
    ["Sure! Here you go:", "Gern [1] (siehe unten):", "以下是问题：", "यहाँ प्रश्न हैं {a}:", "ok"]
)


def dump(pairs: list[QAPair], *, ascii_only: bool = False) -> str:
    items = [{"question": pair.question, "answer": pair.answer} for pair in pairs]
    return json.dumps(items, ensure_ascii=ascii_only)


def reasons(parsed: ParsedQA) -> list[str]:
    return [error.reason for error in parsed.errors]


@pytest.mark.parametrize(
    ("text", "repairs"),
    [
        (LISTED, ()),
        (f"  \n{LISTED}\n", ()),
        (f"```json\n{LISTED}\n```", ("code_fence",)),
        (f"```\n{LISTED}", ("code_fence",)),
        (f"Sure! See [1].\n{LISTED}\nDoes {{it}} help?", ("chatter",)),
        (f"Here:\n```json\n{LISTED}\n```", ("code_fence", "chatter")),
        (f'{{"pairs": {LISTED}}}', ("wrapped_list",)),
        (f'{{"language": "de", "pairs": {LISTED}}}', ("wrapped_list",)),
        (LINES, ("json_lines",)),
        (LINES.replace("\n", ",\n"), ("json_lines",)),
        (f"```\n{LINES}\n```", ("code_fence", "json_lines")),
        (f"{LISTED}\n\nA better list:\n[]", ("chatter",)),
        (f'[{{"question": ...}}]\n{LISTED}', ("chatter",)),
    ],
)
def test_named_repairs(text: str, repairs: tuple[str, ...]) -> None:
    assert parse_qa(text) == ParsedQA(PAIRS, (), repairs)


def test_an_empty_list_is_an_answer() -> None:
    assert parse_qa("[]") == ParsedQA(())
    assert parse_qa("There is nothing to ask. []") == ParsedQA((), (), ("chatter",))


@pytest.mark.parametrize(
    "text",
    ["", "Where is it? In the north.", "1. Wo? - Im Norden [sic]", '["a", "b"]', "{}", "null"],
)
def test_prose_is_not_json(text: str) -> None:
    assert reasons(parse_qa(text)) == ["not_json"]
    assert parse_qa(text).pairs == ()


@pytest.mark.parametrize("cut", range(1, len(LISTED)))
def test_whole_pairs_before_the_cut_are_kept(cut: int) -> None:
    parsed = parse_qa(LISTED[:cut])
    whole = [pair for pair in PAIRS if f'"{pair.answer}"}}' in LISTED[:cut]]
    assert parsed.pairs == tuple(whole)
    assert reasons(parsed) == (["not_json"] if cut == 1 else ["truncated_json"])


def test_a_cut_inside_a_fence_and_an_object() -> None:
    parsed = parse_qa(f'```json\n{{"pairs": {LISTED[:-8]}')
    assert parsed.pairs == PAIRS[:1]
    assert (reasons(parsed), parsed.repairs) == (["truncated_json"], ("code_fence",))


def test_invalid_json_keeps_its_valid_objects() -> None:
    parsed = parse_qa(LISTED[:-1] + ",]")
    assert (parsed.pairs, reasons(parsed)) == (PAIRS, ["malformed_json"])


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ('{"question": "a"}', "missing_key"),
        ('{"frage": "a", "answer": "b"}', "missing_key"),
        ('{"question": "a", "answer": 4}', "wrong_type"),
        ('{"question": ["a"], "answer": "b"}', "wrong_type"),
        ('{"question": null, "answer": "b"}', "wrong_type"),
        ('"a"', "wrong_type"),
        ('{"question": " ", "answer": "b"}', "empty_text"),
        ('{"question": "a", "answer": "\\n"}', "empty_text"),
        ('{"question": "a", "answer": "\\ud83d"}', "invalid_unicode"),
    ],
)
def test_a_bad_item_is_counted_and_the_rest_kept(item: str, reason: str) -> None:
    parsed = parse_qa(f"{LISTED[:-1]}, {item}]")
    assert parsed.pairs == PAIRS
    assert reasons(parsed) == [reason]
    assert "3" in parsed.errors[0].detail


def test_extra_keys_are_tolerated() -> None:
    text = '[{"id": 1, "question": "a?", "answer": "b", "evidence": ["b"]}]'
    assert parse_qa(text) == ParsedQA((QAPair("a?", "b"),))


@pytest.mark.parametrize(
    "text", ["[{" * 20_000, '[{"question": ' + "[" * 50_000, '[{"a": ' + "9" * 5_000 + "}]"]
)
def test_degenerate_output_does_not_raise(text: str) -> None:
    parsed = parse_qa(text)
    assert parsed.pairs == ()
    assert parsed.errors


@given(st.text() | st.text(st.sampled_from('[]{}",:\\ aq')) | st.text().map(lambda t: LISTED + t))
def test_no_text_raises(text: str) -> None:
    parsed = parse_qa(text)
    assert all(pair.question and pair.answer for pair in parsed.pairs)


@given(st.text(st.sampled_from('[]{}",:\\ \nab')), st.integers(0, len(LISTED)))
def test_nothing_is_invented(noise: str, position: int) -> None:
    text = LISTED[:position] + noise + LISTED[position:]
    for pair in parse_qa(text).pairs:
        assert json.dumps(pair.question, ensure_ascii=False)[1:-1] in text
        assert json.dumps(pair.answer, ensure_ascii=False)[1:-1] in text


@given(PAIR_LISTS, st.booleans())
def test_every_list_comes_back(pairs: list[QAPair], ascii_only: bool) -> None:
    assert parse_qa(dump(pairs, ascii_only=ascii_only)) == ParsedQA(tuple(pairs))


@given(PAIR_LISTS, CHATTER, CHATTER)
def test_every_list_comes_back_from_a_fence_amid_chatter(
    pairs: list[QAPair], before: str, after: str
) -> None:
    parsed = parse_qa(f"{before}\n```json\n{dump(pairs)}\n```\n{after}")
    assert parsed == ParsedQA(tuple(pairs), (), ("code_fence", "chatter"))


@given(PAIR_LISTS.filter(bool))
def test_every_list_comes_back_from_an_object_and_from_lines(pairs: list[QAPair]) -> None:
    assert parse_qa(f'{{"items": {dump(pairs)}}}').pairs == tuple(pairs)
    assert parse_qa("\n".join(dump([pair])[1:-1] for pair in pairs)).pairs == tuple(pairs)


def test_what_the_llm_ended_itself_was_not_cut_off() -> None:
    text = '[{"question": "a?", "answer": "b}]'
    assert reasons(parse_qa(text)) == ["truncated_json"]
    assert reasons(parse_qa(text, is_finished=True)) == ["malformed_json"]
