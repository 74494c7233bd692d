"""How well the tiny LM does its three tasks on passages that it has not seen."""

import json
import random
from collections.abc import Sequence

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from sdg_training.tiny.noise import mishear, strip_casing
from sdg_training.tiny.tasks import (
    Example,
    make_answer,
    make_judge_qa,
    make_write_qa,
    sample_judged,
)
from sdg_training.tiny.world import Passage, Question, sample_passage, sample_unanswerable

BATCH = 32
MOST_NEW_TOKENS = 256
UNPARSED = Question("", "")


def evaluate_llm(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    language: str,
    passages: int,
    seed: int,
) -> dict[str, float]:
    """Shares (0 to 1) of what is right over unseen passages of one language.

    ``write_qa``: generated pairs that are the world's own; ``write_qa_misheard``: generated pairs
    whose answer is in the misheard context (a reply that cannot be parsed is one wrong pair);
    ``write_qa_parsed``: replies that can be parsed; ``answer*``: exact answers to the world's
    questions; ``refuse``: refusals of questions that the passage does not answer; ``judge_*``:
    right judgements of right and wrong pairs.
    """
    rng = random.Random(seed)
    unseen = [sample_passage(rng, language, side="test") for _ in range(passages)]
    misheard = [mishear(rng, passage, rng.randint(1, 2)) for passage in unseen]
    replies = write_qa(model, tokenizer, unseen)
    noisy_replies = write_qa(model, tokenizer, misheard)
    examples = {
        "answer": [_ask(rng, p, p.text) for p in unseen],
        "answer_misheard": [_ask(rng, p, p.text) for p in misheard],
        "answer_uncased": [_ask(rng, p, strip_casing(p.text)) for p in unseen],
        "refuse": [make_answer(p.text, sample_unanswerable(rng, p), language) for p in unseen],
    }
    judged = [_judge(rng, passage) for passage in unseen + unseen]
    examples["judge_right"] = [example for example in judged if example.answer == "yes"]
    examples["judge_wrong"] = [example for example in judged if example.answer == "no"]
    return {
        "write_qa_parsed": _share([bool(parse_pairs(reply)) for reply in replies]),
        "write_qa": _share(
            [
                pair in passage.questions
                for reply, passage in zip(replies, unseen, strict=True)
                for pair in parse_pairs(reply) or [UNPARSED]
            ]
        ),
        "write_qa_misheard": _share(
            [
                pair != UNPARSED and pair.answer in passage.text
                for reply, passage in zip(noisy_replies, misheard, strict=True)
                for pair in parse_pairs(reply) or [UNPARSED]
            ]
        ),
        **{name: score_exact(model, tokenizer, chosen) for name, chosen in examples.items()},
    }


def write_qa(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, passages: Sequence[Passage]
) -> list[str]:
    """The model's reply to ``write_qa`` for each passage."""
    examples = [make_write_qa(passage.text, (), passage.language) for passage in passages]
    return generate(model, tokenizer, examples)


def parse_pairs(reply: str) -> list[Question]:
    """The pairs of a reply of ``write_qa``; none if it is not what was asked for."""
    try:
        return [Question(**pair) for pair in json.loads(reply)]
    except (ValueError, TypeError):
        return []


def score_exact(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, examples: Sequence[Example]
) -> float:
    """The share of replies that are exactly the wanted answer."""
    replies = generate(model, tokenizer, examples)
    return _share(
        [reply == example.answer for reply, example in zip(replies, examples, strict=True)]
    )


@torch.inference_mode()
def generate(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, examples: Sequence[Example]
) -> list[str]:
    """Greedy replies, in order."""
    replies: list[str] = []
    for start in range(0, len(examples), BATCH):
        chats = [
            tokenizer.apply_chat_template(
                list(example.messages), add_generation_prompt=True, tokenize=False
            )
            for example in examples[start : start + BATCH]
        ]
        prompts = tokenizer(chats, padding=True, return_tensors="pt")
        tokens = model.generate(  # type: ignore[misc]  # its annotation of self is too narrow
            prompts["input_ids"],
            attention_mask=prompts["attention_mask"],
            max_new_tokens=MOST_NEW_TOKENS,
            do_sample=False,
        )
        new_tokens = tokens[:, prompts["input_ids"].shape[1] :]
        replies += tokenizer.batch_decode(new_tokens, skip_special_tokens=True)
    return replies


def _ask(rng: random.Random, passage: Passage, context: str) -> Example:
    return make_answer(context, rng.choice(passage.questions), passage.language)


def _judge(rng: random.Random, passage: Passage) -> Example:
    question, right = sample_judged(rng, passage, "test")
    return make_judge_qa(passage.text, question, right, passage.language)


def _share(outcomes: Sequence[bool]) -> float:
    return sum(outcomes) / len(outcomes)
