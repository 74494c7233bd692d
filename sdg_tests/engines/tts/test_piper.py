"""Piper on real VITS graphs of random weights, with its own phonemizer."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from sdg_assets.engines.base import EngineError, Failure, TTSRequest, TTSResult
from sdg_assets.engines.tts.piper import Piper, PiperConfig, join_sentences
from sdg_tests.engines.tts.vits import (
    SAMPLE_RATE,
    describe_voice,
    export_vits,
    make_vits,
    write_json,
)

TEXT = "The parcel is on the table."
SPEAKERS = {"anna": 0, "bert": 1, "p#3": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """en_US: one speaker; pt: three with names; zh and hi: copies of the first, as eSpeak knows."""
    folder = tmp_path_factory.mktemp("piper")
    one, three = folder / "en_US-one-low.onnx", folder / "pt_BR-three-low.onnx"
    export_vits(make_vits(1, seed=0), one, 1)
    export_vits(make_vits(3, seed=1), three, 3)
    write_json(one, describe_voice("en-us", 1, language={"code": "en_US", "family": "en"}))
    portuguese = {"language": {"code": "pt_BR"}, "speaker_id_map": SPEAKERS}
    write_json(three, describe_voice("pt-br", 3, **portuguese))
    for tag, espeak_voice in (("zh", "cmn"), ("hi", "hi")):
        copy = folder / f"{tag}-home-made.onnx"
        shutil.copy(one, copy)
        language = {"language": {"code": "zh_CN"}} if tag == "zh" else {}
        write_json(copy, describe_voice(espeak_voice, 1, **language))
    return folder


def start(folder: Path, **options: object) -> Piper:
    voices = tuple(str(path) for path in sorted(folder.glob("*.onnx")))
    return PiperConfig(voices=voices, **options).start()


def say(engine: Piper, text: str, voice: str = "en_US-one-low", seed: int = 0) -> TTSResult:
    result = engine.synthesize([TTSRequest(text, "en", voice, seed)])[0]
    assert isinstance(result, TTSResult)
    return result


def test_voices_of_a_language(folder):
    engine = start(folder)
    assert engine.voices("en") == engine.voices("en-us") == ("en_US-one-low",)
    three = ("pt_BR-three-low#anna", "pt_BR-three-low#bert", "pt_BR-three-low#p#3")
    assert engine.voices("pt-BR") == engine.voices("pt") == three
    assert engine.voices("zh-hant") == ("zh-home-made",)
    assert engine.voices("hi") == ("hi-home-made",)
    with pytest.raises(EngineError, match=r"speaks 'sw'; they speak: en-us, hi, pt-br, zh-cn"):
        engine.voices("sw")


@pytest.mark.parametrize(
    ("text", "voice"),
    [
        (TEXT, "en_US-one-low"),
        ("O pacote está na mesa.", "pt_BR-three-low#anna"),
        ("包裹在桌子上。", "zh-home-made"),
        ("पार्सल मेज़ पर है।", "hi-home-made"),
    ],
)
def test_languages_are_spoken(folder, text, voice):
    result = say(start(folder), text, voice)
    assert result.sample_rate == SAMPLE_RATE
    assert result.audio.dtype == np.float32
    assert result.audio.ndim == 1
    assert result.usage.audio_seconds == len(result.audio) / SAMPLE_RATE > 0.1
    assert result.usage.seconds > 0


def test_it_is_what_piper_itself_says(folder):
    from piper import PiperVoice, SynthesisConfig

    quiet = {"noise_scale": 0.0, "noise_w_scale": 0.0}
    voice = PiperVoice.load(folder / "en_US-one-low.onnx")
    expected = [
        chunk.audio_float_array for chunk in voice.synthesize(TEXT, SynthesisConfig(**quiet))
    ]
    result = say(start(folder, **quiet), TEXT)
    assert np.array_equal(result.audio, np.concatenate(expected))


def test_speakers_of_one_file_differ(folder):
    engine = start(folder, noise_scale=0, noise_w_scale=0)
    voices = engine.voices("pt")
    audios = {say(engine, TEXT, voice).audio.tobytes() for voice in voices}
    assert len(audios) == len(voices)


def test_speakers_without_names_are_numbered(folder, tmp_path):
    path = tmp_path / "de_DE-two-low.onnx"
    shutil.copy(folder / "pt_BR-three-low.onnx", path)
    write_json(path, describe_voice("de", 3))
    engine = PiperConfig(voices=(str(path),)).start()
    assert engine.voices("de") == tuple(f"de_DE-two-low#{number}" for number in range(3))
    say(engine, "Hallo Welt.", "de_DE-two-low#2")


def test_the_seed_decides_the_noise_whatever_was_said_before(folder):
    engine, other = start(folder), start(folder)
    first = say(engine, TEXT, seed=1).audio
    different = say(engine, TEXT, seed=2).audio
    again = say(engine, TEXT, seed=1).audio
    elsewhere = say(other, TEXT, seed=1).audio
    assert np.array_equal(first, again)
    assert np.array_equal(first, elsewhere)
    assert not np.array_equal(first, different)
    assert not np.array_equal(first, say(start(folder, seed=9), TEXT, seed=1).audio)


def test_without_noise_the_seed_does_not_matter(folder):
    engine = start(folder, noise_scale=0, noise_w_scale=0)
    assert np.array_equal(say(engine, TEXT, seed=1).audio, say(engine, TEXT, seed=2).audio)


def test_unseeded_noise_goes_on_from_request_to_request(folder):
    engine = start(folder, seeded=False)
    assert not np.array_equal(say(engine, TEXT).audio, say(engine, TEXT).audio)


def test_scales_and_silence_between_sentences(folder):
    quiet = {"noise_scale": 0, "noise_w_scale": 0}
    usual = len(say(start(folder, **quiet), TEXT).audio)
    slow = len(say(start(folder, length_scale=2, **quiet), TEXT).audio)
    assert slow == pytest.approx(2 * usual, rel=0.1)
    two = "Hello there. Good day."
    close = len(say(start(folder, sentence_silence=0, **quiet), two).audio)
    apart = len(say(start(folder, sentence_silence=0.5, **quiet), two).audio)
    assert apart - close == 0.5 * SAMPLE_RATE


def test_joining_sentences():
    one, two = np.ones(2, np.float32), np.full(1, 2, np.float32)
    assert join_sentences([one, two], 2).tolist() == [1, 1, 0, 0, 2]
    assert join_sentences([one], 2).tolist() == [1, 1]
    assert join_sentences([], 2).size == 0


@pytest.mark.parametrize("text", ["", " \n", "…", "。", "\x00"])
def test_text_without_speech_fails_and_the_rest_goes_on(folder, text):
    failure, result = start(folder).synthesize(
        [TTSRequest(text, "en", "en_US-one-low"), TTSRequest(TEXT, "en", "en_US-one-low")]
    )
    assert isinstance(failure, Failure)
    assert failure.reason == "no_speech"
    assert isinstance(result, TTSResult)


def test_phonemes_that_the_voice_does_not_have(folder, tmp_path):
    path = tmp_path / "en_US-mute-low.onnx"
    shutil.copy(folder / "en_US-one-low.onnx", path)
    framing = {"_": [0], "^": [1], "$": [2]}
    write_json(path, describe_voice("en-us", 1, phoneme_id_map=framing))
    engine = PiperConfig(voices=(str(path),)).start()
    failure = engine.synthesize([TTSRequest(TEXT, "en", "en_US-mute-low")])[0]
    assert failure.reason == "no_speech"


def test_brackets_in_the_text_are_no_raw_phonemes(folder):
    engine = start(folder, noise_scale=0, noise_w_scale=0)
    assert np.array_equal(say(engine, "a [[notice]] b").audio, say(engine, "a [ [notice]] b").audio)


def test_results_are_in_order_and_an_unknown_voice_fails(folder):
    engine = start(folder)
    texts = ["A rather long sentence that goes on.", "Short.", "In between."]
    requests = [TTSRequest(text, "en", "en_US-one-low", seed) for seed, text in enumerate(texts)]
    unknown = TTSRequest(TEXT, "en", "nobody")
    *results, failure = engine.synthesize([*requests, unknown])
    for request, result in zip(requests, results, strict=True):
        assert np.array_equal(result.audio, say(engine, request.text, seed=request.seed).audio)
    assert failure.reason == "unknown_voice"
    assert engine.synthesize([]) == []


def test_piper_s_espeak_and_ours_live_in_one_process(folder):
    from sdg_training.espeak import synthesize

    engine = start(folder)
    before = synthesize(TEXT, "en-us+f2")[0]
    spoken = say(engine, TEXT).audio
    assert np.array_equal(synthesize(TEXT, "en-us+f2")[0], before)
    assert np.array_equal(say(engine, TEXT).audio, spoken)


def test_voices_that_are_missing_broken_or_twice(folder, tmp_path):
    good = folder / "en_US-one-low.onnx"
    with pytest.raises(EngineError, match=r"nowhere\.onnx needs the file .*two files"):
        PiperConfig(voices=(str(tmp_path / "nowhere.onnx"),)).start()
    lonely = tmp_path / "lonely.onnx"
    shutil.copy(good, lonely)
    with pytest.raises(EngineError, match=r"lonely\.onnx\.json, which does not exist"):
        PiperConfig(voices=(str(lonely),)).start()
    for content in ("{", "[]", '{"num_speakers": 1}'):
        lonely.with_name("lonely.onnx.json").write_text(content)
        with pytest.raises(EngineError, match=r"does not describe a Piper voice"):
            PiperConfig(voices=(str(lonely),)).start()
    with pytest.raises(EngineError, match=r"are both the voice 'en_US-one-low'"):
        PiperConfig(voices=(str(good), str(good))).start()
    lonely.write_bytes(b"no graph")
    write_json(lonely, describe_voice("en-us", 1))
    engine = PiperConfig(voices=(str(lonely),)).start()
    with pytest.raises(EngineError, match=r"cannot load the Piper voice .*lonely"):
        engine.synthesize([TTSRequest(TEXT, "en", "lonely")])
    shutil.copy(good, lonely)
    write_json(lonely, describe_voice("tlh", 1))
    engine = PiperConfig(voices=(str(lonely),)).start()
    with pytest.raises(EngineError, match=r"cannot turn text into phonemes: .*tlh"):
        engine.synthesize([TTSRequest(TEXT, "en", "lonely")])


def test_fingerprint_follows_what_changes_the_output(folder, tmp_path):
    first = start(folder).fingerprint
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    assert start(moved).fingerprint.digest == first.digest
    digests = {
        start(folder, **{name: 0.5}).fingerprint.digest for name in ("noise_scale", "length_scale")
    }
    write_json(moved / "hi-home-made.onnx", describe_voice("hi", 1, hop_length=128))
    digests |= {start(moved).fingerprint.digest, start(folder, seed=1).fingerprint.digest}
    assert len(digests | {first.digest}) == 5


@pytest.mark.parametrize(
    "options", [{"voices": ()}, {"length_scale": 0}, {"noise_scale": -1}, {"speaker": 1}]
)
def test_configuration_that_makes_no_sense(options):
    with pytest.raises(ValidationError):
        PiperConfig(**{"voices": ("a.onnx",), **options})
