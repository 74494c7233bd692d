"""Tests of changed recordings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdg_training.augment import add_noise, augment, change_speed, mask, tilt
from sdg_training.recipe import AugmentRecipe

RATE = 16_000
TONE = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE).astype(np.float32)


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


def pitch(samples: np.ndarray) -> float:
    """The strongest frequency: Hz"""
    return float(np.abs(np.fft.rfft(samples)).argmax() * RATE / len(samples))


def test_faster_is_shorter_and_higher() -> None:
    faster = change_speed(TONE, 1.1)
    assert len(faster) == pytest.approx(len(TONE) / 1.1, abs=2)
    assert pitch(faster) == pytest.approx(484, abs=2)


def test_a_tilt_changes_the_balance_of_low_and_high() -> None:
    hiss = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    low, high = (np.abs(np.fft.rfft(tilt(hiss, slope)))[:2000].sum() for slope in (0.5, -0.5))
    assert low < high


def test_noise_is_as_far_below_the_recording_as_was_asked() -> None:
    noise = add_noise(TONE, 20, np.random.default_rng(0)) - TONE
    assert 20 * np.log10(rms(TONE) / rms(noise)) == pytest.approx(20, abs=0.1)


def test_silence_stays_silent() -> None:
    silence = np.zeros(RATE, np.float32)
    assert not augment(silence, AugmentRecipe(share=1), np.random.default_rng(0)).any()


def test_masks_are_short_stretches_of_silence() -> None:
    masked = mask(TONE, 2, np.random.default_rng(0))
    assert 0 < np.mean(masked != TONE) <= 0.2
    assert not masked[masked != TONE].any()


RECIPES = st.builds(
    AugmentRecipe,
    share=st.floats(0, 1),
    speed=st.floats(0, 0.4),
    tilt=st.floats(0, 0.9),
    masks=st.integers(0, 3),
    gain=st.floats(0, 20),
)


@given(RECIPES, st.integers(0, 2**32), st.integers(1, 5000))
def test_the_same_state_gives_the_same_sound_of_any_length(
    recipe: AugmentRecipe, seed: int, length: int
) -> None:
    samples = TONE[:length].copy()
    first, again = (augment(samples, recipe, np.random.default_rng(seed)) for _ in range(2))
    assert np.array_equal(first, again)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert np.array_equal(samples, TONE[:length])  # what was given is as it was
    assert len(first) == pytest.approx(length, rel=0.7, abs=2)
