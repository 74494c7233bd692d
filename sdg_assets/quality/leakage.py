"""Whether what is trained on was also evaluated on: overlapping texts, shared speakers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sdg_assets.quality.text import is_unspaced_text, normalise, words

NGRAM_WORDS = 8
NGRAM_CHARACTERS = 16  # of unspaced scripts, where a word is about two


@dataclass(frozen=True, slots=True)
class Overlap:
    """How much of one evaluation text the training texts have."""

    exact: bool  # the whole text, normalised, is a training text
    ngram_share: float  # of its n-grams, 0..1; of a text shorter than one: whether it is exact


def find_overlaps(
    evaluation: Sequence[str], training: Iterable[str], language: str
) -> list[Overlap]:
    """For each evaluation text its overlap with all the training texts together.

    Only the evaluation side is held in memory; the training texts may stream.
    """
    asked = [normalise(text, language) for text in evaluation]
    ngrams = [_ngrams(text) for text in asked]
    sought_texts, sought_ngrams = frozenset(asked), frozenset[str]().union(*ngrams)
    found_texts: set[str] = set()
    found_ngrams: set[str] = set()
    for text in training:
        trained = normalise(text, language)
        found_texts |= {trained} & sought_texts
        found_ngrams |= _ngrams(trained) & sought_ngrams
    return [
        Overlap(text in found_texts, len(own & found_ngrams) / max(len(own), 1))
        for text, own in zip(asked, ngrams, strict=True)
    ]


def find_shared_speakers(
    evaluation: Iterable[str | None], training: Iterable[str | None]
) -> tuple[str, ...]:
    """The known speakers on both sides, sorted."""
    return tuple(sorted({each for each in evaluation if each} & set(training)))


def count_ngrams(text: str) -> int:
    """How many whole n-grams ``text`` has; 0 if it is shorter than one."""
    return max(len(words(text)) - _ngram_size(text) + 1, 0)


def _ngrams(text: str) -> set[str]:
    units = words(text)
    size = _ngram_size(text)
    starts = range(max(len(units) - size + 1, 1))
    return {" ".join(units[start : start + size]) for start in starts} - {""}


def _ngram_size(text: str) -> int:
    return NGRAM_CHARACTERS if is_unspaced_text(text) else NGRAM_WORDS
