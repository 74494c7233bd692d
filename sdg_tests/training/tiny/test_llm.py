import random
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from sdg_training.tiny import LLM
from sdg_training.tiny.evaluate_llm import evaluate_llm, generate, parse_pairs
from sdg_training.tiny.llm import LLMSettings, stretch, train_llm
from sdg_training.tiny.noise import strip_casing
from sdg_training.tiny.tasks import make_answer, make_repeat
from sdg_training.tiny.world import Question, list_languages, sample_passage


@pytest.fixture(scope="module")
def llm() -> LlamaForCausalLM:
    return AutoModelForCausalLM.from_pretrained(LLM).eval()


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(LLM)


@pytest.mark.parametrize("language", list_languages())
def test_shipped_llm_does_its_tasks_on_unseen_passages(llm, tokenizer, language: str):
    """With an allowance for the chance in so few passages: their figures are in figures.json."""
    figures = evaluate_llm(llm, tokenizer, language, passages=40, seed=99)
    loose = {"answer_misheard": 0.75, "refuse": 0.4, "judge_wrong": 0.8, "write_qa_misheard": 0.8}
    for name, share in figures.items():
        assert share >= loose.get(name, 0.92), (name, figures)


def test_shipped_llm_is_a_plain_checkpoint(llm, tokenizer):
    assert llm.dtype == torch.float32
    assert llm.config.max_position_embeddings >= 1024
    assert llm.config.vocab_size == len(tokenizer)
    assert llm.generation_config.eos_token_id == tokenizer.eos_token_id
    assert llm.generation_config.pad_token_id == tokenizer.pad_token_id


def test_generation_stops_by_itself(llm, tokenizer):
    context = "Ivan met Marcus on the farm. Howard is flying to Dublin on Thursday."
    question = Question("Where did Ivan meet Marcus?", "on the farm")
    prompt = tokenizer.apply_chat_template(
        list(make_answer(context, question, "en").messages),
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    tokens = llm.generate(**prompt, do_sample=False, max_new_tokens=100)[0]
    assert tokens[-1] == tokenizer.eos_token_id
    assert len(tokens) < prompt["input_ids"].shape[1] + 10


def test_takes_embeddings_in_place_of_the_context(llm, tokenizer):
    """As a speech LM's frames: tokens repeated, with blanks between."""
    context = " ivan met marcus on the farm howard is flying to dublin on thursday"
    rng = random.Random(0)
    tokens = [
        *tokenizer.encode("<s><|user|>"),
        *stretch(rng, tokenizer.encode(context), tokenizer.pad_token_id),
        *tokenizer.encode("\nWhere is Howard flying on Thursday?<|assistant|>"),
    ]
    embeddings = llm.get_input_embeddings()(torch.tensor([tokens]))
    reply = llm.generate(
        inputs_embeds=embeddings,
        attention_mask=torch.ones(1, len(tokens), dtype=torch.long),
        do_sample=False,
        max_new_tokens=10,
    )
    assert tokenizer.decode(reply[0], skip_special_tokens=True) == "to Dublin"


@pytest.mark.parametrize("language", list_languages())
def test_repeats_with_casing_what_was_said_without(llm, tokenizer, language: str):
    texts = [
        sample_passage(random.Random(f"repeat {number}"), language, side="test").text
        for number in range(25)
    ]
    examples = [make_repeat(f" {strip_casing(text).strip()}", text, language) for text in texts]
    repeated = generate(llm, tokenizer, examples)
    assert sum(map(str.__eq__, repeated, texts)) >= 18


@pytest.mark.parametrize(
    ("reply", "pairs"),
    [
        ('[{"question": "Who?", "answer": "Eva"}]', [Question("Who?", "Eva")]),
        ('[{"question": "Who?", "ans', []),
        ('[{"question": "Who?"}]', []),
        ("No idea.", []),
        ("", []),
    ],
)
def test_parses_pairs_or_gives_none(reply: str, pairs: list[Question]):
    assert parse_pairs(reply) == pairs


def test_training_learns_and_can_be_loaded(tmp_path: Path):
    settings = LLMSettings(
        steps=3, lesson_steps=1, batch_tokens=1000, hidden_size=32, intermediate_size=64,
        layers=1, heads=2,
    )  # fmt: skip
    model, tokenizer = train_llm(tmp_path, seed=0, settings=settings)
    again, _ = train_llm(tmp_path, seed=0, settings=settings)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, again.state_dict()[name])
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert loaded.dtype == torch.float32
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, loaded.state_dict()[name])
    assert len(AutoTokenizer.from_pretrained(tmp_path)) == len(tokenizer)
