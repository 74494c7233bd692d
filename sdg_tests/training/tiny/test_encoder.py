from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoFeatureExtractor, AutoTokenizer, ParakeetEncoder, ParakeetForCTC

from sdg_training.tiny import ENCODER, LLM
from sdg_training.tiny.encoder import EncoderSettings, PointingHead, train_encoder
from sdg_training.tiny.evaluate_speech import evaluate_encoder, transcribe_ctc
from sdg_training.tiny.noise import strip_casing
from sdg_training.tiny.speech import Utterance, speak_utterances, to_float


@pytest.fixture(scope="module")
def unseen() -> list[Utterance]:
    return speak_utterances(30, "test", seed=99)


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(LLM)


@pytest.fixture(scope="module")
def encoder() -> ParakeetForCTC:
    return ParakeetForCTC.from_pretrained(ENCODER).eval()


@pytest.fixture(scope="module")
def extractor():
    return AutoFeatureExtractor.from_pretrained(ENCODER)


@pytest.mark.parametrize("language", ["de", "en", "es"])
def test_shipped_encoder_hears_unseen_voices(
    encoder, extractor, tokenizer, unseen: list[Utterance], language: str
):
    utterances = [utterance for utterance in unseen if utterance.language == language]
    figures = evaluate_encoder(encoder, extractor, tokenizer, utterances)
    assert figures["token_error_rate"] < 0.05
    assert figures["tokens_per_frame"] < 0.6


def test_frames_spell_the_text_in_the_tokens_of_the_llm(encoder, extractor, tokenizer, unseen):
    heard = transcribe_ctc(encoder, extractor, [to_float(u.audio) for u in unseen])
    right = [
        tokenizer.decode(h) == strip_casing(u.text) for h, u in zip(heard, unseen, strict=True)
    ]
    assert sum(right) >= 15
    assert encoder.config.pad_token_id == tokenizer.pad_token_id
    assert encoder.config.vocab_size == len(tokenizer)


def test_batching_does_not_change_what_is_heard(encoder, extractor, unseen):
    audio = [to_float(utterance.audio) for utterance in unseen[:6]]
    alone = [transcribe_ctc(encoder, extractor, [samples])[0] for samples in audio]
    assert transcribe_ctc(encoder, extractor, audio) == alone


def test_one_frame_is_80_ms_and_no_window_is_padded(encoder, extractor):
    inputs = extractor(np.zeros(16_000 * 4, np.float32), sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        frames = encoder.encoder(**inputs).last_hidden_state.shape[1]
    assert frames == pytest.approx(50, abs=1)


def test_loads_as_a_bare_encoder(encoder):
    bare = ParakeetEncoder.from_pretrained(ENCODER)
    assert bare.dtype == torch.float32
    torch.testing.assert_close(bare.state_dict(), encoder.encoder.state_dict())


def test_training_can_be_loaded(tmp_path: Path, tokenizer, unseen):
    settings = EncoderSettings(steps=2, batch_seconds=20, layers=1, heads=2, subsampling_channels=8)
    embeddings = torch.randn(len(tokenizer), 32, generator=torch.Generator().manual_seed(0))
    model, _ = train_encoder(tmp_path, tokenizer, embeddings, unseen, seed=0, settings=settings)
    again, _ = train_encoder(tmp_path, tokenizer, embeddings, unseen, seed=0, settings=settings)
    torch.testing.assert_close(model.state_dict(), again.state_dict())
    loaded = ParakeetForCTC.from_pretrained(tmp_path)
    torch.testing.assert_close(model.state_dict(), loaded.state_dict())


def test_a_frame_that_is_an_embedding_points_to_its_token():
    embeddings = torch.randn(500, 32, generator=torch.Generator().manual_seed(0))
    head = PointingHead(embeddings)
    assert head(head.points).argmax(-1).tolist() == list(range(500))
