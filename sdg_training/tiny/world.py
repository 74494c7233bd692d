"""The small world that the tiny models know: passages of made-up facts, with questions.

A language is one table, ``languages/<language>.yaml``. A passage is two or three facts of one
domain; the answer to each of its questions is a span of its text, and nobody can know it without
the passage. Train and test share no sentence: a hash of each sentence decides its side.

>>> passage = sample_passage(random.Random(1), "en")
>>> all(question.answer in passage.text for question in passage.questions)
True
"""

import hashlib
import itertools
import random
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

import yaml

Side = Literal["train", "test"]

TEST_SHARE = 0.1  # of all sentences
THREE_FACTS_SHARE = 0.2  # of all passages
ONCE = "goods"  # the slot that confuses the tiny LM: a red hat and a blue coat become a blue hat


@dataclass(frozen=True, slots=True)
class Question:
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Passage:
    """Two or three sentences. Each answer is a span of ``text``."""

    text: str
    language: str
    domain: str
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Phrase:
    """A value of a slot: ``seven eggs``, and its parts ``{"count": "seven", "noun": "eggs"}``."""

    text: str
    parts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FactTemplate:
    """A sentence with slots, and (question, answer) templates over the same slots."""

    text: str
    slots: tuple[str, ...]
    questions: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Language:
    """One language of the world: phrases by slot, facts by domain, and how to decline an answer."""

    name: str
    refusal: str
    phrases: Mapping[str, tuple[Phrase, ...]]
    domains: Mapping[str, tuple[FactTemplate, ...]]


@dataclass(frozen=True, slots=True)
class _Fact:
    text: str
    questions: tuple[Question, ...]
    phrases: frozenset[str]


def list_languages() -> tuple[str, ...]:
    """The languages that the world has a table for, sorted."""
    tables = resources.files(__package__).joinpath("languages").iterdir()
    return tuple(sorted(t.name.removesuffix(".yaml") for t in tables if t.name.endswith(".yaml")))


@cache
def load_language(language: str) -> Language:
    """Read the table of ``language``.

    Raises:
        ValueError: the world does not know the language; says which it knows.
    """
    if language not in list_languages():
        raise ValueError(f"the tiny world speaks {', '.join(list_languages())}, not {language!r}")
    table = resources.files(__package__).joinpath("languages", f"{language}.yaml")
    content = yaml.safe_load(table.read_text(encoding="utf-8"))
    return Language(
        name=language,
        refusal=content["refusal"],
        phrases={slot: _expand(entries) for slot, entries in content["slots"].items()},
        domains={
            domain: tuple(_read_template(fact) for fact in facts)
            for domain, facts in content["domains"].items()
        },
    )


def sample_passage(
    rng: random.Random,
    language: str,
    domains: Sequence[str] | None = None,
    side: Side = "train",
    *,
    three_facts: float = THREE_FACTS_SHARE,
    confusing: bool = False,
) -> Passage:
    """Draw a passage; the same ``rng`` state gives the same passage.

    Args:
        three_facts: how probable a third fact is.
        confusing: several facts may be about goods, which is no matter where it is only spoken.

    Raises:
        ValueError: the world does not know the language or a domain.
    """
    table = load_language(language)
    domain = rng.choice(_check_domains(table, domains))
    count = 3 if rng.random() < three_facts else 2
    facts: list[_Fact] = []
    for template in _choose_templates(rng, table.domains[domain], count, confusing):
        used = frozenset().union(*(fact.phrases for fact in facts))
        facts.append(_sample_fact(rng, table, template, side, used))
    return Passage(
        text=" ".join(fact.text for fact in facts),
        language=language,
        domain=domain,
        questions=tuple(question for fact in facts for question in fact.questions),
    )


def sample_unanswerable(rng: random.Random, passage: Passage, side: Side = "train") -> Question:
    """A question about something that the passage does not say; its answer is the refusal."""
    table = load_language(passage.language)
    template = rng.choice(table.domains[passage.domain])
    said = {
        phrase.text
        for phrases in table.phrases.values()
        for phrase in phrases
        if phrase.text in passage.text
    }
    fact = _sample_fact(rng, table, template, side, said)
    return Question(rng.choice(fact.questions).question, table.refusal)


def _check_domains(table: Language, domains: Sequence[str] | None) -> tuple[str, ...]:
    if domains is None:
        return tuple(table.domains)
    unknown = sorted(set(domains) - set(table.domains))
    if unknown or not domains:
        raise ValueError(
            f"no domain {unknown} in {table.name!r}; it has: {', '.join(table.domains)}"
        )
    return tuple(domains)


def _choose_templates(
    rng: random.Random, templates: Sequence[FactTemplate], count: int, confusing: bool
) -> list[FactTemplate]:
    """``count`` different ones, or one less where too many would be about the same."""
    while True:
        chosen = rng.sample(templates, count)
        once = [template for template in chosen if ONCE in map(_kind, template.slots)]
        if confusing or len(once) <= 1:
            return chosen
        fewer = [template for template in chosen if template not in once[1:]]
        if len(fewer) > 1:
            return fewer


def _sample_fact(
    rng: random.Random,
    table: Language,
    template: FactTemplate,
    side: Side,
    used: Iterable[str],
) -> _Fact:
    while True:
        values = {slot: rng.choice(table.phrases[_kind(slot)]) for slot in template.slots}
        texts = [phrase.text for phrase in values.values()]
        distinct = len(set(texts)) == len(texts) and not set(texts).intersection(used)
        fact = _render(template, values)
        if distinct and _side(table.name, fact.text) == side:
            return fact


def _render(template: FactTemplate, values: Mapping[str, Phrase]) -> _Fact:
    fields = {slot: phrase.text for slot, phrase in values.items()}
    for slot, phrase in values.items():
        fields |= {f"{slot}_{part}": text for part, text in phrase.parts.items()}
    return _Fact(
        text=template.text.format_map(fields),
        questions=tuple(
            Question(question.format_map(fields), answer.format_map(fields))
            for question, answer in template.questions
        ),
        phrases=frozenset(phrase.text for phrase in values.values()),
    )


def _side(language: str, sentence: str) -> Side:
    digest = hashlib.sha256(f"{language}|{sentence}".encode()).digest()
    return "test" if int.from_bytes(digest[:4]) < TEST_SHARE * 2**32 else "train"


def _kind(slot: str) -> str:
    """``person2`` is one more ``person``."""
    return slot.rstrip("0123456789")


def _expand(entries: Sequence[str | Mapping[str, Any]]) -> tuple[Phrase, ...]:
    phrases = []
    for entry in entries:
        if isinstance(entry, str):
            phrases.append(Phrase(entry, {}))
            continue
        parts = {name: values for name, values in entry.items() if name != "pattern"}
        for combination in itertools.product(*parts.values()):
            chosen = dict(zip(parts, combination, strict=True))
            phrases.append(Phrase(entry["pattern"].format_map(chosen), chosen))
    return tuple(phrases)


def _read_template(fact: Mapping[str, Any]) -> FactTemplate:
    fields = string.Formatter().parse(fact["text"])
    return FactTemplate(
        text=fact["text"],
        slots=tuple(field for _, field, _, _ in fields if field),
        questions=tuple((question, answer) for question, answer in fact["questions"]),
    )
