"""Word and character error rates: pooled over a corpus, in units that suit the language."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from rapidfuzz.distance import Levenshtein

from sdg_assets.quality.languages import base_language, is_unspaced
from sdg_assets.quality.text import characters, normalise, words

if TYPE_CHECKING:
    from whisper.normalizers import EnglishTextNormalizer

Unit = Literal["word", "character"]


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Errors of one hypothesis or, summed, of a corpus."""

    substitutions: int
    deletions: int
    insertions: int
    reference_units: int

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float | None:
        """Errors per reference unit; over 1 where much was inserted, None without a reference."""
        return self.errors / self.reference_units if self.reference_units else None


def default_unit(language: str) -> Unit:
    """Characters where words are not spaced, else words."""
    return "character" if is_unspaced(language) else "word"


def error_counts(
    reference: str, hypothesis: str, language: str, unit: Unit | None = None
) -> ErrorCounts:
    """Edit operations that turn the reference into the hypothesis, both made comparable first."""
    split = characters if (unit or default_unit(language)) == "character" else words
    expected = split(comparable_transcript(reference, language))
    heard = split(comparable_transcript(hypothesis, language))
    operations = Counter(edit.tag for edit in Levenshtein.editops(expected, heard))
    return ErrorCounts(
        substitutions=operations["replace"],
        deletions=operations["delete"],
        insertions=operations["insert"],
        reference_units=len(expected),
    )


def sum_counts(counts: Iterable[ErrorCounts]) -> ErrorCounts:
    """The corpus's counts: its ``rate`` is total errors over total reference units.

    (The mean of utterance rates would give a one-word utterance the weight of a long one.)
    """
    counted = tuple(counts)
    return ErrorCounts(
        substitutions=sum(each.substitutions for each in counted),
        deletions=sum(each.deletions for each in counted),
        insertions=sum(each.insertions for each in counted),
        reference_units=sum(each.reference_units for each in counted),
    )


def comparable_transcript(text: str, language: str) -> str:
    """``normalise``, for English after Whisper's own normaliser.

    Published English rates are computed with that one: LibriSpeech writes "mister" and "twenty
    one" where Whisper writes "Mr." and "21". It must not touch any other language.
    """
    if base_language(language) == "en":
        text = _english_normaliser()(text)
    return normalise(text, language)


@lru_cache(maxsize=1)
def _english_normaliser() -> "EnglishTextNormalizer":
    from whisper.normalizers import EnglishTextNormalizer  # brings torch with it

    return EnglishTextNormalizer()
