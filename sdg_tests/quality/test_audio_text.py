"""Tests of speaking rates and of the checks on synthetic speech."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sdg_assets.quality.audio_text import (
    AudioFigures,
    SpeechLimits,
    check_synthesized,
    sounding_seconds,
    speaking_rate,
    syllables,
)
from sdg_tests.xquad import read_passages

LIMITS = SpeechLimits()
TEXT = "The harbour lies to the north of the old town."  # 12 syllables


def figures(
    duration: float = 3.0, level: float = -25.0, peak: float = 0.6, silence: float = 0.1
) -> AudioFigures:
    return AudioFigures(duration, level, peak, silence)


def measure(path: Path) -> AudioFigures:
    samples, rate = soundfile.read(path, dtype="float64")
    frame = rate // 50
    frames = samples[: samples.size // frame * frame].reshape(-1, frame)
    levels = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)
    level = 10 * np.log10(np.mean(samples**2) + 1e-12)
    silence = float(np.mean(levels < -50))
    return AudioFigures(samples.size / rate, float(level), float(np.abs(samples).max()), silence)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Wednesday morning", 5),
        ("星期三上午", 5),
        ("こんにちは", 5),
        ("안녕하세요", 5),
        ("नमस्ते दुनिया", 5),
        ("สวัสดีครับ", 4),
        ("صباح الخير", 5),
        ("Доброе утро", 5),
        ("I", 1),
        ("", 0),
        ("?!", 0),
    ],
)
def test_syllables_are_about_right_in_every_kind_of_script(text: str, expected: int) -> None:
    assert syllables(text) == pytest.approx(expected, abs=1.3)


def test_marks_and_case_do_not_change_the_estimate() -> None:
    assert syllables("ÉTÉ") == syllables("e\u0301te\u0301") == syllables("ete")


def test_silence_is_not_spoken_in() -> None:
    assert sounding_seconds(figures(duration=4.0, silence=0.75)) == pytest.approx(1.0)
    rate = speaking_rate(TEXT, figures(duration=4.0, silence=0.5))
    assert rate == pytest.approx(2 * speaking_rate(TEXT, figures(duration=4.0, silence=0.0)))


@pytest.mark.parametrize("silence", [0.9, 1.0])
def test_a_recording_too_quiet_to_tell_counts_whole(silence: float) -> None:
    assert sounding_seconds(figures(duration=4.0, level=-65.0, silence=silence)) == 4.0


@pytest.mark.parametrize(
    ("audio", "expected"),
    [
        (figures(), None),
        (figures(peak=1.0), None),  # Piper scales every sample to full scale
        (figures(peak=1.0, level=-5.0), "clipped"),
        (figures(level=-75.0, peak=0.001), "silent"),
        (figures(silence=0.99), "silent"),
        (figures(duration=0.8), "too_short"),
        (figures(duration=40.0), "too_long"),
    ],
)
def test_synthetic_speech_is_checked(audio: AudioFigures, expected: str | None) -> None:
    assert check_synthesized(TEXT, audio, LIMITS) == expected


@pytest.mark.real_data
def test_hard_clipping_is_seen_and_scaling_to_full_scale_is_not(shared_data: Path) -> None:
    path = shared_data / "whisper_golden" / "jfk.flac"
    speech, _ = soundfile.read(path)
    text = "And so my fellow Americans ask not what your country can do for you " * 2
    for gain, expected in ((1.0, None), (30.0, "clipped")):
        loud = np.clip(speech / np.abs(speech).max() * gain, -1, 1)
        level = 10 * np.log10(np.mean(loud**2))
        audio = AudioFigures(11.0, float(level), float(np.abs(loud).max()), 0.1)
        assert check_synthesized(text, audio, LIMITS) == expected


@pytest.mark.real_data
def test_real_speech_is_within_the_limits(shared_data: Path) -> None:
    clips = [
        (path.with_suffix(".txt").read_text("utf-8"), path)
        for path in sorted((shared_data / "fleurs_mini").glob("*.ogg"))
    ]
    with (shared_data / "librispeech_test_other" / "transcripts.tsv").open(
        encoding="utf-8"
    ) as file:
        clips += [
            (row["reference"], shared_data / "librispeech_test_other" / row["path"])
            for row in csv.DictReader(file, delimiter="\t")
        ]
    rates = [speaking_rate(text, measure(path)) for text, path in clips]
    assert len(rates) == 80
    assert min(rates) > 2 * LIMITS.min_rate
    assert max(rates) < 0.9 * LIMITS.max_rate


@pytest.mark.real_data
@pytest.mark.parametrize("language", ["de", "es", "zh", "hi"])
def test_translations_take_about_as_many_syllables(shared_data: Path, language: str) -> None:
    own, english = (
        [context for context, _ in read_passages(shared_data, each)] for each in (language, "en")
    )
    ratio = sum(map(syllables, own)) / sum(map(syllables, english))
    assert 0.6 < ratio < 1.4
