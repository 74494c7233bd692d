"""Why an ASR result is not trusted.

An ASR model's confidence does not show what it invented: text written over silence is often
confident. So its figures are taken together with what was measured of the audio and of the text.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import regex
from pydantic import BaseModel, ConfigDict, Field

from sdg_assets.quality.audio_text import AudioFigures, speaking_rate
from sdg_assets.quality.boilerplate import is_boilerplate
from sdg_assets.quality.languages import sound_alike
from sdg_assets.quality.text import normalise, script_share

if TYPE_CHECKING:
    from sdg_assets.engines.base import ASRSegment

_LETTER_OR_NUMBER = regex.compile(r"\p{Nd}+|[\p{L}\p{M}]")
_NGRAM = 6
_WINDOW = 60


@dataclass(frozen=True, slots=True)
class LabelFigures:
    """An ASR model's own figures for a whole utterance."""

    avg_logprob: float  # of a token; the mean over segments, weighted by their text
    no_speech_prob: float  # the mean likewise
    compression_ratio: float  # the highest of a segment
    temperature: float  # the highest of a segment: how far decoding had to fall back


class PseudoLabelThresholds(BaseModel):
    """When a pseudo-label is flagged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_avg_logprob: float = Field(
        default=-1.0, description="Below: low_confidence. Whisper's own limit."
    )
    max_temperature: float = Field(
        default=0.7,
        description="Above: low_confidence. Whisper falls back in steps of 0.2 up to 1.0.",
    )
    min_no_speech_prob: float = Field(
        default=0.6, description="From here on no_speech is possible. Whisper's own limit."
    )
    min_confident_logprob: float = Field(
        default=-0.5,
        description="no_speech needs a mean below this, or an audio that is mostly silent.",
    )
    max_silence_share: float = Field(
        default=0.8, description="no_speech: from here on the audio is mostly silent."
    )
    min_level_dbfs: float = Field(
        default=-80.0,
        description="Below: no_speech, whatever the model says. Real speech was at -67.",
    )
    max_repetition: float = Field(
        default=0.5,
        description="Above: repetition. Prose in five languages reaches 0.4, loops 0.6 to 1.",
    )
    min_rate: float = Field(default=1.0, description="Below, in syllables per second: too_slow.")
    max_rate: float = Field(default=12.0, description="Above, in syllables per second: too_fast.")
    min_script_share: float = Field(
        default=0.5,
        description="wrong_script: below this share of words in the language's scripts.",
    )


def pool_segments(segments: Sequence["ASRSegment"]) -> LabelFigures | None:
    """The figures of an utterance from those of its segments; None where there are none."""
    if not segments:
        return None
    weights = [max(len(segment.text), 1) for segment in segments]
    return LabelFigures(
        avg_logprob=fmean([segment.avg_logprob for segment in segments], weights),
        no_speech_prob=fmean([segment.no_speech_prob for segment in segments], weights),
        compression_ratio=max(segment.compression_ratio for segment in segments),
        temperature=max(segment.temperature for segment in segments),
    )


def flag_pseudo_label(
    text: str,
    figures: LabelFigures | None,
    audio: AudioFigures,
    requested_language: str,
    detected_language: str | None,
    thresholds: PseudoLabelThresholds,
) -> tuple[str, ...]:
    """The reasons not to trust a pseudo-label, in a fixed order; none when it is trusted.

    ``empty`` (then alone), ``low_confidence``, ``no_speech``, ``repetition``, ``too_fast``,
    ``too_slow``, ``wrong_script``, ``wrong_language``, ``boilerplate``. ``figures`` and
    ``detected_language`` are None where the engine does not give them. Its compression ratio is
    not used: it counts UTF-8 bytes, and ordinary Hindi prose has 3.0 where Whisper's limit for a
    loop is 2.4.
    """
    if not normalise(text, requested_language):
        return ("empty",)
    rate = speaking_rate(text, audio)
    script = script_share(text, requested_language)
    flags = {
        "low_confidence": figures is not None and _is_unsure(figures, thresholds),
        "no_speech": _is_speechless(figures, audio, thresholds),
        "repetition": repetition(text, requested_language) > thresholds.max_repetition,
        "too_fast": rate > thresholds.max_rate,
        "too_slow": rate < thresholds.min_rate,
        "wrong_script": script is not None and script < thresholds.min_script_share,
        "wrong_language": detected_language is not None
        and not sound_alike(requested_language, detected_language),
        "boilerplate": is_boilerplate(text, requested_language),
    }
    return tuple(flag for flag, raised in flags.items() if raised)


def repetition(text: str, language: str) -> float:
    """How much of a text says again what it has said, 0..1: its worst stretch, or the whole.

    The share of 6-letter sequences that occurred before, in a stretch of 60 letters (a short loop
    inside other text) or in all of it (a loop of long sentences). A number counts as one letter.

    >>> round(repetition("ha ha ha ha ha ha ha ha", "en"), 2), repetition("one two three", "en")
    (0.82, 0.0)
    """
    letters = _LETTER_OR_NUMBER.findall(normalise(text, language))
    ngrams = list(zip(*(letters[start:] for start in range(_NGRAM)), strict=False))
    return max(map(_repeated_share, [ngrams, *_windows(ngrams)]))


def _windows(ngrams: list[tuple[str, ...]]) -> Iterator[list[tuple[str, ...]]]:
    for start in range(0, len(ngrams) - _WINDOW // 2, _WINDOW // 2):
        yield ngrams[start : start + _WINDOW]


def _repeated_share(ngrams: list[tuple[str, ...]]) -> float:
    return 1 - len(set(ngrams)) / len(ngrams) if ngrams else 0.0


def _is_unsure(figures: LabelFigures, thresholds: PseudoLabelThresholds) -> bool:
    return (
        figures.avg_logprob < thresholds.min_avg_logprob
        or figures.temperature > thresholds.max_temperature
    )


def _is_speechless(
    figures: LabelFigures | None, audio: AudioFigures, thresholds: PseudoLabelThresholds
) -> bool:
    """Silence by its level, or doubted by the model while its words or the audio are weak."""
    if audio.level_dbfs < thresholds.min_level_dbfs:
        return True
    return (
        figures is not None
        and figures.no_speech_prob >= thresholds.min_no_speech_prob
        and (
            figures.avg_logprob < thresholds.min_confident_logprob
            or audio.silence_share > thresholds.max_silence_share
        )
    )
