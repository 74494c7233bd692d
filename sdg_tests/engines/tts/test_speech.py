import numpy as np
import pytest

from sdg_assets.engines.tts.speech import check_speech

RATE = 16_000
TONE = 0.1 * np.sin(np.arange(RATE) / 10, dtype=np.float32)


@pytest.mark.parametrize(
    ("audio", "reason"),
    [
        (np.empty(0, np.float32), "audio_too_short"),
        (TONE[: RATE // 20], "audio_too_short"),
        (np.zeros(RATE, np.float32), "silent_audio"),
        (TONE / 1000, "silent_audio"),
        (np.append(TONE, np.float32(np.nan)), "broken_audio"),
    ],
)
def test_what_cannot_be_speech(audio, reason):
    failure = check_speech(audio, RATE)
    assert failure is not None
    assert failure.reason == reason


def test_what_can_be_speech():
    assert check_speech(TONE, RATE) is None
