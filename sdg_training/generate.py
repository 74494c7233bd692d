"""Answers of a speech LM to questions about recordings."""

from collections.abc import Sequence
from typing import Any

import torch

from sdg_training.collator import collate_audio
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


@torch.inference_mode()
def generate_answers(
    model: SALMForConditionalGeneration,
    processor: SALMProcessor,
    samples: Sequence[Sample],
    max_new_tokens: int,
    contexts: Sequence[str] | None = None,
    num_beams: int = 1,
) -> list[str]:
    """The likeliest answers, in the order of ``samples``.

    Args:
        contexts: texts (empty for nothing) in the recordings' stead.
        num_beams: 1: the likeliest token each time.
    """
    if not samples:
        return []
    texts = [None] * len(samples) if contexts is None else contexts
    prompts = [
        processor.build_prompt(sample.example.question, text)
        for sample, text in zip(samples, texts, strict=True)
    ]
    audio: dict[str, torch.Tensor] = {}
    if contexts is None:
        audio, counts = collate_audio(processor, samples)
        prompts = [
            prompt.replace(
                processor.audio_token, processor.audio_token * processor.count_placeholders(count)
            )
            for prompt, count in zip(prompts, counts, strict=True)
        ]
    text = processor.tokenizer(
        prompts, padding=True, padding_side="left", add_special_tokens=False, return_tensors="pt"
    )
    inputs = {
        "input_ids": text["input_ids"],
        "attention_mask": text["attention_mask"],
        **audio,
    }
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
