"""Whether a recording and its text can belong together: speaking rate, level, silence, clipping.

Rates are in syllables, estimated from the writing: one pair of limits then holds for an alphabet,
an abjad, Chinese characters and any mixture of them. Over 300 clips of read speech in six
languages (LibriSpeech, FLEURS, LJ Speech, Common Voice, a German voice, isolated digits) the rate
was 2.0 to 9.5 syllables per second of sound; eSpeak NG at its usual 175 words per minute spoke 22
languages in 11 scripts at 3.2 to 8.9.
"""

import math
from dataclasses import dataclass

import regex
from pydantic import BaseModel, ConfigDict, Field

from sdg_assets.quality.text import normalise

# Syllables per letter or digit. Marks are not counted: they are the vowels of their letters.
_SYLLABLES_PER_CHARACTER = tuple(
    (regex.compile(pattern), syllables)
    for pattern, syllables in (
        (r"[ー\p{Script=Hani}\p{Script=Hira}\p{Script=Kana}\p{Script=Hang}\p{Script=Ethi}]", 1.0),
        (r"(?=\p{L})[\p{Script=Arab}\p{Script=Hebr}\p{Script=Syrc}]", 1 / 1.7),
        (r"(?=\p{L})[\p{Script=Deva}\p{Script=Beng}\p{Script=Guru}\p{Script=Gujr}\p{Script=Orya}"
         r"\p{Script=Taml}\p{Script=Telu}\p{Script=Knda}\p{Script=Mlym}\p{Script=Sinh}]", 1 / 1.5),
        (r"(?=\p{L})[\p{Script=Thai}\p{Script=Laoo}\p{Script=Khmr}\p{Script=Mymr}"
         r"\p{Script=Tibt}]", 1 / 2.5),
        (r"(?=\p{L})[\p{Script=Latn}\p{Script=Cyrl}\p{Script=Grek}\p{Script=Armn}"
         r"\p{Script=Geor}]", 1 / 2.6),
        (r"\p{Nd}", 1.5),
    )
)  # fmt: skip
_SHORTEST_SOUND = 0.5  # seconds: under it a rate says nothing
_QUIET_DBFS = -40.0  # of the sounding part: below it, soft speech falls under the -50 dBFS too


@dataclass(frozen=True, slots=True)
class AudioFigures:
    """What was measured of a recording, as the lake's tables have it."""

    duration: float  # seconds
    level_dbfs: float  # RMS
    peak: float  # 0..1
    silence_share: float  # share of 20 ms frames under -50 dBFS


class SpeechLimits(BaseModel):
    """What speech can be. Full scale alone is not clipping: Piper scales every sample to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_rate: float = Field(
        default=1.0, description="Slowest speech, syllables per second of sound."
    )
    max_rate: float = Field(
        default=12.0, description="Fastest speech, syllables per second of sound."
    )
    min_level_dbfs: float = Field(default=-60.0, description="Quieter synthetic speech is silent.")
    max_silence_share: float = Field(
        default=0.95, description="Beyond it synthetic speech is silent."
    )
    full_scale: float = Field(default=0.999, description="A peak from here on touches full scale.")
    max_full_scale_level_dbfs: float = Field(
        default=-8.0,
        description="RMS over this at full scale: clipped. Speech scaled to it is quieter.",
    )


def syllables(text: str) -> float:
    """How many syllables a text is spoken in, estimated from its letters; 1 at least, if any.

    >>> round(syllables("Wednesday morning")), syllables("星期三上午"), syllables("...")
    (6, 5.0, 0.0)
    """
    text = normalise(text, "und")
    estimate = sum(
        weight * len(pattern.findall(text)) for pattern, weight in _SYLLABLES_PER_CHARACTER
    )
    return max(estimate, 1.0) if text else 0.0


def speaking_rate(text: str, audio: AudioFigures) -> float:
    """Syllables per second of sound."""
    return syllables(text) / max(sounding_seconds(audio), _SHORTEST_SOUND)


def sounding_seconds(audio: AudioFigures) -> float:
    """Seconds that are not silence; the whole duration of a recording too quiet to tell.

    Some recordings of real speech lie at -65 dBFS, all of it "silence" by an absolute threshold.
    """
    sound = 1.0 - audio.silence_share
    if sound <= 0 or audio.level_dbfs - 10 * math.log10(sound) < _QUIET_DBFS:
        return audio.duration
    return sound * audio.duration


def check_synthesized(text: str, audio: AudioFigures, limits: SpeechLimits) -> str | None:
    """Why synthetic audio cannot be the text spoken: ``silent``, ``clipped``, ``too_short`` or
    ``too_long`` for its text; None where nothing speaks against it."""
    if audio.level_dbfs < limits.min_level_dbfs or audio.silence_share > limits.max_silence_share:
        return "silent"
    if audio.peak >= limits.full_scale and audio.level_dbfs > limits.max_full_scale_level_dbfs:
        return "clipped"
    rate = speaking_rate(text, audio)
    if rate > limits.max_rate:
        return "too_short"
    if rate < limits.min_rate:
        return "too_long"
    return None
