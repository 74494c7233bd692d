import random

import pytest

from sdg_training.espeak import synthesize
from sdg_training.tiny.voices import list_voices, sample_voice
from sdg_training.tiny.world import list_languages


@pytest.mark.parametrize("language", list_languages())
def test_there_are_many_voices_and_no_timbre_is_on_both_sides(language: str):
    train, test = list_voices(language, "train"), list_voices(language, "test")
    assert len(set(train)) >= 20
    assert len(set(test)) >= 6
    assert not {voice.variant for voice in train} & {voice.variant for voice in test}


@pytest.mark.parametrize("language", list_languages())
@pytest.mark.parametrize("side", ["train", "test"])
def test_every_voice_speaks(language: str, side):
    for voice in list_voices(language, side):
        audio, sample_rate = synthesize("Maria 7.", voice)
        assert 0.3 < len(audio) / sample_rate < 3


def test_sampled_voices_are_deterministic_and_valid():
    first = [sample_voice(random.Random(seed), "en") for seed in range(50)]
    assert first == [sample_voice(random.Random(seed), "en") for seed in range(50)]
    assert len(set(first)) > 40
    timbres = {voice.variant for voice in list_voices("en")}
    assert {voice.variant for voice in first} <= timbres
