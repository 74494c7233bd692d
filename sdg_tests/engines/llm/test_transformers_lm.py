"""Any causal LM of transformers: random Llama, Qwen2, Mistral and Gemma with their own habits."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from pydantic import ValidationError
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from sdg_assets.engines.base import EngineError, Failure, LLMRequest, LLMResult, Message
from sdg_assets.engines.llm.transformers_lm import (
    GumbelNoise,
    TransformersConfig,
    TransformersLM,
    merge_system,
)
from sdg_assets.engines.seeds import combine_seeds
from sdg_assets.progress import counting

CONTEXT = 256
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
REFUSES_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{{ '<|im_start|>model\n' }}"
)
DROPS_SYSTEM = CHATML.replace("in messages", "in messages if m.role != 'system'")
TEMPLATES = {
    "Llama": CHATML,
    "Qwen2": CHATML,
    "Mistral": DROPS_SYSTEM,
    "Gemma": REFUSES_SYSTEM,
}
TEXTS = (
    "Where is the parcel?",
    "包裹在哪里？请告诉我。",
    "पार्सल कहाँ है? मेज़ पर या दराज़ में, और उसे वहाँ किसने रखा?",
    "أين الطرد؟",
    "Who left it on the table on Monday, and what did she say about the long way from the harbour?",
)


def make_tokenizer(template: str | None, pad: str | None) -> transformers.PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|im_start|>", "<|im_end|>", "<|pad|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token=pad
    )
    fast.chat_template = template
    return fast


def save_model(
    folder: Path, family: str = "Qwen2", template: str | None = CHATML, pad: str | None = None
) -> Path:
    torch.manual_seed(0)
    tokenizer = make_tokenizer(template, pad)
    config = getattr(transformers, f"{family}Config")(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=CONTEXT,
        initializer_range=0.4,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = getattr(transformers, f"{family}ForCausalLM")(config)
    model.generation_config.temperature = 0.3
    model.generation_config.do_sample = True
    model.generation_config.repetition_penalty = 5.0  # as hub models bring along; must not apply
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=list(TEMPLATES))
def folder(request, tmp_path_factory) -> Path:
    family = request.param
    return save_model(tmp_path_factory.mktemp(family), family, TEMPLATES[family])


@pytest.fixture(scope="module")
def qwen(tmp_path_factory) -> Path:
    return save_model(tmp_path_factory.mktemp("qwen"))


def start(folder: Path, **options: object) -> TransformersLM:
    settings = {"max_new_tokens": 12, "device": "cpu", **options}
    return TransformersConfig(model=str(folder), **settings).start()


def ask(text: str, system: str | None = None, **options: object) -> LLMRequest:
    messages = (Message("user", text),)
    if system is not None:
        messages = (Message("system", system), *messages)
    return LLMRequest(messages, **options)


def continue_greedily(folder: Path, prompt: str, steps: int) -> list[int]:
    """The reference: no cache, no padding, no ``generate``."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokens = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    start_of_answer = len(tokens)
    for _ in range(steps):
        with torch.no_grad():
            tokens.append(int(model(torch.tensor([tokens])).logits[0, -1].argmax()))
        if tokens[-1] == tokenizer.eos_token_id:
            break
    return tokens[start_of_answer:]


def test_greedy_batch_equals_plain_decoding_of_each(folder):
    engine = start(folder, batch_size=3)
    results = engine.generate([ask(text) for text in TEXTS])
    role = "model" if "Gemma" in folder.name else "assistant"
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    for text, result in zip(TEXTS, results, strict=True):
        prompt = f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>{role}\n"
        assert isinstance(result, LLMResult)
        tokens = continue_greedily(folder, prompt, 12)
        assert result.text == tokenizer.decode(tokens, skip_special_tokens=True)
    assert len({result.text for result in results}) > 1


def test_sampling_is_the_same_alone_in_any_batch_and_in_any_order(folder):
    requests = [ask(text, seed=seed) for seed, text in enumerate(TEXTS * 2)]
    options = {"temperature": 0.9, "top_p": 0.95, "top_k": 50}
    alone = [start(folder, **options).generate([request])[0].text for request in requests]
    together = start(folder, batch_size=10, **options).generate(requests)
    reversed_order = start(folder, batch_size=4, **options).generate(requests[::-1])
    assert [result.text for result in together] == alone
    assert [result.text for result in reversed_order] == alone[::-1]


def test_seeds_of_the_request_and_of_the_engine_both_count(qwen):
    texts = [
        start(qwen, temperature=1.0, seed=engine_seed).generate([ask("Hi", seed=seed)])[0].text
        for engine_seed, seed in [(0, 0), (0, 1), (1, 0), (1, 1), (0, 0)]
    ]
    assert texts[0] == texts[4]
    assert len(set(texts)) == 4
    greedy = [start(qwen, seed=seed).generate([ask("Hi", seed=seed)])[0].text for seed in (0, 1)]
    assert greedy[0] == greedy[1]


def test_gumbel_noise_draws_from_the_softmax():
    probabilities = torch.tensor([0.5, 0.3, 0.2, 0.0])
    rows = 4000
    noise = GumbelNoise(range(rows), torch.device("cpu"))
    scores = probabilities.log().repeat(rows, 1)
    counts = Counter(noise(None, scores).argmax(-1).tolist())
    shares = [counts[index] / rows for index in range(4)]
    assert shares == pytest.approx(probabilities.tolist(), abs=0.03)
    assert counts[3] == 0


def test_top_k_one_is_greedy(qwen):
    greedy = start(qwen).generate([ask(text) for text in TEXTS])
    narrow = start(qwen, temperature=5.0, top_k=1).generate([ask(text) for text in TEXTS])
    assert [result.text for result in narrow] == [result.text for result in greedy]


def test_system_role_reaches_every_model(folder):
    engine = start(folder)
    with_system, without, merged = engine.generate(
        [ask("Hello", system="Be brief."), ask("Hello"), ask("Be brief.\n\nHello")]
    )
    assert with_system.usage.input_tokens > without.usage.input_tokens
    supported = "Llama" in folder.name or "Qwen2" in folder.name
    assert (with_system.usage.input_tokens == merged.usage.input_tokens) != supported


def test_merging_the_system_message():
    system, user, answer = Message("system", "S"), Message("user", "U"), Message("assistant", "A")
    assert merge_system((user,)) == (user,)
    assert merge_system((system, user, answer)) == (Message("user", "S\n\nU"), answer)
    assert merge_system((system,)) == (Message("user", "S"),)
    assert merge_system((system, answer)) == (Message("user", "S"), answer)


def test_limits_are_each_request_s_own(qwen):
    short, default, long = start(qwen).generate(
        [ask("Hi", max_tokens=3), ask("Hi"), ask("Hi", max_tokens=20)]
    )
    assert [r.usage.output_tokens for r in (short, default, long)] == [3, 12, 20]
    assert {r.finish_reason for r in (short, default, long)} == {"length"}
    assert long.text.startswith(default.text)
    assert default.text.startswith(short.text)


@pytest.mark.parametrize("pad", [None, "<|im_end|>", "<|pad|>"])
def test_stops_at_each_of_the_model_s_stop_tokens(tmp_path, pad):
    folder = save_model(tmp_path / "model", pad=pad)
    free = start(folder).generate([ask(text) for text in TEXTS])
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    prompt = f"<|im_start|>user\n{TEXTS[0]}<|im_end|>\n<|im_start|>assistant\n"
    fourth = continue_greedily(folder, prompt, 4)[3]
    generation = transformers.GenerationConfig.from_pretrained(folder)
    generation.eos_token_id = [tokenizer.eos_token_id, fourth]
    generation.save_pretrained(folder)
    stopped = start(folder).generate([ask(text) for text in TEXTS])
    assert stopped[0].finish_reason == "stop"
    assert stopped[0].usage.output_tokens <= 4 < free[0].usage.output_tokens
    assert {result.finish_reason for result in stopped} == {"stop", "length"}


def test_prompt_longer_than_the_context_fails_and_the_rest_goes_on(qwen):
    failure, result = start(qwen).generate([ask("long " * CONTEXT), ask("Hi")])
    assert isinstance(failure, Failure)
    assert failure.reason == "prompt_too_long"
    assert str(CONTEXT) in failure.detail
    assert isinstance(result, LLMResult)


def test_answer_is_cut_where_the_context_ends(qwen):
    engine = start(qwen, max_new_tokens=CONTEXT)
    results = engine.generate([ask(text) for text in TEXTS])
    cut = [result.usage for result in results if result.finish_reason == "length"]
    assert len(cut) > 1
    assert {usage.input_tokens + usage.output_tokens for usage in cut} == {CONTEXT}


def test_control_tokens_in_the_text_are_text(qwen):
    plain, sneaky = start(qwen).generate([ask("ab"), ask("a<|im_end|>b")])
    assert sneaky.usage.input_tokens > plain.usage.input_tokens + 5


def test_messages_that_the_template_refuses(tmp_path):
    engine = start(save_model(tmp_path / "m", "Gemma", REFUSES_SYSTEM))
    twice = LLMRequest((Message("user", "a"), Message("user", "b")))
    refused, empty, result = engine.generate([twice, LLMRequest(()), ask("Hi")])
    assert (refused.reason, empty.reason) == ("chat_template", "empty_prompt")
    assert "alternate" in refused.detail
    assert isinstance(result, LLMResult)
    assert engine.generate([]) == []


def test_chat_template_arguments(tmp_path):
    template = CHATML + "{% if not thinking %}<none>{% endif %}"
    folder = save_model(tmp_path / "model", template=template)
    thinking = start(folder, chat_template_kwargs={"thinking": True})
    without = start(folder)
    counts = [e.generate([ask("Hi")])[0].usage.input_tokens for e in (thinking, without)]
    assert counts[0] < counts[1]
    assert thinking.fingerprint.digest != without.fingerprint.digest


def test_answers_are_counted_as_they_end(tmp_path):
    """Those that end at a stop token, in the middle of their batch."""
    engine = start(save_model(tmp_path / "model"), batch_size=4, max_new_tokens=60)
    counts: list[int] = []
    with counting(counts.append):
        results = engine.generate([ask(text) for text in TEXTS[:4]])
    assert sum(counts) == sum(result.finish_reason == "stop" for result in results)
    assert len(counts) == max(result.usage.output_tokens for result in results)


def test_usage_shares_the_wall_time(qwen):
    results = start(qwen, batch_size=5).generate([ask(text) for text in TEXTS])
    assert len({result.usage.seconds for result in results}) == 1
    assert 0 < results[0].usage.seconds < 5


def test_fingerprint_follows_what_changes_the_output(qwen, tmp_path):
    first = start(qwen).fingerprint
    assert start(qwen, batch_size=2).fingerprint.digest == first.digest
    other = save_model(tmp_path / qwen.name)
    assert start(other).fingerprint.digest == first.digest
    tokenizer = transformers.AutoTokenizer.from_pretrained(other)
    tokenizer.chat_template = CHATML + " "
    tokenizer.save_pretrained(other)
    digests = {
        start(other).fingerprint.digest,
        start(qwen, temperature=0.5).fingerprint.digest,
        start(qwen, max_new_tokens=13).fingerprint.digest,
        start(qwen, dtype="bfloat16").fingerprint.digest,
    }
    assert len(digests | {first.digest}) == 5
    assert first.name == f"transformers/{qwen.name}"


def test_tiny_world_is_the_embedded_model(qwen, monkeypatch):
    monkeypatch.setattr("sdg_training.tiny.LLM", qwen)
    embedded = TransformersConfig(device="cpu").start().fingerprint
    assert embedded.name == "transformers/tiny-world"
    assert embedded.revision == start(qwen).fingerprint.revision


def test_base_model_without_a_chat_template(tmp_path):
    folder = save_model(tmp_path / "base", template=None)
    with pytest.raises(EngineError, match=r"no chat template.*instruction-tuned"):
        start(folder)


def test_model_that_does_not_exist_or_is_broken(tmp_path, monkeypatch):
    with pytest.raises(EngineError, match=r"no folder .*nowhere"):
        start(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(EngineError, match=r"cannot load the language model .*empty"):
        start(tmp_path / "empty")
    broken = save_model(tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(EngineError, match=r"cannot load the language model .*broken"):
        start(broken)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EngineError, match=r"cannot load the language model 'nobody/nothing'"):
        TransformersConfig(model="nobody/nothing").start()


@pytest.mark.parametrize(
    "options", [{"temperature": -1}, {"top_p": 0}, {"top_p": 1.5}, {"max_new_tokens": 0}, {"x": 1}]
)
def test_configuration_that_makes_no_sense(options):
    with pytest.raises(ValidationError):
        TransformersConfig(**options)


def test_noise_is_finite():
    noise = GumbelNoise([combine_seeds(seed) for seed in range(50)], torch.device("cpu"))
    scores = noise(None, torch.zeros(50, 20_000))
    assert np.isfinite(scores.numpy()).all()
