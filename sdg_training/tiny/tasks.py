"""What the tiny LM learns to do: write questions and answers, answer, judge, and repeat."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sdg_training.tiny.noise import mishear, strip_casing
from sdg_training.tiny.prompts import render_messages
from sdg_training.tiny.world import (
    Passage,
    Question,
    Side,
    list_languages,
    load_language,
    sample_passage,
    sample_unanswerable,
)

Task = Literal["repeat", "write_qa", "answer", "judge_qa"]
TASKS: dict[Task, float] = {"repeat": 0.05, "write_qa": 0.3, "answer": 0.37, "judge_qa": 0.28}
FEWEST_PAIRS, MOST_PAIRS = 3, 5
MISHEARD_SHARE = 0.3  # of all contexts
UNCASED_SHARE = 0.3
UNANSWERABLE_SHARE = 0.15
MOST_TURNS = 6
MOST_ERRORS = 3
WAYS_TO_BE_WRONG = (
    "this passage", "this passage", "another answer", "another question", "refusal",
)  # fmt: skip
THREE_FACTS_SHARE = 0.4  # more than the world has: who did what is hardest to tell among three


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt and its answer; ``context`` is how the user's message begins.

    ``more`` are further turns (user, assistant) about the same context, for training alone: they
    teach several times as much in the same number of tokens.
    """

    task: Task
    context: str
    messages: tuple[dict[str, str], ...]
    answer: str
    more: tuple[tuple[str, str], ...] = ()


def sample_any_example(rng: random.Random) -> Example:
    """A task in any language."""
    return sample_example(rng, rng.choice(list_languages()))


def sample_example(rng: random.Random, language: str, side: Side = "train") -> Example:
    """A task on a passage as a recognizer might write it."""
    task = rng.choices(list(TASKS), list(TASKS.values()))[0]
    passage = sample_passage(rng, language, side=side, three_facts=THREE_FACTS_SHARE)
    if rng.random() < MISHEARD_SHARE:
        passage = mishear(rng, passage, rng.randint(1, MOST_ERRORS))
    context = strip_casing(passage.text) if rng.random() < UNCASED_SHARE else passage.text
    if task == "repeat":
        return make_repeat(context, passage.text, language)
    if task == "write_qa":
        return make_write_qa(context, sample_pairs(rng, passage), language)
    turns = rng.randint(1, MOST_TURNS)
    if task == "answer":
        asked = [sample_question(rng, passage, side) for _ in range(turns)]
        return _join_turns([make_answer(context, question, language) for question in asked])
    judged = [sample_judged(rng, passage, side) for _ in range(turns)]
    return _join_turns([make_judge_qa(context, *pair, language) for pair in judged])


def sample_word_list(rng: random.Random) -> Example:
    """Words of the world to repeat: what a model should copy before it can answer.

    Without this first lesson the attention that copies emerges late or never.
    """
    language = rng.choice(list_languages())
    phrases = load_language(language).phrases
    chosen = [rng.choice(phrases[rng.choice(list(phrases))]).text for _ in range(rng.randint(3, 9))]
    text = " ".join(chosen)
    context = strip_casing(text) if rng.random() < UNCASED_SHARE else text
    return make_repeat(context, text, language)


def make_repeat(context: str, text: str, language: str) -> Example:
    messages = render_messages("repeat", context=context, language=language)
    return Example("repeat", context, tuple(messages), text)


def make_write_qa(context: str, pairs: Sequence[Question], language: str) -> Example:
    answer = [{"question": pair.question, "answer": pair.answer} for pair in pairs]
    messages = render_messages("write_qa", context=context, language=language)
    return Example("write_qa", context, tuple(messages), json.dumps(answer, ensure_ascii=False))


def make_answer(context: str, question: Question, language: str) -> Example:
    messages = render_messages(
        "answer", context=context, question=question.question, language=language
    )
    return Example("answer", context, tuple(messages), question.answer)


def make_judge_qa(context: str, question: Question, right: bool, language: str) -> Example:
    messages = render_messages(
        "judge_qa",
        context=context,
        question=question.question,
        answer=question.answer,
        language=language,
    )
    return Example("judge_qa", context, tuple(messages), "yes" if right else "no")


def _join_turns(examples: Sequence[Example]) -> Example:
    """The first example, with the others as turns that do not repeat the context."""
    first, *others = examples
    return replace(
        first,
        more=tuple(
            (example.messages[-1]["content"].removeprefix(f"{first.context}\n"), example.answer)
            for example in others
        ),
    )


def sample_pairs(rng: random.Random, passage: Passage) -> tuple[Question, ...]:
    """Some of the questions, in the order of the text."""
    count = rng.randint(FEWEST_PAIRS, min(MOST_PAIRS, len(passage.questions)))
    chosen = sorted(rng.sample(range(len(passage.questions)), count))
    return tuple(passage.questions[index] for index in chosen)


def sample_question(rng: random.Random, passage: Passage, side: Side) -> Question:
    if rng.random() < UNANSWERABLE_SHARE:
        return sample_unanswerable(rng, passage, side)
    return rng.choice(passage.questions)


def sample_judged(rng: random.Random, passage: Passage, side: Side) -> tuple[Question, bool]:
    """A right pair half of the time, else one that is wrong in one of several ways."""
    pair = rng.choice(passage.questions)
    if rng.random() < 0.5:
        return pair, True
    kind = rng.choice(WAYS_TO_BE_WRONG)
    if kind == "refusal":
        unanswerable = sample_unanswerable(rng, passage, side)
        wrong = rng.choice([pair.question, unanswerable.question])
        return Question(wrong, load_language(passage.language).refusal), False
    if kind == "this passage":
        others = [q.answer for q in passage.questions if q.answer != pair.answer]
        return Question(pair.question, rng.choice(others)), False
    other = _sample_other(rng, passage, side)
    if kind == "another answer":
        return Question(pair.question, other.answer), False
    return other, False


def _sample_other(rng: random.Random, passage: Passage, side: Side) -> Question:
    """A pair of another passage whose question and answer are not of this one."""
    while True:
        other = rng.choice(sample_passage(rng, passage.language, side=side).questions)
        if other.answer not in passage.text:
            return other
