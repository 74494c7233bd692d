"""The parts of the tiny world's models, each made and measured."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import whisper
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from sdg_training.tiny import ENCODER, LLM, WHISPER
from sdg_training.tiny.encoder import train_encoder
from sdg_training.tiny.evaluate_llm import evaluate_llm
from sdg_training.tiny.evaluate_speech import evaluate_encoder, evaluate_whisper
from sdg_training.tiny.llm import train_llm
from sdg_training.tiny.speech import Utterance, speak_babble, speak_utterances
from sdg_training.tiny.whisper_model import train_whisper
from sdg_training.tiny.world import list_languages

CHAINS = (("llm", "encoder"), ("whisper",))  # side by side: the encoder learns the LM's embeddings
PARTS = tuple(part for chain in CHAINS for part in chain)
THREADS = 1  # of each chain: models this small gain little from a second one
TRAIN_UTTERANCES = 9000
TEST_UTTERANCES = 300
BABBLE_UTTERANCES = 900
TEST_PASSAGES = 150  # of each language

Figures = dict[str, Any]


def make_chain(parts: Sequence[str], output: Path, seed: int) -> Figures:
    """One part after the other, in the folder ``output``; their figures by part."""
    torch.set_num_threads(THREADS)
    figures = {}
    for part in parts:
        started = time.perf_counter()
        measured = _MAKERS[part](output, seed)
        minutes = round((time.perf_counter() - started) / 60, 1)
        figures[part] = {"minutes": minutes, **measured}
        print(json.dumps({part: figures[part]}, indent=2), flush=True)
    return figures


def _make_llm(output: Path, seed: int) -> Figures:
    model, tokenizer = train_llm(output / LLM.name, seed)
    return {
        "megabytes": _megabytes(output / LLM.name),
        "parameters": model.num_parameters(),
        **{
            language: _rounded(evaluate_llm(model, tokenizer, language, TEST_PASSAGES, seed))
            for language in list_languages()
        },
    }


def _make_encoder(output: Path, seed: int) -> Figures:
    train = speak_utterances(TRAIN_UTTERANCES, "train", seed)
    test = speak_utterances(TEST_UTTERANCES, "test", seed)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(output / LLM.name)
    llm: LlamaForCausalLM = LlamaForCausalLM.from_pretrained(output / LLM.name)
    embeddings = llm.model.embed_tokens.weight.detach()
    model, extractor = train_encoder(output / ENCODER.name, tokenizer, embeddings, train, seed)
    return {
        "megabytes": _megabytes(output / ENCODER.name),
        "parameters": model.num_parameters(),
        **{
            language: _rounded(evaluate_encoder(model, extractor, tokenizer, utterances))
            for language, utterances in _by_language(test).items()
        },
    }


def _make_whisper(output: Path, seed: int) -> Figures:
    train = speak_utterances(TRAIN_UTTERANCES, "train", seed)
    test = speak_utterances(TEST_UTTERANCES, "test", seed)
    path = output / WHISPER.name
    train_whisper(path, train + speak_babble(BABBLE_UTTERANCES, seed), seed)
    model = whisper.load_model(str(path), device="cpu")
    return {
        "megabytes": _megabytes(path),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        **{
            language: _rounded(evaluate_whisper(model, utterances))
            for language, utterances in _by_language(test).items()
        },
    }


_MAKERS: dict[str, Callable[[Path, int], Figures]] = {
    "llm": _make_llm,
    "encoder": _make_encoder,
    "whisper": _make_whisper,
}


def _by_language(utterances: Sequence[Utterance]) -> dict[str, list[Utterance]]:
    return {
        language: [utterance for utterance in utterances if utterance.language == language]
        for language in list_languages()
    }


def _megabytes(path: Path) -> float:
    files = [path] if path.is_file() else path.iterdir()
    return round(sum(file.stat().st_size for file in files) / 1e6, 1)


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}
