"""Prompts, placeholders, answers and features."""

from pathlib import Path

import numpy as np
import pytest
from transformers import AutoProcessor, ParakeetFeatureExtractor, WhisperFeatureExtractor

from sdg_tests.training.dummies import byte_tokenizer, noise
from sdg_training.salm import SALMProcessor

STRIDES = [(3, 2, 2), (3, 2, 2)]
AUDIO = "<|audio|>"


@pytest.fixture
def processor() -> SALMProcessor:
    extractor = ParakeetFeatureExtractor(feature_size=16)
    return SALMProcessor(extractor, byte_tokenizer(), STRIDES, [(2, 2, 1)])


def test_the_prompt_has_audio_before_the_question(processor: SALMProcessor) -> None:
    assert processor.build_prompt("कौन?") == f"<|user|>{AUDIO}\nकौन?\n<|assistant|>"


def test_without_audio_nothing_stands_in_its_place(processor: SALMProcessor) -> None:
    assert processor.build_prompt("who?", "") == "<|user|>\nwho?\n<|assistant|>"


def test_another_message(processor: SALMProcessor) -> None:
    processor.user_message = "Q: {question} {audio}"
    assert processor.build_prompt("{audio}?") == f"<|user|>Q: {{audio}}? {AUDIO}\n<|assistant|>"


def test_a_question_with_the_placeholder_is_refused(processor: SALMProcessor) -> None:
    with pytest.raises(ValueError, match="hold the audio placeholder"):
        processor.build_prompt(f"what is {AUDIO}?")


def test_an_answer_ends_with_the_end_token_that_also_pads(processor: SALMProcessor) -> None:
    tokenizer = processor.tokenizer
    assert tokenizer.eos_token_id == tokenizer.pad_token_id
    text = processor.encode_text("who?", "北京")
    assert tokenizer.decode(text.answer) == "北京</s>"
    assert text.answer[-1] == processor.end_token_id == tokenizer.eos_token_id


def test_an_end_token_is_added_where_the_template_has_none(processor: SALMProcessor) -> None:
    processor.tokenizer.chat_template = processor.tokenizer.chat_template.replace(
        "{{ eos_token }}", ""
    )
    assert processor.tokenizer.decode(processor.encode_text("?", "yes").answer) == "yes</s>"


def test_the_template_s_own_end_of_turn_is_what_an_answer_ends_with(
    processor: SALMProcessor,
) -> None:
    processor.tokenizer.add_special_tokens({"additional_special_tokens": ["<|end|>"]})
    processor.tokenizer.chat_template = processor.tokenizer.chat_template.replace(
        "{{ eos_token }}", "<|end|>"
    )
    assert processor.end_token_id == processor.tokenizer.convert_tokens_to_ids("<|end|>")


def test_the_end_of_turn_may_be_one_of_the_tokenizer_s_own_special_tokens() -> None:
    tokenizer = byte_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|end|>"]})
    tokenizer.chat_template = tokenizer.chat_template.replace("{{ eos_token }}", "<|end|>")
    extractor = ParakeetFeatureExtractor(feature_size=16)
    processor = SALMProcessor(extractor, tokenizer, STRIDES, [(2, 2, 1)])
    text = processor.encode_text("?", "yes")
    assert tokenizer.decode(text.answer) == "yes<|end|>"  # and no second end after it


def test_a_template_neither_thinks_aloud_nor_tells_the_date(processor: SALMProcessor) -> None:
    """As Qwen3's and Llama 3's do by default."""
    processor.tokenizer.chat_template = (
        "{{ date_string if date_string is defined else strftime_now('%d %b %Y') }}"
        "{% for message in messages %}<|{{ message['role'] }}|>"
        "{% if message['role'] == 'assistant' %}<think></think>{% endif %}"
        "{{ message['content'] }}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>"
        "{% if enable_thinking is defined and enable_thinking is false %}<think></think>"
        "{% endif %}{% endif %}"
    )
    assert processor.build_prompt("who?").startswith("26 Jul 2024")
    assert processor.build_answer("she") == "she"


def test_a_template_that_does_not_continue_its_prompt_is_refused(
    processor: SALMProcessor,
) -> None:
    processor.tokenizer.chat_template += "!"
    with pytest.raises(ValueError, match="does not continue its own generation prompt"):
        processor.encode_text("?", "yes")


def test_training_and_inference_see_the_same_prompt(processor: SALMProcessor) -> None:
    inputs = processor(text=processor.build_prompt("who?"), audio=noise(1.0, 0))
    [prompt] = inputs["input_ids"]
    text = processor.encode_text("who?", "she")
    count = prompt.count(processor.audio_token_id)
    assert prompt == text.before + [processor.audio_token_id] * count + text.after


def test_one_placeholder_per_audio_embedding(processor: SALMProcessor) -> None:
    inputs = processor(
        text=[processor.build_prompt(question) for question in ("who?", "wann?")],
        audio=[noise(0.5, 0), noise(1.0, 1)],
        return_tensors="pt",
    )
    placeholders = (inputs["input_ids"] == processor.audio_token_id).sum(-1)
    frames = inputs["input_features_mask"].sum(-1)
    assert frames.tolist() == [50, 100]
    assert placeholders.tolist() == [7, 13]  # 50 -> 25 -> 13 -> 7; 100 -> 50 -> 25 -> 13
    assert inputs["input_features"].shape == (2, 101, 16)
    assert inputs["attention_mask"][0, 0] == 0  # padded on the left
    assert inputs["attention_mask"][:, -1].tolist() == [1, 1]


def test_as_many_recordings_as_placeholders(processor: SALMProcessor) -> None:
    with pytest.raises(ValueError, match="audio"):
        processor(text=processor.build_prompt("who?", ""), audio=noise(0.5, 0))


def test_whisper_s_window(tmp_path: Path) -> None:
    processor = SALMProcessor(WhisperFeatureExtractor(), byte_tokenizer(), [(3, 2, 2)], [])
    features = processor.extract_features([noise(2.0, 0)])
    assert features["input_features"].shape == (1, 80, 3000)
    assert features["input_features_mask"].sum() == 200
    assert processor.max_seconds == 30
    with pytest.raises(ValueError, match=r"31\.0 s is longer than the encoder's 30"):
        processor.extract_features([np.zeros(31 * 16_000, np.float32)])


def test_saved_and_loaded(processor: SALMProcessor, tmp_path: Path) -> None:
    processor.user_message = "{audio} {question}"
    processor.save_pretrained(tmp_path)
    for loaded in (
        SALMProcessor.from_pretrained(tmp_path),
        AutoProcessor.from_pretrained(tmp_path),
    ):
        assert loaded.encode_text("wer?", "sie") == processor.encode_text("wer?", "sie")
        assert loaded.audio_token_id == processor.audio_token_id
        assert loaded.count_audio_tokens(loaded.count_states(100)) == 13
        before, after = (p.extract_features([noise(0.5, 0)]) for p in (processor, loaded))
        assert before["input_features"].equal(after["input_features"])
