"""Answers of an LLM that has few positions, and what it has no room for."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config

from sdg_tests.training.dummies import byte_tokenizer, noise, write_toys
from sdg_tests.training.salm.test_modeling_salm import Pair, build
from sdg_training.answering import Answered, answer_all, limit_answers, plan_answers
from sdg_training.ask import ask
from sdg_training.examples import open_examples
from sdg_training.generate import generate_answers
from sdg_training.recipe import Recipe
from sdg_training.recordings import Recordings, Sample
from sdg_training.reporting import SilentReporter

POSITIONS = 256


@pytest.fixture(scope="module")
def short_llm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An LLM that fails beyond its learned positions."""
    folder = tmp_path_factory.mktemp("gpt2")
    tokenizer = byte_tokenizer()
    tokenizer.save_pretrained(folder)
    torch.manual_seed(1)
    end = tokenizer.eos_token_id
    sizes: dict[str, Any] = {"n_embd": 48, "n_layer": 1, "n_head": 4, "n_positions": POSITIONS}
    config = GPT2Config(vocab_size=len(tokenizer), eos_token_id=end, bos_token_id=None, **sizes)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


@pytest.fixture
def short(encoder: Path, short_llm: Path) -> Pair:
    return build(encoder, short_llm)


def answer(folder: Path, pair: Pair, rows: list[dict[str, Any]], **how: Any) -> Answered:
    examples = open_examples(write_toys(folder, rows))
    plan = plan_answers(examples, pair[1], Recipe(batch_size=2))
    most = limit_answers(examples, pair[1])
    source = Recordings(examples, str(folder))
    return answer_all(*pair, source, plan, 0, most, "answering", SilentReporter(), **how)


def test_what_the_llm_has_no_room_for_is_a_skip(tmp_path: Path, short: Pair) -> None:
    rows = [{}, {"question": "w" * 300}, {}]
    answered = answer(tmp_path, short, rows)
    assert sorted(key[-1] for key in answered.answers) == ["example-0", "example-2"]
    assert [(skip.example_id, skip.reason) for skip in answered.skips] == [
        ("example-1", "too_many_tokens")
    ]
    assert f"over the limit of {POSITIONS - 64}" in answered.skips[0].detail
    read = answer(tmp_path, short, rows, read=lambda example: "w" * 300)
    assert [skip.reason for skip in read.skips] == ["too_many_tokens"] * 3
    few = answer(tmp_path, short, rows, max_tokens=20)
    assert [skip.reason for skip in few.skips] == ["too_many_tokens"] * 3


def test_one_answer_that_is_far_too_long_leaves_the_others_room(
    tmp_path: Path, short: Pair
) -> None:
    answered = answer(tmp_path, short, [{}, {"answer": "w" * 900}])
    assert answered.skips == []
    assert len(answered.answers) == 2


def test_the_last_position_can_be_used(tmp_path: Path, short: Pair) -> None:
    model, processor = short
    model.generation_config.eos_token_id = None
    [sample] = Recordings(open_examples(write_toys(tmp_path, [{}])), str(tmp_path)).__getitems__(
        [0]
    )
    assert isinstance(sample, Sample)
    for tokens, fits in ((POSITIONS - 64, True), (POSITIONS - 63, False)):
        context = "w" * (tokens - len(processor.encode_text("what is said?", "", "").before))
        [result] = generate_answers(model, processor, [sample], 64, [context])
        assert isinstance(result, str) == fits


def test_a_question_in_an_unknown_script_is_not_answered(tmp_path: Path, short: Pair) -> None:
    short[1].tokenizer.unk_token = "w"
    answered = answer(tmp_path, short, [{}, {"question": "www?"}])
    assert [(skip.example_id, skip.reason) for skip in answered.skips] == [
        ("example-1", "no_token")
    ]


def test_what_cannot_be_asked_says_why(short: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    model, processor = short
    assert isinstance(ask(model, processor, noise(1.0, 0), "who?", max_new_tokens=3), str)
    with pytest.raises(ValueError, match=r"this cannot be asked: .* over the limit of"):
        ask(model, processor, noise(1.0, 0), "w" * 300)
    monkeypatch.setattr(processor.feature_extractor, "chunk_length", 2, raising=False)
    with pytest.raises(ValueError, match=r"2\.05 s is longer than the 2 s that the encoder takes"):
        ask(model, processor, noise(2.05, 0), "who?")
