"""What every TTS engine's output must be."""

import numpy as np

from sdg_assets.engines.base import Audio, Failure

MIN_SECONDS = 0.1  # no word is shorter
MIN_PEAK = 1e-3  # -60 dBFS: below it, nobody hears a voice


def check_speech(audio: Audio, sample_rate: int) -> Failure | None:
    """Why synthesized audio cannot be speech, or None."""
    seconds = audio.size / sample_rate
    if not np.isfinite(audio).all():
        return Failure("broken_audio", "the synthesized audio has samples that are NaN or infinite")
    if seconds < MIN_SECONDS:
        return Failure("audio_too_short", f"the synthesized audio lasts {seconds:.3f} s")
    if np.abs(audio).max() < MIN_PEAK:
        return Failure("silent_audio", f"the {seconds:.2f} s of synthesized audio are silent")
    return None
