"""openai-whisper on a checkpoint of random weights in its real format, against ``transcribe``."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
import whisper
from pydantic import ValidationError

from sdg_assets.engines.asr.openai_whisper import OpenAIWhisper, OpenAIWhisperConfig
from sdg_assets.engines.base import ASRRequest, ASRResult, Audio, EngineError, Failure
from sdg_assets.progress import counting

FIGURES = ("start", "end", "avg_logprob", "no_speech_prob", "compression_ratio", "temperature")
TRUSTING = {"logprob_threshold": None, "compression_ratio_threshold": None}


def make_noise(seconds: float, seed: int = 0) -> Audio:
    samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * 16_000))
    return samples.astype(np.float32)


def save_whisper(path: Path, seed: int = 0, n_vocab: int = 51865) -> Path:
    """A Whisper of one layer that looks at the audio: its output embedding is not tiny."""
    torch.manual_seed(seed)
    dims = whisper.model.ModelDimensions(
        n_mels=80,
        n_audio_ctx=1500,
        n_audio_state=16,
        n_audio_head=2,
        n_audio_layer=1,
        n_vocab=n_vocab,
        n_text_ctx=48,
        n_text_state=16,
        n_text_head=2,
        n_text_layer=1,
    )
    model = whisper.Whisper(dims)
    torch.nn.init.normal_(model.decoder.positional_embedding)
    torch.save({"dims": vars(dims), "model_state_dict": model.state_dict()}, path)
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_whisper(tmp_path_factory.mktemp("whisper") / "random.pt")


def start(checkpoint: Path, **options: object) -> OpenAIWhisper:
    return OpenAIWhisperConfig(model=str(checkpoint), device="cpu", **options).start()


def transcribe_alone(checkpoint: Path, audio: Audio, **options: object) -> dict:
    model = whisper.load_model(str(checkpoint), device="cpu")
    torch.manual_seed(0)  # the engine's default seed
    return whisper.transcribe(model, audio, fp16=False, condition_on_previous_text=False, **options)


def assert_same(result: ASRResult | Failure, expected: dict) -> None:
    assert isinstance(result, ASRResult)
    assert result.text == expected["text"].strip()
    assert len(result.segments) == len(expected["segments"]) > 0
    for segment, wanted in zip(result.segments, expected["segments"], strict=True):
        assert segment.text == wanted["text"].strip()
        figures = [asdict(segment)[name] for name in FIGURES]
        assert figures == pytest.approx([wanted[name] for name in FIGURES], abs=1e-4)


@pytest.mark.parametrize("beam_size", [None, 2])
def test_a_batch_gives_what_transcribe_gives_for_each(checkpoint, beam_size):
    durations = [3.0, 0.7, 30.0, 12.5]
    audios = [make_noise(seconds, seed) for seed, seconds in enumerate(durations)]
    options = {**TRUSTING, "beam_size": beam_size}
    counts: list[int] = []
    with counting(counts.append):
        results = start(checkpoint, batch_size=3, **options).transcribe(
            [ASRRequest(audio, "de") for audio in audios]
        )
    assert counts == [1, 1, 1, 1]
    expected = [transcribe_alone(checkpoint, audio, language="de", **options) for audio in audios]
    assert len({result["text"] for result in expected}) > 1
    for result, wanted in zip(results, expected, strict=True):
        assert_same(result, wanted)


def test_longer_than_a_window_goes_on_to_the_next(checkpoint):
    audio = make_noise(47)
    result = start(checkpoint, **TRUSTING).transcribe([ASRRequest(audio, "hi")])[0]
    assert_same(result, transcribe_alone(checkpoint, audio, language="hi", **TRUSTING))
    assert result.segments[-1].end > 30
    assert result.usage.audio_seconds == 47


def test_fallback_samples_with_the_seed_whatever_is_in_the_batch(checkpoint):
    audios = [make_noise(2, seed) for seed in range(3)]
    requests = [ASRRequest(audio, "en") for audio in audios]
    engine = start(checkpoint, temperature=(0, 0.8))
    together = engine.transcribe(requests)
    alone = [engine.transcribe([request])[0] for request in requests]
    assert [result.text for result in together] == [result.text for result in alone]
    assert {segment.temperature for result in together for segment in result.segments} == {0.8}
    expected = transcribe_alone(checkpoint, audios[0], language="en", temperature=(0, 0.8))
    assert_same(together[0], expected)
    reseeded = start(checkpoint, temperature=(0, 0.8), seed=1).transcribe(requests)
    assert reseeded[0].text != together[0].text


def test_first_temperature_above_zero_is_sampled_from_the_start(checkpoint):
    audio = make_noise(2)
    options = {**TRUSTING, "temperature": (0.5,), "best_of": 2}
    result = start(checkpoint, **options).transcribe([ASRRequest(audio, "en")])[0]
    assert_same(result, transcribe_alone(checkpoint, audio, language="en", **options))


def test_the_caller_s_random_state_is_left_alone(checkpoint):
    engine = start(checkpoint, temperature=(0.8,))
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    engine.transcribe([ASRRequest(make_noise(1), "en")])
    assert torch.equal(torch.rand(3), expected)


def test_language_is_detected_where_it_is_not_given_or_not_trusted(checkpoint):
    audios = [make_noise(1, seed) for seed in range(4)]
    expected = [transcribe_alone(checkpoint, audio, **TRUSTING)["language"] for audio in audios]
    missing = start(checkpoint, **TRUSTING).transcribe([ASRRequest(audio) for audio in audios])
    ignored = start(checkpoint, language="detect", **TRUSTING).transcribe(
        [ASRRequest(audio, "en") for audio in audios]
    )
    assert [result.language for result in missing] == expected
    assert [result.language for result in ignored] == expected


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("en", "en"),
        ("pt-br", "pt"),
        ("zh-hant", "zh"),
        ("cmn-hans-cn", "zh"),
        ("nb", "no"),
        ("nn", "nn"),
        ("jv", "jw"),
        ("fil", "tl"),
        ("ar-EG", "ar"),
        ("haw", "haw"),
    ],
)
def test_bcp47_tags_become_whisper_codes(checkpoint, tag, code):
    audio = make_noise(1)
    result = start(checkpoint, **TRUSTING).transcribe([ASRRequest(audio, tag)])[0]
    assert result.language == tag
    assert_same(result, transcribe_alone(checkpoint, audio, language=code, **TRUSTING))


@pytest.mark.parametrize("tag", ["xx", "yue", "gsw"])
def test_language_the_model_does_not_have(checkpoint, tag):
    with pytest.raises(EngineError, match=rf"does not have the language '{tag}'.* af, .*zh"):
        start(checkpoint).transcribe([ASRRequest(make_noise(1), tag)])


def test_english_only_model(tmp_path):
    engine = start(save_whisper(tmp_path / "random.en.pt", n_vocab=51864), **TRUSTING)
    result = engine.transcribe([ASRRequest(make_noise(1))])[0]
    assert result.language == "en"
    with pytest.raises(EngineError, match=r"'de'; it has: en\."):
        engine.transcribe([ASRRequest(make_noise(1), "de")])


def test_bad_audio_fails_in_its_place_and_the_rest_goes_on(checkpoint):
    nan, infinite = make_noise(1), make_noise(1)
    nan[100], infinite[5] = np.nan, np.inf
    stereo = np.zeros((2, 16_000), np.float32)
    bad = [np.empty(0, np.float32), make_noise(0.05), nan, infinite, stereo]
    good = make_noise(1)
    engine = start(checkpoint, **TRUSTING)
    batch = [ASRRequest(audio, "en") for audio in (*bad, good)]
    *failures, result = engine.transcribe(batch)
    assert [failure.reason for failure in failures] == [
        "empty_audio",
        "audio_too_short",
        "broken_audio",
        "broken_audio",
        "not_mono",
    ]
    assert_same(result, transcribe_alone(checkpoint, good, language="en", **TRUSTING))


def test_empty_batch_and_strided_audio(checkpoint):
    engine = start(checkpoint, **TRUSTING)
    assert engine.transcribe([]) == []
    audio = make_noise(2)
    results = engine.transcribe(
        [ASRRequest(audio[::-2], "en"), ASRRequest(audio[::-2].copy(), "en")]
    )
    assert results[0].text == results[1].text


def test_digital_silence_is_a_result_not_a_failure(checkpoint):
    silence = np.zeros(16_000, np.float32)
    result = start(checkpoint, **TRUSTING).transcribe([ASRRequest(silence, "en")])[0]
    assert isinstance(result, ASRResult)


def test_broken_weights_are_not_a_transcript(checkpoint, tmp_path):
    broken = torch.load(checkpoint)
    broken["model_state_dict"]["decoder.ln.weight"][0] = torch.nan
    torch.save(broken, tmp_path / "broken.pt")
    result = start(tmp_path / "broken.pt").transcribe([ASRRequest(make_noise(1), "en")])[0]
    assert isinstance(result, Failure)
    assert result.reason == "broken_output"


def test_fingerprint_follows_what_changes_the_output(checkpoint, tmp_path):
    first = start(checkpoint).fingerprint
    moved = tmp_path / "elsewhere" / checkpoint.name
    moved.parent.mkdir()
    moved.write_bytes(checkpoint.read_bytes())
    assert start(moved, batch_size=2).fingerprint.digest == first.digest
    assert first.name == "openai-whisper/random"
    others = [
        start(save_whisper(tmp_path / "random.pt", seed=1)).fingerprint,
        start(checkpoint, beam_size=2).fingerprint,
        start(checkpoint, seed=3).fingerprint,
        start(checkpoint, language="detect").fingerprint,
    ]
    assert len({first.digest, *(other.digest for other in others)}) == 5


def test_tiny_world_is_the_embedded_checkpoint(checkpoint, monkeypatch):
    monkeypatch.setattr("sdg_training.tiny.WHISPER", checkpoint)
    embedded = OpenAIWhisperConfig(device="cpu").start().fingerprint
    assert embedded.name == "openai-whisper/tiny-world"
    assert embedded.revision == start(checkpoint).fingerprint.revision


def test_model_that_does_not_exist_or_is_none(tmp_path):
    with pytest.raises(EngineError, match=r"no Whisper checkpoint at .*nowhere\.pt.*large-v3"):
        start(tmp_path / "nowhere.pt")
    for content in (b"", b"no checkpoint"):
        broken = tmp_path / "broken.pt"
        broken.write_bytes(content)
        with pytest.raises(EngineError, match="openai-whisper's own format"):
            start(broken)
    torch.save({"weights": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(EngineError, match="openai-whisper's own format"):
        start(tmp_path / "other.pt")


def test_official_name_that_cannot_be_downloaded(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(
        EngineError, match=r"cannot read the weights of Whisper 'tiny\.en'.*network"
    ):
        OpenAIWhisperConfig(model="tiny.en", device="cpu").start()


@pytest.mark.parametrize(
    "options", [{"temperature": ()}, {"temperature": (-1,)}, {"batch_size": 0}, {"beams": 5}]
)
def test_configuration_that_makes_no_sense(options):
    with pytest.raises(ValidationError):
        OpenAIWhisperConfig(**options)
