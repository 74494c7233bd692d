"""Recordings as other voices, microphones and rooms would give them: more speakers than there are.

Everything is done to the waveform, so that it serves every family of encoders. The same generator
state gives the same sound.
"""

import numpy as np
import soxr
from numpy.typing import NDArray

from sdg_training.recipe import AugmentRecipe
from sdg_training.recordings import SAMPLE_RATE

Waveform = NDArray[np.float32]

_MASK_SECONDS = 0.1  # the longest
_QUIETEST = 1e-6  # root mean square: below this there is nothing to add noise to


def augment(samples: Waveform, recipe: AugmentRecipe, generator: np.random.Generator) -> Waveform:
    """(samples,) float32 to as many, or some more or fewer where the speed is another."""
    if generator.random() >= recipe.share:
        return samples
    samples = change_speed(samples, 1 + recipe.speed * generator.uniform(-1, 1))
    samples = tilt(samples, recipe.tilt * generator.uniform(-1, 1))
    samples = add_noise(samples, generator.uniform(recipe.min_snr, recipe.max_snr), generator)
    samples = mask(samples, int(generator.integers(recipe.masks + 1)), generator)
    return samples * np.float32(to_factor(recipe.gain * generator.uniform(-1, 1)))


def change_speed(samples: Waveform, factor: float) -> Waveform:
    """Faster and higher, or slower and lower: another vocal tract (Ko et al., Interspeech 2015)."""
    if factor == 1:
        return samples
    changed: Waveform = soxr.resample(samples, SAMPLE_RATE * factor, SAMPLE_RATE)
    return changed


def tilt(samples: Waveform, slope: float) -> Waveform:
    """Brighter (above 0) or duller: a first-order filter, as of another microphone."""
    tilted = samples.copy()
    tilted[1:] -= np.float32(slope) * samples[:-1]
    return tilted


def add_noise(samples: Waveform, snr: float, generator: np.random.Generator) -> Waveform:
    """Noise of a random colour, ``snr`` decibels below the recording's own level."""
    level = rms(samples)
    if level < _QUIETEST:
        return samples
    noise = tilt(generator.standard_normal(len(samples), np.float32), generator.uniform(-0.95, 0.5))
    return samples + noise * np.float32(level * to_factor(-snr) / rms(noise))


def mask(samples: Waveform, count: int, generator: np.random.Generator) -> Waveform:
    """``count`` short stretches of silence, as SpecAugment's time masks (arXiv 1904.08779)."""
    masked = samples.copy()
    for _ in range(count):
        length = int(generator.uniform(0, _MASK_SECONDS) * SAMPLE_RATE)
        start = int(generator.integers(max(1, len(masked) - length)))
        masked[start : start + length] = 0
    return masked


def rms(samples: Waveform) -> float:
    """The root mean square, as a level."""
    return float(np.sqrt(np.mean(np.square(samples))))


def to_factor(decibels: float) -> float:
    """Of amplitudes."""
    return float(10 ** (decibels / 20))
