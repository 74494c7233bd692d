"""eSpeak NG as an engine, in every script that matters."""

import numpy as np
import pytest
from pydantic import ValidationError

from sdg_assets.engines.base import EngineError, Failure, TTSRequest, TTSResult
from sdg_assets.engines.tts.espeak import EspeakConfig

SENTENCES = {
    "en-us": "The parcel is on the table.",
    "de": "Das Päckchen liegt auf dem Tisch.",
    "zh": "包裹在桌子上。",
    "hi": "पार्सल मेज़ पर है।",
    "ar": "الطرد على الطاولة.",
    "ja": "にもつはつくえのうえです。",
    "pt-br": "O pacote está na mesa.",
}


@pytest.fixture(scope="module")
def engine():
    return EspeakConfig().start()


@pytest.mark.parametrize(("language", "text"), SENTENCES.items())
def test_every_default_voice_of_a_language_speaks(engine, language, text):
    voices = engine.voices(language)
    assert len(voices) == len(set(voices)) >= 8
    results = engine.synthesize([TTSRequest(text, language, voice) for voice in voices])
    for result in results:
        assert isinstance(result, TTSResult)
        assert result.audio.dtype == np.float32
        assert result.usage.audio_seconds == len(result.audio) / result.sample_rate > 0.7
        assert result.usage.seconds > 0
    assert len({result.audio.tobytes() for result in results}) == len(voices)


def test_default_voices_are_of_that_language_alone(engine):
    def accents(language):
        return {voice.partition("+")[0] for voice in engine.voices(language)}

    assert accents("zh") == accents("zh-hant") == accents("cmn") == {"cmn"}
    assert accents("yue") == {"yue"}
    assert accents("pt") == {"pt", "pt-br"}
    assert accents("pt-BR") == {"pt-br"}
    assert {"en-us", "en-gb"} < accents("en")
    assert accents("no") == {"nb"}


def test_configured_voices_rate_and_pitch():
    config = EspeakConfig(voices={"de": ("de+f2", "de+m5@rate=120")}, rate=150, pitch=40)
    engine = config.start()
    assert engine.voices("DE") == ("de+f2", "de+m5@rate=120")
    assert engine.voices("hi")[0] == "hi+m1@rate=150,pitch=40"
    slow, fast = engine.synthesize(
        [TTSRequest(SENTENCES["de"], "de", f"de@rate={rate}") for rate in (100, 300)]
    )
    assert len(slow.audio) > 1.8 * len(fast.audio)


def test_results_are_in_order_and_repeatable(engine):
    texts = ["A very long sentence about nothing at all, and on it goes.", "Short.", "In between."]
    requests = [TTSRequest(text, "en", "en-us+f1") for text in texts]
    together = engine.synthesize(requests)
    alone = [engine.synthesize([request])[0] for request in requests]
    for one, other in zip(together, alone, strict=True):
        assert np.array_equal(one.audio, other.audio)


@pytest.mark.parametrize("text", ["", "  \n", "…", "。", "\x00"])
def test_text_without_speech_fails_and_the_rest_goes_on(engine, text):
    failure, result = engine.synthesize(
        [TTSRequest(text, "zh", "cmn"), TTSRequest(SENTENCES["zh"], "zh", "cmn")]
    )
    assert isinstance(failure, Failure)
    assert failure.reason == "no_speech"
    assert isinstance(result, TTSResult)


def test_language_that_espeak_does_not_speak(engine):
    with pytest.raises(EngineError, match=r"does not speak 'tlh'.*\bhi\b"):
        engine.voices("tlh")


@pytest.mark.parametrize(
    "options", [{"voices": {"en": ("en-us+nobody",)}}, {"variants": ("f1", "nobody")}]
)
def test_voice_of_the_configuration_that_does_not_exist(options):
    with pytest.raises(EngineError, match=r"en-us\+nobody.*no variant"):
        EspeakConfig(**options).start()


@pytest.mark.parametrize("options", [{"rate": 20}, {"pitch": 100}, {"variants": ()}, {"speed": 1}])
def test_configuration_that_makes_no_sense(options):
    with pytest.raises(ValidationError):
        EspeakConfig(**options)


def test_fingerprint_does_not_depend_on_which_voices_are_listed(engine):
    assert EspeakConfig(voices={"de": ("de",)}).start().fingerprint == engine.fingerprint
    assert engine.fingerprint.kind == "tts"
    assert engine.fingerprint.revision
