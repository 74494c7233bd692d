"""The model: shapes, masks, what is trained, the loss, generation, saving and loading."""

from pathlib import Path

import pytest
import torch
from transformers.modeling_outputs import CausalLMOutputWithPast

from sdg_tests.training.dummies import noise
from sdg_training.salm import SALMForConditionalGeneration, SALMProcessor

SETTINGS = {
    "conformer": {
        "adapter_type": "conformer",
        "adapter_hidden_size": 32,
        "adapter_num_layers": 2,
        "adapter_num_attention_heads": 4,
        "adapter_intermediate_size": 64,
    },
    "mlp": {
        "adapter_type": "mlp",
        "adapter_hidden_size": 64,
        "adapter_subsampling_factor": 3,
    },
}
QUESTIONS = ["who?", "wohin geht die Frau?", "什么时候？"]


def build(
    encoder: Path, llm: Path, adapter: str = "mlp", **settings: object
) -> tuple[SALMForConditionalGeneration, SALMProcessor]:
    settings = {**SETTINGS[adapter], "lora_rank": 4, **settings}
    model = SALMForConditionalGeneration.from_encoder_llm_pretrained(
        encoder, llm, audio_token_id=0, **settings
    )
    processor = SALMProcessor.from_encoder_llm_pretrained(encoder, llm, model.config)
    model.config.audio_token_id = processor.audio_token_id
    return model, processor


def forward(
    model: SALMForConditionalGeneration, processor: SALMProcessor, indices: list[int], side: str
) -> CausalLMOutputWithPast:
    inputs = processor(
        text=[processor.build_prompt(QUESTIONS[index]) for index in indices],
        audio=[noise(0.5 + 0.4 * index, index) for index in indices],
        padding_side=side,
        return_tensors="pt",
    )
    with torch.no_grad():
        return model(**inputs), inputs


@pytest.mark.parametrize("adapter", SETTINGS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_changes_nothing(encoder: Path, llm: Path, adapter: str, side: str) -> None:
    model, processor = build(encoder, llm, adapter)
    batch, inputs = forward(model, processor, [0, 1, 2], side)
    assert batch.logits.shape == (*inputs["input_ids"].shape, model.config.text_config.vocab_size)
    for index in range(3):
        alone, _ = forward(model, processor, [index], side)
        real = batch.logits[index][inputs["attention_mask"][index].bool()]
        torch.testing.assert_close(real, alone.logits[0], atol=2e-4, rtol=1e-3)
