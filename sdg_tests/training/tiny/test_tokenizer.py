import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from sdg_training.tiny import LLM
from sdg_training.tiny.llm import IGNORED, tokenize
from sdg_training.tiny.tasks import sample_any_example
from sdg_training.tiny.tokenizer import EOS, PAD, SPECIAL

TOKENIZER = AutoTokenizer.from_pretrained(LLM)


@given(st.text().filter(lambda text: not any(token in text for token in SPECIAL)))
def test_any_text_round_trips(text: str):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@pytest.mark.parametrize(
    "text", ["你好，世界", "नमस्ते दुनिया", "مرحبا", "  two  spaces\n", "▁ <0x0A>"]
)
def test_any_script_round_trips(text: str):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


def test_padding_is_not_the_end():
    assert TOKENIZER.pad_token == PAD
    assert TOKENIZER.eos_token == EOS
    assert TOKENIZER.pad_token_id != TOKENIZER.eos_token_id


def test_chat_template_marks_roles_and_ends_answers():
    chat = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Who?"},
        {"role": "assistant", "content": "Maria"},
    ]
    text = TOKENIZER.apply_chat_template(chat, tokenize=False)
    assert text == "<s><|system|>Be brief.<|user|>Who?<|assistant|>Maria</s>"
    prompt = TOKENIZER.apply_chat_template(chat[:2], tokenize=False, add_generation_prompt=True)
    assert text.startswith(prompt)


def test_training_examples_are_the_chat_or_its_stretched_context():
    rng = random.Random(0)
    stretched = 0
    for _ in range(300):
        example = sample_any_example(rng)
        tokenized = tokenize(rng, example, TOKENIZER)
        length = next(i for i, label in enumerate(tokenized.labels) if label != IGNORED)
        prompt = tokenized.tokens[:length]
        frames = prompt[tokenized.noisy]
        assert tokenized.tokens[-1] == TOKENIZER.eos_token_id
        answers = [label for label in tokenized.labels if label != IGNORED]
        wanted = [example.answer, *(answer for _, answer in example.more)]
        assert TOKENIZER.decode(answers) == "".join(answer + EOS for answer in wanted)
        rest = prompt[: tokenized.noisy.start] + prompt[tokenized.noisy.stop :]
        chat = TOKENIZER.apply_chat_template(
            list(example.messages), tokenize=False, add_generation_prompt=True
        )
        if frames:
            stretched += 1
            assert TOKENIZER.decode(rest) == chat.replace(example.context, "", 1)
        else:
            assert TOKENIZER.decode(rest) == chat
    assert stretched > 10
