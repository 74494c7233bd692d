"""Answers of a speech LM to questions about recordings."""

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from sdg_training.collator import collate_audio, find_misfit
from sdg_training.examples import Skip
from sdg_training.recordings import Sample
from sdg_training.salm import SALMForConditionalGeneration, SALMProcessor

# Chat models come with habits, as to say nothing twice that stands in the prompt: a text that is
# read there would be answered from less well than the same text when it is heard.
UNBIASED = {
    "repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
    "length_penalty": 1.0,
    "min_new_tokens": None,
    "min_length": 0,
    "suppress_tokens": None,
    "bad_words_ids": None,
    "forced_eos_token_id": None,
}


def generate_answers(
    model: SALMForConditionalGeneration,
    processor: SALMProcessor,
    samples: Sequence[Sample],
    max_new_tokens: int,
    contexts: Sequence[str] | None = None,
    num_beams: int = 1,
    max_tokens: int = sys.maxsize,
) -> list[str | Skip]:
    """The likeliest answers, in the order of ``samples``, or why one cannot be asked.

    Args:
        max_new_tokens: of an answer, which has half of the LLM's positions at most.
        contexts: texts (empty for nothing) in the recordings' stead.
        num_beams: 1: the likeliest token each time.
        max_tokens: of a prompt, which must leave the answer its positions too.
    """
    if not samples:
        return []
    max_new_tokens = min(max_new_tokens, model.config.num_positions // 2)
    max_tokens = min(max_tokens, model.config.num_positions - max_new_tokens)
    audio: dict[str, Tensor] = {}
    counts: Sequence[int | None] = [None] * len(samples)
    if contexts is None:
        audio, counts = collate_audio(processor, samples)
    texts = [None] * len(samples) if contexts is None else contexts
    asked = [(s.example, text) for s, text in zip(samples, texts, strict=True)]
    prompts = [
        _encode_prompt(processor, example.question, text, count or 0)
        for (example, text), count in zip(asked, counts, strict=True)
    ]
    faults = [
        find_misfit(
            example,
            processor.find_unknown(example.question, text),
            count,
            len(prompt),
            max_tokens,
        )
        for (example, text), count, prompt in zip(asked, counts, prompts, strict=True)
    ]
    kept = [index for index, fault in enumerate(faults) if fault is None]
    if not kept:
        return [fault for fault in faults if fault is not None]
    inputs = {name: tensor[kept] for name, tensor in audio.items()}
    inputs |= _pad([prompts[index] for index in kept], processor.pad_token_id)
    answers = iter(_generate(model, processor, inputs, max_new_tokens, num_beams))
    return [next(answers) if fault is None else fault for fault in faults]


def _encode_prompt(
    processor: SALMProcessor, question: str, context: str | None, num_audio_tokens: int
) -> list[int]:
    """The prompt's tokens, with a placeholder for each audio embedding that stands in it."""
    heard = processor.audio_token * processor.count_placeholders(num_audio_tokens)
    prompt = processor.build_prompt(question, context).replace(processor.audio_token, heard)
    ids: list[int] = processor.tokenizer.encode(prompt, add_special_tokens=False)
    return ids


def _pad(prompts: Sequence[Sequence[int]], pad_token: int) -> dict[str, Tensor]:
    """``input_ids``, ``attention_mask``: (B, L), padded on the left"""
    rows = [torch.tensor(prompt) for prompt in prompts]
    pad = partial(pad_sequence, batch_first=True, padding_side="left")
    return {
        "input_ids": pad(rows, padding_value=pad_token),
        "attention_mask": pad([torch.ones_like(row) for row in rows]),
    }


@torch.inference_mode()
def _generate(
    model: SALMForConditionalGeneration,
    processor: SALMProcessor,
    inputs: Mapping[str, Tensor],
    max_new_tokens: int,
    num_beams: int,
) -> list[str]:
    tokens: Any = model.generate(  # type: ignore[misc]
        **{name: tensor.to(model.device) for name, tensor in inputs.items()},
        do_sample=False,
        num_beams=num_beams,
        max_new_tokens=max_new_tokens,
        eos_token_id=sorted(_find_end_tokens(model, processor)),
        pad_token_id=processor.pad_token_id,
        **UNBIASED,
    )
    answers = tokens[:, inputs["input_ids"].shape[1] :]
    return [text.strip() for text in processor.batch_decode(answers, skip_special_tokens=True)]


def _find_end_tokens(model: SALMForConditionalGeneration, processor: SALMProcessor) -> set[int]:
    """The LLM's own, and the one that training taught."""
    own = model.generation_config.eos_token_id
    return {processor.end_token_id, *([own] if isinstance(own, int) else own or [])}
