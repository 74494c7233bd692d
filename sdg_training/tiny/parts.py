"""The parts of the tiny world's models, each made and then measured."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import whisper
from torch import nn
from transformers import (
    LlamaForCausalLM,
    ParakeetFeatureExtractor,
    ParakeetForCTC,
    PreTrainedTokenizerFast,
)

from sdg_training.tiny import ENCODER, LLM, WHISPER
from sdg_training.tiny.encoder import train_encoder
from sdg_training.tiny.evaluate_llm import evaluate_llm
from sdg_training.tiny.evaluate_speech import evaluate_encoder, evaluate_whisper
from sdg_training.tiny.llm import train_llm
from sdg_training.tiny.speech import Utterance, speak_babble, speak_utterances
from sdg_training.tiny.whisper_model import train_whisper
from sdg_training.tiny.world import list_languages

PARTS = ("llm", "whisper", "encoder")
AFTER = {"encoder": "llm"}  # it learns the LM's embeddings
# The LM and Whisper gain little from a second thread; the encoder soon has both cores to itself.
THREADS = {"llm": 1, "whisper": 1, "encoder": 2}
TRAIN_UTTERANCES = 9000
TEST_UTTERANCES = 300
BABBLE_UTTERANCES = 900
TEST_PASSAGES = 150  # of each language

Figures = dict[str, Any]


def make(part: str, output: Path, seed: int) -> Figures:
    """Train a part and save it in the folder ``output``; how long that took."""
    torch.set_num_threads(THREADS[part])
    started = time.perf_counter()
    _MAKERS[part](output, seed)
    return {"minutes": round((time.perf_counter() - started) / 60, 1)}


def measure(part: str, output: Path, seed: int) -> Figures:
    """The size of a part, and what it does by language."""
    torch.set_num_threads(1)
    return _METERS[part](output, seed)


def _make_llm(output: Path, seed: int) -> None:
    train_llm(output / LLM.name, seed)


def _make_encoder(output: Path, seed: int) -> None:
    utterances = speak_utterances(TRAIN_UTTERANCES, "train", seed)
    llm, tokenizer = _load_llm(output)
    embeddings = llm.model.embed_tokens.weight.detach()
    train_encoder(output / ENCODER.name, tokenizer, embeddings, utterances, seed)


def _make_whisper(output: Path, seed: int) -> None:
    utterances = speak_utterances(TRAIN_UTTERANCES, "train", seed)
    babble = speak_babble(BABBLE_UTTERANCES, seed)
    train_whisper(output / WHISPER.name, utterances + babble, seed)


def _measure_llm(output: Path, seed: int) -> Figures:
    model, tokenizer = _load_llm(output)
    by_language = {
        language: evaluate_llm(model, tokenizer, language, TEST_PASSAGES, seed)
        for language in list_languages()
    }
    return _summarise(output / LLM.name, model, by_language)


def _measure_encoder(output: Path, seed: int) -> Figures:
    model = ParakeetForCTC.from_pretrained(output / ENCODER.name).eval()
    extractor = ParakeetFeatureExtractor.from_pretrained(output / ENCODER.name)
    _, tokenizer = _load_llm(output)
    by_language = {
        language: evaluate_encoder(model, extractor, tokenizer, utterances)
        for language, utterances in _speak_tests(seed).items()
    }
    return _summarise(output / ENCODER.name, model, by_language)


def _measure_whisper(output: Path, seed: int) -> Figures:
    model = whisper.load_model(str(output / WHISPER.name), device="cpu")
    by_language = {
        language: evaluate_whisper(model, utterances)
        for language, utterances in _speak_tests(seed).items()
    }
    return _summarise(output / WHISPER.name, model, by_language)


def _summarise(
    path: Path, model: nn.Module, by_language: Mapping[str, Mapping[str, float]]
) -> Figures:
    return {
        "megabytes": _megabytes(path),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        **{language: _rounded(figures) for language, figures in by_language.items()},
    }


_MAKERS: dict[str, Callable[[Path, int], None]] = {
    "llm": _make_llm,
    "encoder": _make_encoder,
    "whisper": _make_whisper,
}
_METERS: dict[str, Callable[[Path, int], Figures]] = {
    "llm": _measure_llm,
    "encoder": _measure_encoder,
    "whisper": _measure_whisper,
}


def _load_llm(output: Path) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    model: LlamaForCausalLM = LlamaForCausalLM.from_pretrained(output / LLM.name)
    return model.eval(), PreTrainedTokenizerFast.from_pretrained(output / LLM.name)


def _speak_tests(seed: int) -> dict[str, list[Utterance]]:
    utterances = speak_utterances(TEST_UTTERANCES, "test", seed)
    return {
        language: [utterance for utterance in utterances if utterance.language == language]
        for language in list_languages()
    }


def _megabytes(path: Path) -> float:
    files = [path] if path.is_file() else path.iterdir()
    return round(sum(file.stat().st_size for file in files) / 1e6, 1)


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}
