"""Pictures of what one would rather not hear."""

import numpy as np
import pytest

from sdg_assets.stages.views import draw_spectrogram

GENERATOR = np.random.default_rng(0)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(32_000, np.float32),
        (GENERATOR.integers(-1, 2, 16_000) / 2**15).astype(np.float32),
        (GENERATOR.integers(-1, 2, 16_000) / 2**23).astype(np.float32),
        np.ones(16_000, np.float32),
        np.zeros(500, np.float32),
    ],
    ids=["silence", "16 bits", "24 bits", "full scale", "short"],
)
def test_any_recording_can_be_drawn(samples: np.ndarray) -> None:
    assert draw_spectrogram(samples).startswith("data:image/png")
