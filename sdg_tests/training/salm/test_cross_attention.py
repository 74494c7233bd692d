"""SALM-XATT: shapes, masks, the residual, and generation with and without its cache."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, DynamicCache

from sdg_tests.training.salm.test_modeling_salm import (
    QUESTIONS,
    Pair,
    build,
    compute_logits,
    disturb,
    prepare,
)
from sdg_training.salm import SALMForConditionalGeneration
from sdg_training.salm.cross_attention import CrossAttentionFusion, FusionAttention

FUSION: dict[str, Any] = {"fusion": "cross_attention", "fusion_num_attention_heads": 2}


@pytest.fixture(params=[False, True], ids=["as published", "rotary"])
def pair(request: pytest.FixtureRequest, encoder: Path, llm: Path) -> Pair:
    """As if trained: a fresh fusion adds nothing to the text."""
    model, processor = build(encoder, llm, fusion_rotary=request.param, **FUSION)
    disturb(model)
    return model, processor


@pytest.fixture
def fusion(pair: Pair) -> CrossAttentionFusion:
    assert pair[0].fusion is not None
    return pair[0].fusion


def sample_inputs(fusion: CrossAttentionFusion) -> dict[str, Tensor]:
    width = fusion.output.out_features
    torch.manual_seed(1)
    return {
        "text": torch.randn(2, 7, width),
        "attention_mask": torch.ones(2, 7, dtype=torch.long),
        "speech": torch.randn(2, 5, width),
        "speech_lengths": torch.tensor([5, 3]),
    }


def test_the_llm_input_is_as_long_as_the_text(pair: Pair) -> None:
    model, processor = pair
    inputs = prepare(processor, [0, 1, 2])
    assert processor.audio_token_id not in inputs["input_ids"]
    longest = max(len(processor.build_prompt(q, "").encode()) for q in QUESTIONS)
    assert inputs["input_ids"].shape[1] <= longest  # the toy tokenizer has a token for each byte
    logits = compute_logits(model, inputs)
    assert logits.shape == (*inputs["input_ids"].shape, model.config.text_config.vocab_size)


def test_at_first_nothing_is_added_to_the_text(encoder: Path, llm: Path) -> None:
    model, processor = build(encoder, llm, **FUSION)
    inputs = prepare(processor, [0, 1])
    text = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    base = AutoModelForCausalLM.from_pretrained(llm)
    real = inputs["attention_mask"].bool()
    torch.testing.assert_close(
        compute_logits(model, inputs)[real], compute_logits(base, text)[real], atol=1e-5, rtol=1e-4
    )


def test_what_was_heard_is_added_to_the_text(fusion: CrossAttentionFusion) -> None:
    inputs = sample_inputs(fusion)
    with torch.no_grad():
        fused = fusion(**inputs)
        fusion.output.weight.zero_()
        fusion.output.bias.fill_(0.5)
        assert fused.shape == inputs["text"].shape
        torch.testing.assert_close(fusion(**inputs), inputs["text"] + 0.5)


@torch.no_grad()
def test_a_token_sees_no_later_token(fusion: CrossAttentionFusion) -> None:
    inputs = sample_inputs(fusion)
    before = fusion(**inputs)
    inputs["text"][:, 4] = torch.randn(before.shape[-1])
    after = fusion(**inputs)
    torch.testing.assert_close(before[:, :4], after[:, :4])
    assert not torch.isclose(before[:, 5:], after[:, 5:]).all()


@torch.no_grad()
@pytest.mark.parametrize("rotary", [False, True])
def test_a_rotary_layer_knows_the_order_of_the_text(encoder: Path, llm: Path, rotary: bool) -> None:
    """Later layers know it anyway: what they see of a token depends on those before it."""
    model, _ = build(encoder, llm, fusion_num_layers=1, fusion_rotary=rotary, **FUSION)
    disturb(model)
    inputs = sample_inputs(model.fusion)
    before = model.fusion(**inputs)
    inputs["text"][:, [1, 3]] = inputs["text"][:, [3, 1]]
    after = model.fusion(**inputs)
    assert torch.allclose(before[:, -1], after[:, -1], atol=1e-6) is not rotary


@torch.no_grad()
def test_plain_products_attend_as_the_fused_kernels_do(fusion: CrossAttentionFusion) -> None:
    inputs = sample_inputs(fusion)
    inputs["attention_mask"][0, :2] = 0
    fused = fusion(**inputs)
    for module in fusion.modules():
        if isinstance(module, FusionAttention):
            module.is_fused = False
    torch.testing.assert_close(fusion(**inputs), fused)


@torch.no_grad()
def test_padding_is_not_looked_at(fusion: CrossAttentionFusion) -> None:
    inputs = sample_inputs(fusion)
    inputs["attention_mask"][0, :2] = 0
    before = fusion(**inputs)
    inputs["text"][0, :2] = torch.randn(2, before.shape[-1])
    inputs["speech"][1, 3:] = torch.randn(2, before.shape[-1])
    after = fusion(**inputs)
    torch.testing.assert_close(before[0, 2:], after[0, 2:])
    torch.testing.assert_close(before[1], after[1])
    assert after.isfinite().all()
    inputs["speech"][1, 2] = torch.randn(before.shape[-1])
    assert not torch.isclose(fusion(**inputs)[1], after[1]).all()


@pytest.mark.parametrize("adapter", ["conformer", "mlp"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_batch_gives_what_each_gives_alone(
    encoder: Path, llm: Path, adapter: str, side: str
) -> None:
    model, processor = build(encoder, llm, adapter, **FUSION)
    disturb(model)
    inputs = prepare(processor, [0, 1, 2], side)
    logits = compute_logits(model, inputs)
    for index in range(3):
        alone = compute_logits(model, prepare(processor, [index], side))
        real = logits[index][inputs["attention_mask"][index].bool()]
        torch.testing.assert_close(real, alone[0], atol=2e-4, rtol=1e-3)


def test_another_recording_gives_another_answer(pair: Pair) -> None:
    model, processor = pair
    inputs = prepare(processor, [0])
    other = prepare(processor, [1])
    swapped = inputs | {k: v for k, v in other.items() if k.startswith("input_features")}
    difference = compute_logits(model, inputs) - compute_logits(model, swapped)
    assert difference[0, -1].abs().max() > 0.01


def test_without_audio_the_llm_reads_the_text_alone(pair: Pair) -> None:
    model, processor = pair
    prompts = [processor.build_prompt(question, "") for question in QUESTIONS]
    inputs = dict(processor(text=prompts, return_tensors="pt"))
    alone = model.llm(**inputs).logits
    torch.testing.assert_close(compute_logits(model, inputs), alone.detach(), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("settings", [{}, {"num_beams": 3}, {"do_sample": True, "top_k": 5}])
def test_generation_is_the_same_without_the_cache(pair: Pair, settings: dict[str, Any]) -> None:
    model, processor = pair
    inputs = prepare(processor, [0, 1, 2])
    tokens = []
    for use_cache in (True, False):
        torch.manual_seed(0)
        tokens.append(
            model.generate(
                **inputs, max_new_tokens=9, min_new_tokens=9, use_cache=use_cache, **settings
            )
        )
    assert tokens[0].equal(tokens[1])
    assert len(set(tokens[0][0, -9:].tolist())) > 1  # it does not say one thing for ever


@torch.no_grad()
def test_the_cache_holds_the_speech(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is encoded and projected once; every token costs its own keys and values alone."""
    model, processor = pair
    assert model.fusion is not None
    calls = {"encode": 0, "project": 0}
    encode, project = model.encode, model.fusion.layers[0].cross_attention.project

    def count(name: str, function: Any) -> Any:
        def counted(*args: Any) -> Any:
            calls[name] += 1
            return function(*args)

        return counted

    monkeypatch.setattr(model, "encode", count("encode", encode))
    monkeypatch.setattr(
        model.fusion.layers[0].cross_attention, "project", count("project", project)
    )
    model.generate(**prepare(processor, [0, 1]), max_new_tokens=6, min_new_tokens=6)
    assert calls == {"encode": 1, "project": 1}


@torch.no_grad()
def test_step_by_step_gives_the_logits_of_all_at_once(pair: Pair) -> None:
    model, processor = pair
    inputs = prepare(processor, [0, 2])
    whole = compute_logits(model, inputs)
    cache = DynamicCache(config=model.config.text_config)
    ids, mask = inputs.pop("input_ids"), inputs.pop("attention_mask")
    states, states_mask = model.encode(**inputs)
    parts = []
    for place in range(ids.shape[1]):
        output = model(
            ids[:, place : place + 1],
            mask[:, : place + 1],
            encoder_states=states if place == 0 else None,
            encoder_mask=states_mask,
            cache=cache,
        )
        parts.append(output.logits)
    real = mask.bool()
    torch.testing.assert_close(torch.cat(parts, 1)[real], whole[real], atol=1e-4, rtol=1e-3)


def test_it_survives_a_file(pair: Pair, tmp_path: Path) -> None:
    model, processor = pair
    model.save_pretrained(tmp_path)
    loaded = SALMForConditionalGeneration.from_pretrained(tmp_path)
    inputs = prepare(processor, [0, 1])
    assert compute_logits(loaded, inputs).equal(compute_logits(model, inputs))


def test_a_narrower_fusion_is_trained_alone_with_adapter_and_lora(encoder: Path, llm: Path) -> None:
    model, processor = build(encoder, llm, fusion_hidden_size=12, **FUSION)
    disturb(model)
    inputs = prepare(processor, [0, 1])
    model(**inputs, labels=inputs["input_ids"]).loss.backward()
    trained = {name for name, weight in model.named_parameters() if weight.grad is not None}
    assert all(
        name.startswith(("adapter.", "projector.", "fusion.")) or ".lora_" in name
        for name in trained
    )
    assert {name for name, _ in model.fusion.named_parameters(prefix="fusion")} <= trained


def test_an_odd_head_cannot_be_rotated(encoder: Path, llm: Path) -> None:
    with pytest.raises(ValueError, match="fusion_rotary needs an even width"):
        build(encoder, llm, fusion_hidden_size=6, fusion_rotary=True, **FUSION)


def test_heads_that_do_not_divide_the_width_are_an_error(encoder: Path, llm: Path) -> None:
    with pytest.raises(ValueError, match="fusion_num_attention_heads=5 does not divide"):
        build(encoder, llm, fusion="cross_attention", fusion_num_attention_heads=5)
