from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdg_training.espeak import (
    DEFAULT_PITCH,
    DEFAULT_RATE,
    PITCHES,
    RATES,
    EspeakError,
    Voice,
    list_variants,
    list_voices,
    synthesize,
)

SENTENCE = "Maria met the doctor at the station on Monday morning."
GREETINGS = {
    "en": "Good morning, how are you?",
    "de": "Guten Morgen, wie geht es dir?",
    "es": "Buenos días, ¿cómo estás?",
    "fr": "Bonjour, comment allez-vous ?",
    "zh": "早上好，你好吗？",
    "hi": "नमस्ते, आप कैसे हैं?",
    "ja": "おはようございます。",
    "ar": "صباح الخير، كيف حالك؟",
}


@pytest.mark.parametrize("language", GREETINGS)
def test_speaks_every_language(language: str):
    for voice in list_voices(language):
        audio, sample_rate = synthesize(GREETINGS[language], voice.language)
        assert audio.dtype == np.float32
        assert audio.ndim == 1
        assert 0.5 < len(audio) / sample_rate < 10
        assert 0.1 < np.abs(audio).max() <= 1


def test_longer_text_takes_longer():
    short, _ = synthesize("One.", "en-us")
    long, _ = synthesize("One. " * 20, "en-us")
    assert len(long) > 5 * len(short)


def test_same_text_and_voice_give_the_same_samples_whatever_was_spoken_before():
    voices = ["en-us+f1", "en-us+whisper", "en-us+klatt4", "de+m3"]
    first = {voice: synthesize(SENTENCE, voice)[0] for voice in voices}
    for voice in reversed(voices):
        np.testing.assert_array_equal(synthesize(SENTENCE, voice)[0], first[voice])


def test_threads_do_not_mix_their_samples():
    voices = ["en-us", "de+f2", "es", "en-us+m3@rate=300"] * 3
    alone = [synthesize(SENTENCE, voice)[0] for voice in voices]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda voice: synthesize(SENTENCE, voice)[0], voices))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_variant_rate_and_pitch_change_the_speech():
    plain, _ = synthesize(SENTENCE, "en-us")
    assert len(synthesize(SENTENCE, "en-us@rate=300")[0]) < 0.8 * len(plain)
    assert not np.array_equal(synthesize(SENTENCE, "en-us+f3")[0], plain)
    assert not np.array_equal(synthesize(SENTENCE, "en-us@pitch=90")[0], plain)


def test_control_characters_are_not_commands():
    command, _ = synthesize("One \x01400S two three four.", "en-us")
    spelled, _ = synthesize("One  400S two three four.", "en-us")
    np.testing.assert_array_equal(command, spelled)


@pytest.mark.parametrize(
    ("text", "voice", "message"),
    [
        ("", "en-us", "no text"),
        (" \n", "en-us", "no text"),
        ("...", "en-us", "can be spoken"),
        ("Hello", "xx", "no voice 'xx'; it has: af,"),
        ("Hello", "en-us+nobody", "no variant 'nobody'; it has: Alex,"),
        ("Hello", "", "not written as"),
        ("Hello", "en-us@rate=20", "rate 20"),
        ("Hello", "en-us@pitch=100", "pitch 100"),
        ("Hello", "en-us@speed=20", "'speed=20'"),
        ("Hello", "en-us@rate=fast", "'rate=fast'"),
    ],
)
def test_says_why_it_cannot_speak(text: str, voice: str, message: str):
    with pytest.raises(EspeakError, match=message):
        synthesize(text, voice)


def test_lists_voices_by_language():
    languages = [voice.language for voice in list_voices()]
    assert len(languages) > 100
    assert len(set(languages)) == len(languages)
    assert "en-us" in [voice.language for voice in list_voices("en")]
    assert [voice.language for voice in list_voices("pt-BR")] == ["pt-br"]
    assert "cmn" in [voice.language for voice in list_voices("zh")]
    assert "cmn" in [voice.language for voice in list_voices("zh-TW")]
    assert list_voices("xx") == ()


@given(
    st.builds(
        Voice,
        st.sampled_from([voice.language for voice in list_voices()]),
        st.none() | st.sampled_from(list_variants()),
        st.sampled_from(RATES) | st.just(DEFAULT_RATE),
        st.sampled_from(PITCHES) | st.just(DEFAULT_PITCH),
    )
)
def test_voice_string_round_trips(voice: Voice):
    assert Voice.parse(str(voice)) == voice


@pytest.mark.parametrize("language", ["en-gb", "en-us", "fr-fr", "de", "es", "cmn", "hi"])
def test_a_variant_is_heard_in_every_accent(language: str) -> None:
    # eSpeak lists en-gb and fr-fr, does not find them by that name, and then speaks English.
    plain, _ = synthesize("Paris, Madrid, Berlin", language)
    varied, _ = synthesize("Paris, Madrid, Berlin", f"{language}+f2")
    english, _ = synthesize("Paris, Madrid, Berlin", "en-us")
    assert not np.array_equal(plain, varied)
    assert language == "en-us" or not np.array_equal(plain, english)
