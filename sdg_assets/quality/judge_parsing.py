"""Reads a judge's verdict out of what an LLM wrote."""

from typing import Literal, cast

import regex

Verdict = Literal["yes", "no"]

_CASE = regex.IGNORECASE
# Named: {"verdict": "yes"}, Verdict: **no**, ...
_NAMED = regex.compile(
    r"""\bverdict\b["'*_]*\s*(?:[:=]|\bis\b)["'*_\s]*(yes|no)\b["'*_]*\s*(?=[.,;!}\n]|$)""", _CASE
)
# A line of nothing else: "Yes.", "**no**", "- yes", "Answer: No"
_ALONE = regex.compile(
    r"(?m)^(?:\W*(?:final\s+)?answer\W*)?[^\p{L}\p{N}\n]*(yes|no)[^\p{L}\p{N}\n]*$", _CASE
)
# The first word, set off from its reason; or the last one, where a reason leads to it.
_EDGE = regex.compile(
    r"^\W*(yes|no)\s*[,.:;!–—-]|(?:[,.:;!?–—-]\s*|\b(?:so|is|thus|therefore)\s+)(yes|no)\W*$", _CASE
)
_ANYWHERE = regex.compile(r"\b(yes|no)\b", _CASE)


def parse_verdict(text: str) -> Verdict | None:
    """``yes`` or ``no`` where the answer says one of them and not the other, else None.

    Taken, by rank: what is named a verdict; a line that is only the word; the first or last word,
    if the other one does not occur at all. Several of one rank must agree.

    >>> parse_verdict("The price is wrong.\\nVerdict: **No**"), parse_verdict("Yes or no?")
    ('no', None)
    """
    for pattern in (_NAMED, _ALONE):
        found = _find_verdicts(pattern, text)
        if found:
            return found.pop() if len(found) == 1 else None
    found = _find_verdicts(_EDGE, text)
    return found.pop() if found and found == _find_verdicts(_ANYWHERE, text) else None


def _find_verdicts(pattern: regex.Pattern[str], text: str) -> set[Verdict]:
    return {
        cast(Verdict, word.lower())
        for match in pattern.finditer(text)
        for word in match.groups()
        if word
    }
