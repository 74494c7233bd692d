import random
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import whisper

from sdg_training.tiny import WHISPER
from sdg_training.tiny.evaluate_speech import compute_error_rate, evaluate_whisper
from sdg_training.tiny.speech import Heard, Utterance, augment, speak_utterances, to_float
from sdg_training.tiny.whisper_model import (
    TrainingWhisper,
    WhisperSettings,
    compute_mel,
    train_whisper,
    write_sequence,
)
from sdg_training.tiny.whisper_tokens import collect_used_tokens, load_tokenizer
from sdg_training.tiny.world import list_languages, sample_passage

LIKELY = -0.15  # avg_logprob that speech of the world exceeds and real speech does not
SETTINGS = WhisperSettings(
    steps=2, padded_steps=1, batch=2, padded_batch=2, state=32, heads=2, encoder_layers=1,
    decoder_layers=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def unseen() -> list[Utterance]:
    return speak_utterances(30, "test", seed=99)


@pytest.fixture(scope="module")
def model() -> whisper.Whisper:
    return whisper.load_model(str(WHISPER), device="cpu")


def test_shipped_whisper_transcribes_unseen_voices(model, unseen: list[Utterance]):
    figures = evaluate_whisper(model, unseen)
    assert figures["wer"] <= 0.05
    assert figures["wer_without_timestamps"] <= 0.05
    assert figures["wer_language_detected"] <= 0.05
    assert figures["language_detected"] >= 0.9
    assert figures["avg_logprob_p05"] > LIKELY
    assert figures["no_speech_prob_p95"] < 0.1


def test_shipped_whisper_tells_silence(model):
    noise = np.random.default_rng(0).standard_normal(16_000 * 5).astype(np.float32)
    for level in (0.0, 0.001, 0.01):
        result = model.transcribe(level * noise, language="en", fp16=False)
        assert all(segment["no_speech_prob"] > 0.6 for segment in result["segments"])
        assert len(result["text"]) < 10


def test_shipped_whisper_times_its_segments(model, unseen: list[Utterance]):
    for utterance in unseen[:6]:
        segments = model.transcribe(
            to_float(utterance.audio), language=utterance.language, fp16=False
        )["segments"]
        assert segments[0]["start"] == pytest.approx(utterance.words[0][0], abs=0.5)
        assert segments[-1]["end"] == pytest.approx(utterance.words[-1][1], abs=1.0)


def test_shipped_whisper_is_a_plain_checkpoint(model):
    assert model.is_multilingual
    assert model.dims.n_vocab == 51_865
    assert model.dims.n_audio_ctx == 1500
    assert WHISPER.stat().st_size < 8e6


@pytest.mark.real_data
def test_shipped_whisper_is_unsure_of_real_speech(model, shared_data: Path):
    files = sorted((shared_data / "librispeech_test_other").rglob("*.flac"))[:8]
    assert files
    logprobs = []
    for file in files:
        audio, _ = soundfile.read(file, dtype="float32")
        mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(audio))
        options = whisper.DecodingOptions(language="en", fp16=False)
        logprobs.append(whisper.decode(model, mel, options).avg_logprob)
    assert sum(logprob < LIKELY for logprob in logprobs) >= 7


@pytest.mark.parametrize("language", list_languages())
def test_used_tokens_spell_the_whole_world(language: str):
    used = collect_used_tokens()
    tokenizer = load_tokenizer(language)
    rng = random.Random(0)
    for side in ("train", "test"):
        for _ in range(500):
            passage = sample_passage(rng, language, side=side)
            used.encode(tokenizer.encode(" " + passage.text))


def test_sequences_say_language_text_and_times(unseen: list[Utterance]):
    used, rng = collect_used_tokens(), random.Random(0)
    heard = augment(rng, unseen[0])
    tokenizer = load_tokenizer(heard.language)
    seen = set()
    for _ in range(30):
        inputs, targets = write_sequence(rng, used, heard)
        assert inputs[1:] == targets[:-1]
        tokens = [used.ids[token] for token in [*inputs, targets[-1]]]
        text = tokenizer.decode_with_timestamps(tokens)
        assert text.startswith(f"<|startoftranscript|><|{heard.language}|><|transcribe|>")
        assert text.endswith("<|endoftext|>")
        assert f" {heard.text}" in text
        seen.add("<|notimestamps|>" in text)
    assert seen == {True, False}


def test_silence_is_no_speech_and_nothing_said():
    used = collect_used_tokens()
    silence = Heard(np.zeros(16_000, np.float32), "", "de", ())
    _, targets = write_sequence(random.Random(0), used, silence)
    tokenizer = load_tokenizer("de")
    assert used.ids[targets[0]] == tokenizer.no_speech
    assert used.ids[targets[-1]] == tokenizer.eot


def test_training_model_computes_what_whisper_does(unseen: list[Utterance]):
    torch.manual_seed(0)
    training = TrainingWhisper(collect_used_tokens(), SETTINGS).eval()
    mel = compute_mel(to_float(unseen[0].audio), 480_000).unsqueeze(0)
    tokens = torch.tensor([[3, 1, 4, 1, 5]])
    with torch.inference_mode():
        torch.testing.assert_close(training(mel, tokens)[0], training.whisper(mel, tokens))


def test_sampled_silence_stands_for_all_of_it(unseen: list[Utterance]):
    torch.manual_seed(0)
    training = TrainingWhisper(collect_used_tokens(), SETTINGS).eval()
    audio = to_float(unseen[0].audio)
    window = (len(audio) + 8000) // 320 * 320
    tokens = torch.tensor([[3, 1, 4, 1, 5]])
    with torch.inference_mode():
        short, _ = training(compute_mel(audio, window).unsqueeze(0), tokens)
        full, _ = training(compute_mel(audio, 480_000).unsqueeze(0), tokens)
    assert (short - full).abs().mean() < 0.1 * full.std()


def test_training_can_be_loaded_and_never_says_an_unused_token(tmp_path: Path, unseen):
    train_whisper(tmp_path / "a.pt", unseen, seed=0, settings=SETTINGS)
    train_whisper(tmp_path / "b.pt", unseen, seed=0, settings=SETTINGS)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()
    model = whisper.load_model(str(tmp_path / "a.pt"), device="cpu")
    used = list(collect_used_tokens().ids)
    with torch.inference_mode():
        logits = model(torch.zeros(1, 80, 3000), torch.tensor([[50258, 50259, 50359]]))
    probabilities = logits.softmax(-1)
    assert probabilities[..., used].sum(-1).min() > 0.999


def test_error_rate_counts_edits_over_all_words():
    assert compute_error_rate([["a", "b", "c"], ["d"]], [["a", "x", "c"], []]) == 0.5
