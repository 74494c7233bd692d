"""The model: masks, what is trained, the loss, generation, saving and loading."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    GemmaConfig,
    HubertConfig,
    LlamaConfig,
    MistralConfig,
    ParakeetEncoderConfig,
    PreTrainedConfig,
    Qwen2Config,
    Wav2Vec2BertConfig,
    WhisperConfig,
)

from sdg_tests.training.dummies import noise
from sdg_training.collator import IGNORED
from sdg_training.salm import SALMConfig, SALMForConditionalGeneration, SALMProcessor

ADAPTERS: dict[str, dict[str, Any]] = {
    "conformer": {
        "adapter_type": "conformer",
        "adapter_hidden_size": 32,
        "adapter_num_attention_heads": 4,
        "adapter_intermediate_size": 64,
        "adapter_subsampling_factor": 2,
    },
    "mlp": {"adapter_type": "mlp", "adapter_hidden_size": 64, "adapter_subsampling_factor": 3},
}
QUESTIONS = ["who?", "wohin geht die Frau?", "什么时候？"]
Pair = tuple[SALMForConditionalGeneration, SALMProcessor]


def build(encoder: Path, llm: Path, adapter: str = "mlp", **settings: Any) -> Pair:
    settings = {**ADAPTERS[adapter], "lora_rank": 4, **settings}
    model = SALMForConditionalGeneration.from_encoder_llm_pretrained(encoder, llm, **settings)
    processor = SALMProcessor.from_encoder_llm_pretrained(encoder, llm, model.config)
    model.config.audio_token_id = processor.audio_token_id
    return model, processor


def disturb(model: SALMForConditionalGeneration) -> None:
    """As training would: LoRA's zeros become something."""
    torch.manual_seed(3)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight += 0.1 * torch.randn_like(weight)


def prepare(processor: SALMProcessor, indices: list[int], side: str = "left") -> dict[str, Tensor]:
    inputs = processor(
        text=[processor.build_prompt(QUESTIONS[index]) for index in indices],
        audio=[noise(0.5 + 0.4 * index, index) for index in indices],
        padding_side=side,
        return_tensors="pt",
    )
    return dict(inputs)


@torch.no_grad()
def compute_logits(model: SALMForConditionalGeneration, inputs: dict[str, Tensor]) -> Tensor:
    return model(**inputs).logits


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_changes_nothing(encoder: Path, llm: Path, adapter: str, side: str) -> None:
    model, processor = build(encoder, llm, adapter)
    disturb(model)
    inputs = prepare(processor, [0, 1, 2], side)
    logits = compute_logits(model, inputs)
    assert logits.shape == (*inputs["input_ids"].shape, model.config.text_config.vocab_size)
    for index in range(3):
        alone = compute_logits(model, prepare(processor, [index], side))
        real = logits[index][inputs["attention_mask"][index].bool()]
        torch.testing.assert_close(real, alone[0], atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_another_recording_gives_another_answer(encoder: Path, llm: Path, adapter: str) -> None:
    model, processor = build(encoder, llm, adapter)
    inputs = prepare(processor, [0])
    other = inputs | dict(processor.extract_features([noise(0.5, 9)]))
    difference = compute_logits(model, inputs) - compute_logits(model, other)
    assert difference[0, -1].abs().max() > 0.01


def test_before_training_the_llm_answers_as_it_always_did(encoder: Path, llm: Path) -> None:
    model, processor = build(encoder, llm)
    prompt = processor.build_prompt("who?", "")
    inputs = dict(processor(text=prompt, return_tensors="pt"))
    base = AutoModelForCausalLM.from_pretrained(llm)
    torch.testing.assert_close(compute_logits(model, inputs), compute_logits(base, inputs))


def test_prompts_with_and_without_audio_share_a_batch(encoder: Path, llm: Path) -> None:
    model, processor = build(encoder, llm)
    texts = [
        processor.build_prompt("who?", None if with_audio else "")
        for with_audio in (False, True, False)
    ]
    inputs = processor(text=texts, audio=[noise(0.5, 0)], return_tensors="pt")
    logits = compute_logits(model, dict(inputs))
    alone = compute_logits(model, dict(processor(text=texts[:1], return_tensors="pt")))
    length = alone.shape[1]
    torch.testing.assert_close(logits[0, -length:], alone[0], atol=1e-4, rtol=1e-3)
    with_audio = compute_logits(model, prepare(processor, [0]))
    torch.testing.assert_close(logits[1], with_audio[0], atol=1e-4, rtol=1e-3)


def test_placeholders_without_audio_are_an_error(encoder: Path, llm: Path) -> None:
    model, processor = build(encoder, llm)
    inputs = prepare(processor, [0])
    with pytest.raises(ValueError, match=r"5 audio placeholders, but .* 0 audio embeddings"):
        model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])


def test_what_is_trained(encoder: Path, llm: Path) -> None:
    model, _ = build(encoder, llm)
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    adapter = {name for name, _ in model.named_parameters() if name.startswith(("ada", "proj"))}
    lora = {
        f"llm.model.layers.{layer}.{block}.{name}.lora_{side}.default.weight"
        for layer in (0, 1)
        for block, names in {"self_attn": "qkvo", "mlp": ("gate", "up", "down")}.items()
        for name in (f"{each}_proj" for each in names)
        for side in "AB"
    }
    assert trained == adapter | lora
    listening, _ = build(encoder, llm, freeze_encoder=False, lora_rank=0)
    trained = {name for name, weight in listening.named_parameters() if weight.requires_grad}
    assert trained == adapter | {name for name in trained if name.startswith("encoder.")}
    assert len(trained) > len(adapter)


def test_a_frozen_encoder_stays_in_evaluation_mode(encoder: Path, llm: Path) -> None:
    model, _ = build(encoder, llm, "conformer")
    model.train()
    assert not any(module.training for module in model.encoder.modules())
    assert model.adapter.training
    listening, _ = build(encoder, llm, freeze_encoder=False)
    assert listening.train().encoder.training


def test_the_loss_is_that_of_the_labels_alone(encoder: Path, llm: Path) -> None:
    model, processor = build(encoder, llm)
    inputs = prepare(processor, [0, 1])
    labels = torch.full_like(inputs["input_ids"], IGNORED)
    labels[0, -3:] = torch.tensor([7, 8, processor.end_token_id])
    labels[1, -1:] = processor.end_token_id
    output = model(**inputs, labels=labels)
    logs = output.logits.log_softmax(-1)
    wanted = [(0, -3, 7), (0, -2, 8), (0, -1, labels[0, -1]), (1, -1, labels[1, -1])]
    expected = -torch.stack([logs[row, place - 1, label] for row, place, label in wanted]).mean()
    torch.testing.assert_close(output.loss, expected)
    short = model(**inputs, labels=labels, logits_to_keep=4)
    assert short.logits.shape[1] == 4
    torch.testing.assert_close(short.loss, output.loss)


def test_gradients_reach_what_is_trained_and_nothing_else(encoder: Path, llm: Path) -> None:
    model, processor = build(encoder, llm, "conformer")
    disturb(model)
    inputs = prepare(processor, [0, 1])
    model.train()(**inputs, labels=inputs["input_ids"].clamp(max=250)).loss.backward()
    for name, weight in model.named_parameters():
        assert (weight.grad is not None) == weight.requires_grad, name


def test_encoder_states_can_be_kept(encoder: Path, llm: Path) -> None:
    model, processor = build(encoder, llm)
    inputs = prepare(processor, [0, 1])
    direct = compute_logits(model, inputs)
    with torch.no_grad():
        features = (inputs.pop("input_features"), inputs.pop("input_features_mask"))
        inputs["encoder_states"], inputs["encoder_mask"] = model.encode(*features)
    torch.testing.assert_close(compute_logits(model, inputs), direct)


def generate(model: SALMForConditionalGeneration, inputs: dict[str, Tensor], **how: Any) -> Tensor:
    return model.generate(**inputs, do_sample=False, max_new_tokens=8, min_new_tokens=8, **how)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_generation(encoder: Path, llm: Path, adapter: str) -> None:
    model, processor = build(encoder, llm, adapter)
    disturb(model)
    inputs = prepare(processor, [0, 1, 2])
    tokens = generate(model, inputs)
    width = inputs["input_ids"].shape[1]
    assert tokens[:, :width].equal(inputs["input_ids"])
    assert tokens.equal(generate(model, inputs, use_cache=False))
    assert generate(model, inputs, num_beams=3).shape == tokens.shape
    for index in range(3):
        alone = generate(model, prepare(processor, [index]))
        assert alone[0, -8:].equal(tokens[index, width:])


def test_the_same_seed_makes_the_same_adapter(encoder: Path, llm: Path) -> None:
    first, _ = build(encoder, llm, "conformer", seed=5)
    state = {name: weight.clone() for name, weight in first.state_dict().items()}
    disturb(first)
    first.reset_trainable(5)
    second, _ = build(encoder, llm, "conformer", seed=5)
    other, _ = build(encoder, llm, "conformer", seed=6)
    for name, weight in state.items():
        assert weight.equal(first.state_dict()[name]), name
        assert weight.equal(second.state_dict()[name]), name
    assert not state["projector.weight"].equal(other.state_dict()["projector.weight"])


LOGITS_IN_A_PROCESS = """
import sys, torch
from sdg_training.salm import SALMForConditionalGeneration
for folder in sys.argv[1:]:
    model = SALMForConditionalGeneration.from_pretrained(folder)
    assert not model.training
    with torch.no_grad():
        torch.save(model(**torch.load(folder + "/inputs")).logits, folder + "/logits")
"""


def test_a_fresh_process_gives_the_same_logits(encoder: Path, llm: Path, tmp_path: Path) -> None:
    """Both kinds of checkpoint: with the frozen weights, and with references to them."""
    expected = {}
    for self_contained in (True, False):
        model, processor = build(encoder, llm, "conformer", self_contained=self_contained)
        disturb(model)
        folder = tmp_path / str(self_contained)
        model.save_pretrained(folder)
        stored = load_file(folder / "model.safetensors")
        frozen = [name for name in stored if name.startswith("encoder.") or "base_layer" in name]
        assert bool(frozen) == self_contained
        inputs = prepare(processor, [0, 1])
        torch.save(inputs, folder / "inputs")
        expected[folder] = compute_logits(model, inputs)
    command = [sys.executable, "-c", LOGITS_IN_A_PROCESS, *map(str, expected)]
    subprocess.run(command, check=True, timeout=300)
    for folder, logits in expected.items():
        torch.testing.assert_close(torch.load(folder / "logits"), logits, atol=1e-5, rtol=1e-4)


def test_loading_keeps_what_is_trained(encoder: Path, llm: Path, tmp_path: Path) -> None:
    model, _ = build(encoder, llm)
    model.save_pretrained(tmp_path)
    loaded = SALMForConditionalGeneration.from_pretrained(tmp_path)
    for (name, before), after in zip(model.named_parameters(), loaded.parameters(), strict=True):
        assert before.requires_grad == after.requires_grad, name
    assert loaded.generation_config.eos_token_id == model.generation_config.eos_token_id


def test_a_self_contained_checkpoint_needs_no_base_model(
    encoder: Path, llm: Path, tmp_path: Path
) -> None:
    for name, source in {"encoder": encoder, "llm": llm}.items():
        shutil.copytree(source, tmp_path / name)
    model, processor = build(tmp_path / "encoder", tmp_path / "llm")
    model.save_pretrained(tmp_path / "checkpoint")
    expected = compute_logits(model, prepare(processor, [0]))
    shutil.rmtree(tmp_path / "encoder")
    shutil.rmtree(tmp_path / "llm")
    loaded = SALMForConditionalGeneration.from_pretrained(tmp_path / "checkpoint")
    torch.testing.assert_close(compute_logits(loaded, prepare(processor, [0])), expected)


def test_few_frozen_weights_make_a_checkpoint_self_contained(encoder: Path, llm: Path) -> None:
    model, _ = build(encoder, llm)
    assert model.config.self_contained is True


def test_references_need_names(encoder: Path, llm: Path) -> None:
    config = build(encoder, llm)[0].config
    config.self_contained, config.encoder_name_or_path = False, None
    with pytest.raises(ValueError, match="needs encoder_name_or_path"):
        SALMForConditionalGeneration(config)


@pytest.mark.parametrize("self_contained", [True, False])
def test_a_checkpoint_without_some_weights_is_refused(
    encoder: Path, llm: Path, tmp_path: Path, self_contained: bool
) -> None:
    model, _ = build(encoder, llm, self_contained=self_contained)
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["projector.weight"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"lacks 1 weights.* projector\.weight"):
        SALMForConditionalGeneration.from_pretrained(tmp_path)


SMALL = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
LLM_SIZES = {**SMALL, "intermediate_size": 48, "num_key_value_heads": 1, "vocab_size": 90}
ENCODERS: dict[str, tuple[PreTrainedConfig, tuple[int, ...]]] = {
    "parakeet": (ParakeetEncoderConfig(**SMALL, num_mel_bins=16), (2, 80, 16)),
    "hubert": (HubertConfig(**SMALL, intermediate_size=32), (2, 4000)),
    "wav2vec2-bert": (Wav2Vec2BertConfig(**SMALL, intermediate_size=32), (2, 40, 160)),
    "whisper": (
        WhisperConfig(
            d_model=32,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            max_source_positions=50,
        ),
        (2, 80, 100),
    ),
}
LLMS = {
    "llama": LlamaConfig(**LLM_SIZES, tie_word_embeddings=True),
    "qwen2": Qwen2Config(**LLM_SIZES),
    "mistral": MistralConfig(**LLM_SIZES),
    "gemma": GemmaConfig(**LLM_SIZES, head_dim=16),
}


@pytest.mark.parametrize("family", ["parakeet", "hubert", "wav2vec2-bert"])
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_recording_sounds_the_same_beside_a_longer_one(family: str, adapter: str) -> None:
    """Also for a HuBERT that normalises over the whole recording. (Whisper's are all as long.)"""
    encoder_config, shape = ENCODERS[family]
    config = SALMConfig(
        encoder_config=encoder_config, text_config=LLMS["llama"], **ADAPTERS[adapter]
    )
    torch.manual_seed(0)
    model = SALMForConditionalGeneration(config).eval()
    long, short = shape[1], shape[1] // 2 + 1
    features = torch.randn(shape)
    features[1, short:] = 0
    mask = torch.arange(long) < torch.tensor([long, short])[:, None]
    with torch.no_grad():
        together, real = model.embed_audio(*model.encode(features, mask.long()))
        alone, _ = model.embed_audio(*model.encode(features[1:, :short], mask[1:, :short].long()))
    torch.testing.assert_close(together[1][real[1]], alone[0], atol=1e-4, rtol=1e-3)


def test_a_frozen_encoder_is_never_in_training_mode() -> None:
    config = SALMConfig(
        encoder_config=ENCODERS["parakeet"][0], text_config=LLMS["llama"], **ADAPTERS["mlp"]
    )
    model = SALMForConditionalGeneration(config).train()
    assert model.llm.training
    assert not model.encoder.training


def test_what_has_no_effect_leaves_no_trace(encoder: Path, llm: Path) -> None:
    """Not in the batch norms of encoder and adapter either."""
    model, processor = build(encoder, llm, "conformer", freeze_encoder=False)
    model.train()
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    inputs = prepare(processor, [0])
    text = torch.tensor([[1, 2, 3]])
    features = {name: inputs[name] for name in ("input_features", "input_features_mask")}
    model(input_ids=text, **features, unheard=True)
    assert all(before[name].equal(buffer) for name, buffer in model.named_buffers())
    model(**inputs)
    changed = [name for name, buffer in model.named_buffers() if not before[name].equal(buffer)]
    assert {name.split(".")[0] for name in changed} == {"encoder", "adapter"}


@pytest.mark.parametrize("family", ENCODERS)
@pytest.mark.parametrize("language_model", LLMS)
@pytest.mark.parametrize("fusion", ["concat", "cross_attention"])
def test_families(family: str, language_model: str, fusion: str, tmp_path: Path) -> None:
    """Every encoder with every LLM: a training step, generation, and the way through a file."""
    encoder_config, shape = ENCODERS[family]
    config = SALMConfig(
        encoder_config=encoder_config,
        text_config=LLMS[language_model],
        audio_token_id=95,
        fusion=fusion,
        fusion_num_attention_heads=2,
        **ADAPTERS["mlp"],
    )
    torch.manual_seed(0)
    model = SALMForConditionalGeneration(config)
    mask = torch.ones(2, max(shape[1:]) if family == "whisper" else shape[1], dtype=torch.long)
    with torch.no_grad():
        states, states_mask = model.encode(torch.randn(shape), mask)
        count = model.embed_audio(states, states_mask)[0].shape[1] if fusion == "concat" else 0
    ids = torch.tensor([[1, *[95] * count, 2, 3]] * 2)
    inputs = {"input_ids": ids, "input_features": torch.randn(shape), "input_features_mask": mask}
    if fusion == "cross_attention":  # which begins as nothing
        disturb(model)
    model(**inputs, labels=ids.clamp(max=89)).loss.backward()
    assert model.projector.weight.grad.abs().max() > 0
    disturb(model)
    model.eval().save_pretrained(tmp_path)
    loaded = SALMForConditionalGeneration.from_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "salm"
    assert generate(loaded, inputs).equal(generate(model, inputs))


@pytest.mark.parametrize("self_contained", [True, False])
def test_merged_lora_gives_the_same_logits_without_peft(
    encoder: Path, llm: Path, tmp_path: Path, self_contained: bool
) -> None:
    model, processor = build(encoder, llm, self_contained=self_contained)
    disturb(model)
    inputs = prepare(processor, [0, 1])
    before = compute_logits(model, inputs)
    model.merge_lora()
    torch.testing.assert_close(compute_logits(model, inputs), before, atol=1e-4, rtol=1e-3)
    assert not [name for name, _ in model.named_parameters() if "lora" in name]
    model.save_pretrained(tmp_path)
    loaded = SALMForConditionalGeneration.from_pretrained(tmp_path)
    assert compute_logits(loaded, inputs).equal(compute_logits(model, inputs))


def test_lora_can_be_switched_off_for_a_while(encoder: Path, llm: Path) -> None:
    model, processor = build(encoder, llm)
    disturb(model)
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    inputs = dict(processor(text=processor.build_prompt("who?", ""), return_tensors="pt"))
    base = AutoModelForCausalLM.from_pretrained(llm)
    with_lora = compute_logits(model, inputs)
    with model.without_lora():
        torch.testing.assert_close(compute_logits(model, inputs), compute_logits(base, inputs))
    assert compute_logits(model, inputs).equal(with_lora)
    assert trained == {name for name, weight in model.named_parameters() if weight.requires_grad}
