"""Make the tiny models anew: ``python -m sdg_training.tiny``, in under an hour on two cores.

Writes the checkpoints, ``figures.json`` and ``MODEL_CARD.md`` in the output folder.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import whisper
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from sdg_training.tiny import ENCODER, LLM, WEIGHTS, WHISPER
from sdg_training.tiny.encoder import train_encoder
from sdg_training.tiny.evaluate_llm import evaluate_llm
from sdg_training.tiny.evaluate_speech import evaluate_encoder, evaluate_whisper
from sdg_training.tiny.llm import train_llm
from sdg_training.tiny.model_card import write_model_card
from sdg_training.tiny.speech import Utterance, speak_babble, speak_utterances
from sdg_training.tiny.whisper_model import train_whisper
from sdg_training.tiny.world import list_languages

PARTS = ("llm", "encoder", "whisper")
THREADS = 2
TRAIN_UTTERANCES = 9000
TEST_UTTERANCES = 300
BABBLE_UTTERANCES = 900
TEST_PASSAGES = 150  # of each language


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse(arguments)
    torch.set_num_threads(THREADS)
    options.output.mkdir(parents=True, exist_ok=True)
    parts = [options.only] if options.only else list(PARTS)
    figures = _read_figures(options.output)
    train: list[Utterance] = []
    test: list[Utterance] = []
    if parts != ["llm"]:
        train = speak_utterances(TRAIN_UTTERANCES, "train", options.seed)
        test = speak_utterances(TEST_UTTERANCES, "test", options.seed)
    for part in parts:
        started = time.perf_counter()
        if part == "llm":
            measured = _make_llm(options.output / LLM.name, options.seed)
        elif part == "encoder":
            measured = _make_encoder(options.output, train, test, options.seed)
        else:
            babble = speak_babble(BABBLE_UTTERANCES, options.seed)
            measured = _make_whisper(
                options.output / WHISPER.name, train + babble, test, options.seed
            )
        minutes = round((time.perf_counter() - started) / 60, 1)
        figures[part] = {"minutes": minutes, **measured}
        print(json.dumps({part: figures[part]}, indent=2), flush=True)
        _write_figures(options.output, figures, options.seed)


def _make_llm(output: Path, seed: int) -> dict[str, Any]:
    model, tokenizer = train_llm(output, seed)
    return {
        "megabytes": _megabytes(output),
        "parameters": model.num_parameters(),
        **{
            language: _rounded(evaluate_llm(model, tokenizer, language, TEST_PASSAGES, seed))
            for language in list_languages()
        },
    }


def _make_encoder(
    output: Path, train: Sequence[Utterance], test: Sequence[Utterance], seed: int
) -> dict[str, Any]:
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


def _make_whisper(
    output: Path, train: Sequence[Utterance], test: Sequence[Utterance], seed: int
) -> dict[str, Any]:
    train_whisper(output, train, seed)
    model = whisper.load_model(str(output), device="cpu")
    return {
        "megabytes": _megabytes(output),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        **{
            language: _rounded(evaluate_whisper(model, utterances))
            for language, utterances in _by_language(test).items()
        },
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


def _read_figures(output: Path) -> dict[str, Any]:
    """Those of an earlier run, which ``--only`` keeps for the other parts."""
    path = output / "figures.json"
    return json.loads(path.read_text()) if path.exists() else {}


def _write_figures(output: Path, figures: Mapping[str, Any], seed: int) -> None:
    (output / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    write_model_card(output, figures, seed)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m sdg_training.tiny", description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="make this part alone")
    parser.add_argument("--output", type=Path, default=WEIGHTS, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
