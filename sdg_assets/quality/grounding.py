"""Whether an answer is made of the words of its context; docs/decisions.md has the figures."""

from collections.abc import Set

import regex

from sdg_assets.quality.audio_text import syllables
from sdg_assets.quality.function_words import function_words
from sdg_assets.quality.text import delimit_words, is_unspaced_text, words

# In syllables: four Latin letters have 1.54, three Arabic ones 1.76, a block of Hangul 1.
_SHORTEST_STEM = 1.5
_ENDING = regex.compile(r"[\p{L}\p{M}]{0,2}")
# "And", "in", "the" and their like, which Arabic and Hebrew write onto the next word.
_PROCLITICS = regex.compile(r"(?:[وفبكلسا]{1,4}|[ושהבכלמ]{1,3})?")


def grounding(answer: str, context: str, language: str) -> float:
    """Share of a normalised answer, in syllables, that stands in its normalised context, 0..1.

    A word stands there as it is, or with up to two letters more or fewer at its end; what is
    written without spaces as it is. Articles, prepositions and their like may be the answer's own
    (:mod:`sdg_assets.quality.function_words`); if anything else is missing, all is: 0.

    >>> grounding("four harbours", "we saw four of the harbour's ships", "en")
    1.0
    >>> round(grounding("to a harbour", "four harbours", "en"), 2)
    0.57
    >>> grounding("two harbours", "four harbours", "en")
    0.0
    """
    said = _split_clitics(context)
    phrases, vocabulary = delimit_words(said), frozenset(words(said))
    asked = _split_clitics(answer).split()
    missing = [
        part
        for part in asked
        if delimit_words(part) not in phrases and not _has_form(vocabulary, part)
    ]
    if not asked or not function_words(language).issuperset(missing):
        return 0.0
    return 1 - sum(map(syllables, missing)) / sum(map(syllables, asked))


def _split_clitics(text: str) -> str:
    """Apart what an apostrophe joins: *l'été*, *Anna's*, *Berlin'de*."""
    return text.replace("'", " ")


def _has_form(vocabulary: Set[str], part: str) -> bool:
    return _is_word(part) and any(_is_form(part, other) for other in vocabulary)


def _is_form(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    before, stem, after = longer.partition(shorter)
    return (
        stem != ""
        and _ENDING.fullmatch(after) is not None
        and _PROCLITICS.fullmatch(before) is not None
        and syllables(stem) >= _SHORTEST_STEM
    )


def _is_word(part: str) -> bool:
    """Rather than characters of an unspaced script, be they one word or many."""
    return words(part) == [part] and not is_unspaced_text(part)
