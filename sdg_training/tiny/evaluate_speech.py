"""How well the tiny audio models hear sentences and voices that they have not heard."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
import whisper
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from transformers import ParakeetFeatureExtractor, ParakeetForCTC, PreTrainedTokenizerFast

from sdg_training.tiny.noise import strip_casing
from sdg_training.tiny.speech import SAMPLE_RATE, Utterance, to_float

BATCH = 16


def evaluate_encoder(
    model: ParakeetForCTC,
    extractor: ParakeetFeatureExtractor,
    tokenizer: PreTrainedTokenizerFast,
    utterances: Sequence[Utterance],
) -> dict[str, float]:
    """``token_error_rate`` of greedy CTC, and ``tokens_per_frame``: what the frames carry."""
    heard = transcribe_ctc(model, extractor, [to_float(u.audio) for u in utterances])
    wanted = [tokenizer.encode(strip_casing(u.text)) for u in utterances]
    frames = sum(len(u.audio) for u in utterances) / SAMPLE_RATE * 12.5
    return {
        "token_error_rate": compute_error_rate(wanted, heard),
        "tokens_per_frame": sum(map(len, wanted)) / frames,
    }


@torch.inference_mode()
def transcribe_ctc(
    model: ParakeetForCTC, extractor: ParakeetFeatureExtractor, audio: Sequence[NDArray]
) -> list[list[int]]:
    """Token ids of greedy CTC. ``audio``: (samples,) float32, 16 kHz each."""
    heard = []
    for start in range(0, len(audio), BATCH):
        inputs = extractor(
            list(audio[start : start + BATCH]), sampling_rate=SAMPLE_RATE, return_tensors="pt"
        )
        encoded = model.encoder(**inputs)
        best = model.ctc_head(encoded.last_hidden_state).argmax(-1)
        lengths = encoded.attention_mask.sum(-1)
        for frames, length in zip(best, lengths, strict=True):
            merged = frames[:length].unique_consecutive().tolist()
            heard.append([token for token in merged if token != model.config.pad_token_id])
    return heard


def evaluate_whisper(model: whisper.Whisper, utterances: Sequence[Utterance]) -> dict[str, float]:
    """What plain ``transcribe`` gives with timestamps, without them, and with no language given.

    ``wer`` and ``exact`` count words with their casing and punctuation.
    """
    timed = [_transcribe(model, u, language=u.language) for u in utterances]
    untimed = [
        _transcribe(model, u, language=u.language, without_timestamps=True) for u in utterances
    ]
    detected = [_transcribe(model, u) for u in utterances]
    segments = [segment for result in timed for segment in result["segments"]]
    wanted = [u.text.split() for u in utterances]
    return {
        "wer": compute_error_rate(wanted, _words(timed)),
        "wer_without_timestamps": compute_error_rate(wanted, _words(untimed)),
        "wer_language_detected": compute_error_rate(wanted, _words(detected)),
        "language_detected": _mean(
            result["language"] == u.language for result, u in zip(detected, utterances, strict=True)
        ),
        "avg_logprob_p05": float(np.quantile([s["avg_logprob"] for s in segments], 0.05)),
        "avg_logprob_p50": float(np.quantile([s["avg_logprob"] for s in segments], 0.5)),
        "no_speech_prob_p95": float(np.quantile([s["no_speech_prob"] for s in segments], 0.95)),
    }


def compute_error_rate(wanted: Sequence[Sequence], heard: Sequence[Sequence]) -> float:
    """Edits in total over wanted units in total."""
    edits = sum(Levenshtein.distance(w, h) for w, h in zip(wanted, heard, strict=True))
    return edits / sum(map(len, wanted))


def _transcribe(model: whisper.Whisper, utterance: Utterance, **options: object) -> dict:
    return model.transcribe(to_float(utterance.audio), fp16=False, **options)


def _words(results: Sequence[dict]) -> list[list[str]]:
    return [result["text"].split() for result in results]


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
