"""Reads the question-answer pairs out of what an LLM wrote.

What was asked for is a JSON list of ``{"question": ..., "answer": ...}``. What comes is often that
with something around it, or the beginning of it. Repairs are named, to be counted; none of them
adds a character.
"""

import json
from dataclasses import dataclass
from typing import Any

import regex

_DECODER = json.JSONDecoder()
_OPENING = regex.compile(r'\[\s*[{\]]|\{\s*"')  # of a list of objects, or of an object
_STRING = regex.compile(r'"(?:[^"\\]|\\.)*+"', regex.DOTALL)
_FENCE = regex.compile(r"```\w*")


@dataclass(frozen=True, slots=True)
class QAPair:
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class ParseError:
    """Of the whole text: ``not_json``, ``truncated_json``, ``malformed_json``. Of one item:
    ``wrong_type``, ``missing_key``, ``empty_text``, ``invalid_unicode``."""

    reason: str
    detail: str  # a sentence for a person


@dataclass(frozen=True, slots=True)
class ParsedQA:
    pairs: tuple[QAPair, ...]
    errors: tuple[ParseError, ...] = ()
    repairs: tuple[str, ...] = ()  # of: code_fence, chatter, wrapped_list, json_lines


@dataclass(frozen=True, slots=True)
class _Value:
    start: int
    end: int
    content: Any


def parse_qa(text: str, *, is_finished: bool = False) -> ParsedQA:
    """The pairs in an LLM's answer; never raises.

    The first list of objects counts, also in a code fence, amid chatter, or inside an object
    (``{"pairs": [...]}``); without a list, objects one after another do. Where the JSON breaks
    off, the whole pairs before that are kept beside the error: ``truncated_json``, or
    ``malformed_json`` where the LLM itself came to an end (``is_finished``).
    """
    values, broken = _decode_values(text)
    for value in values:
        items = _find_list(value.content)
        if items is not None and (items or broken is None):
            wrapped = ("wrapped_list",) if isinstance(value.content, dict) else ()
            return _read_items(items, (), (*_name_surroundings(text, [value]), *wrapped))
    objects = [value for value in values if isinstance(value.content, dict)]
    items = [value.content for value in objects]
    if broken is not None:
        rest = _Value(broken, len(text), None)
        return _read_items(
            items, (_explain_break(text, broken, is_finished),), _name_surroundings(text, [rest])
        )
    if not items:
        error = ParseError("not_json", f"there is no JSON list of objects in {text[:80]!r}")
        return ParsedQA((), (error,))
    return _read_items(items, (), (*_name_surroundings(text, objects), "json_lines"))


def _decode_values(text: str) -> tuple[list[_Value], int | None]:
    """All JSON values that decode wholly, and where the first one starts that does not."""
    values: list[_Value] = []
    broken: int | None = None
    opening = _OPENING.search(text)
    while opening:
        start = opening.start()
        try:
            content, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            broken, end = start if broken is None else broken, start + 1
        else:
            values.append(_Value(start, end, content))
        opening = _OPENING.search(text, end)
    return values, broken


def _find_list(content: Any) -> list[Any] | None:
    """The list that a JSON value is, or is but a wrapper of."""
    if isinstance(content, list):
        return content
    lists = [each for each in content.values() if isinstance(each, list)]
    if len(lists) == 1 and not content.keys() & {"question", "answer"}:
        return lists[0]
    return None


def _name_surroundings(text: str, values: list[_Value]) -> tuple[str, ...]:
    starts = [*(value.start for value in values), len(text)]
    ends = [0, *(value.end for value in values)]
    outside = " ".join(text[end:start] for end, start in zip(ends, starts, strict=True))
    unfenced = _FENCE.sub("", outside)
    fenced = ("code_fence",) if unfenced != outside else ()
    return (*fenced, "chatter") if unfenced.strip(" \t\r\n,") else fenced


def _explain_break(text: str, start: int, is_finished: bool) -> ParseError:
    outside_strings = _STRING.sub("", text[start:])
    opened = sum(outside_strings.count(bracket) for bracket in "[{")
    closed = sum(outside_strings.count(bracket) for bracket in "]}")
    if not is_finished and ('"' in outside_strings or opened > closed):
        return ParseError("truncated_json", f"the JSON breaks off: ...{text[-60:]!r}")
    return ParseError("malformed_json", f"no valid JSON: {text[start : start + 80]!r}...")


def _read_items(
    items: list[Any], errors: tuple[ParseError, ...], repairs: tuple[str, ...]
) -> ParsedQA:
    read = [_read_item(number, item) for number, item in enumerate(items, 1)]
    return ParsedQA(
        pairs=tuple(each for each in read if isinstance(each, QAPair)),
        errors=(*(each for each in read if isinstance(each, ParseError)), *errors),
        repairs=repairs,
    )


def _read_item(number: int, item: Any) -> QAPair | ParseError:
    if not isinstance(item, dict):
        return ParseError("wrong_type", f"item {number} is no object: {item!r:.80}")
    for key in ("question", "answer"):
        if key not in item:
            return ParseError("missing_key", f"item {number} has no {key!r}: {item!r:.80}")
        if not isinstance(item[key], str):
            return ParseError("wrong_type", f"{key} {number} is no string: {item[key]!r:.80}")
        if not item[key].strip():
            return ParseError("empty_text", f"{key} {number} is empty")
        if any("\ud800" <= character <= "\udfff" for character in item[key]):
            return ParseError("invalid_unicode", f"{key} {number} has half a character")
    return QAPair(item["question"].strip(), item["answer"].strip())
