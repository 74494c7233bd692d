import random

import numpy as np
import pytest

from sdg_training.espeak import synthesize_words
from sdg_training.tiny.speech import (
    SAMPLE_RATE,
    Utterance,
    align_words,
    augment,
    label_frames,
    speak_utterances,
)


@pytest.fixture(scope="module")
def utterances() -> list[Utterance]:
    return speak_utterances(12, "test", seed=3)


def test_speaks_the_languages_in_turn(utterances: list[Utterance]):
    assert [u.language for u in utterances[:4]] == ["de", "en", "es", "de"]
    for utterance in utterances:
        assert utterance.audio.dtype == np.int16
        assert 2 < len(utterance.audio) / SAMPLE_RATE < 9


def test_same_seed_gives_the_same_speech(utterances: list[Utterance]):
    for one, other in zip(utterances, speak_utterances(12, "test", seed=3), strict=True):
        assert one.text == other.text
        np.testing.assert_array_equal(one.audio, other.audio)
    assert speak_utterances(1, "train", seed=3)[0].text != utterances[0].text


def test_words_follow_one_another_within_the_speech(utterances: list[Utterance]):
    for utterance in utterances:
        assert len(utterance.words) == len(utterance.text.split())
        edges = [edge for word in utterance.words for edge in word]
        assert edges == sorted(edges)
        assert edges[0] >= 0
        assert edges[-1] <= (len(utterance.audio) + 1) / SAMPLE_RATE


def test_a_pause_belongs_to_no_word():
    text = "One. Two."
    audio, rate, spoken = synthesize_words(text, "en-us@rate=120")
    (_, first_end), (second_start, _) = align_words(text, spoken, len(audio) / rate)
    assert second_start - first_end > 0.1


def test_words_said_as_one_share_their_time():
    text = "We met in the park."
    audio, rate, spoken = synthesize_words(text, "en-us")
    assert len(spoken) < 5  # "in the" is one to eSpeak
    starts = [start for start, _ in align_words(text, spoken, len(audio) / rate)]
    assert len(set(starts)) == 5


def test_labels_frames_in_equal_parts():
    words, tokens = [(0.1, 0.3), (0.5, 0.6)], [[7, 8], [9]]
    assert label_frames(words, tokens, 8, 0.1, blank=0) == [0, 7, 8, 0, 0, 9, 0, 0]


def test_augmented_audio_keeps_its_words_in_place(utterances: list[Utterance]):
    rng = random.Random(0)
    for utterance in utterances:
        heard = augment(rng, utterance)
        delay = heard.words[0][0] - utterance.words[0][0]
        assert 0 <= delay <= 0.4
        assert heard.audio.dtype == np.float32
        assert 0.05 < np.abs(heard.audio).max() <= 1.0
        assert len(heard.audio) / SAMPLE_RATE >= heard.words[-1][1]
