"""What the grounding rule keeps of XQuAD's answers, and of what was made from them to be wrong.

.venv/bin/python benchmarks/grounding.py ../shared/data/xquad
"""

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sdg_assets.quality.function_words import function_words
from sdg_assets.quality.grounding import grounding
from sdg_assets.quality.languages import is_unspaced
from sdg_assets.quality.qa_rules import QARules
from sdg_assets.quality.text import characters, normalise, script_share, words

LANGUAGES = ("en", "de", "es", "zh", "hi")
AWAY = 37  # passages between one and the other: another article
SHORTEST = 6  # letters of a word that is cut or altered
LESS = 3  # letters that a part of a word lacks at least: one more than an ending has


class Case(NamedTuple):
    kind: str
    answer: str
    context: str


def read(path: Path, language: str) -> list[tuple[str, list[str], list[str]]]:
    """Each passage with its answers and its questions, normalised."""
    data = json.loads(path.read_text("utf-8"))
    return [
        (
            normalise(paragraph["context"], language),
            [normalise(qa["answers"][0]["text"], language) for qa in paragraph["qas"]],
            [normalise(qa["question"], language) for qa in paragraph["qas"]],
        )
        for article in data["data"]
        for paragraph in article["paragraphs"]
    ]


def make_cases(path: Path, language: str, rng: random.Random) -> Iterator[Case]:
    passages = read(path, language)
    alphabet = common_letters([context for context, _, _ in passages], language)
    for index, (context, answers, questions) in enumerate(passages):
        other, _, _ = passages[(index + AWAY) % len(passages)]
        for answer in answers:
            yield Case("own passage", answer, context)
            yield Case("other passage", answer, other)
            for count in (1, 2):
                yield from alter(answer, context, alphabet, count, language, rng)
            if not is_unspaced(language):
                yield from cut(answer, context, rng)
                yield from replace(answer, context, other, language, rng)
        if not is_unspaced(language):
            asked = {word for question in questions for word in words(question)}
            yield from relate(sorted(asked), context, "question's word, own passage")
            yield from relate(sorted(asked), other, "question's word, other passage")


def common_letters(contexts: list[str], language: str) -> list[str]:
    counts = Counter(letter for context in contexts for letter in context if letter.isalpha())
    own = {letter: n for letter, n in counts.items() if script_share(letter, language) == 1.0}
    return sorted(letter for letter, n in own.items() if n > sum(own.values()) / 5000)


def alter(
    answer: str, context: str, alphabet: list[str], count: int, language: str, rng: random.Random
) -> Iterator[Case]:
    """Letters of the longest word are others; in an unspaced script, of the whole answer."""
    part = answer if is_unspaced(language) else longest_word(answer)
    places = [place for place, letter in enumerate(part) if letter in alphabet]
    if len(places) < (2 if is_unspaced(language) else SHORTEST):
        return
    letters = list(part)
    for place in rng.sample(places, count):
        letters[place] = rng.choice([letter for letter in alphabet if letter != letters[place]])
    altered = "".join(letters)
    if altered not in words(context):
        yield Case(f"{count} altered", answer.replace(part, altered), context)


def cut(answer: str, context: str, rng: random.Random) -> Iterator[Case]:
    letters = characters(longest_word(answer))
    if len(letters) < SHORTEST:
        return
    size = rng.randint(LESS, len(letters) - LESS)
    start = rng.randint(0, len(letters) - size)
    part = "".join(letters[start : start + size])
    if part not in words(context):
        yield Case("part of a word", part, context)


def replace(
    answer: str, context: str, other: str, language: str, rng: random.Random
) -> Iterator[Case]:
    """One word of several is another passage's."""
    particles, said = function_words(language), words(answer)
    own = [place for place, word in enumerate(said) if word not in particles]
    foreign = sorted(set(words(other)) - set(words(context)) - particles)
    if len(said) > 1 and own and foreign:
        said[rng.choice(own)] = rng.choice(foreign)
        yield Case("one word replaced", " ".join(said), context)


def relate(asked: list[str], context: str, kind: str) -> Iterator[Case]:
    """Words of its questions that a passage has not as they are: others, and forms of its own."""
    spoken = set(words(context))
    yield from (Case(kind, word, context) for word in asked if word not in spoken)


def longest_word(answer: str) -> str:
    return max(words(answer), key=len)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("xquad", type=Path, help="folder of xquad.LANGUAGE.json")
    folder = parser.parse_args().xquad
    least = QARules().min_grounding
    for language in LANGUAGES:
        made, kept = Counter[str](), Counter[str]()
        for case in make_cases(folder / f"xquad.{language}.json", language, random.Random(0)):
            made[case.kind] += 1
            kept[case.kind] += grounding(case.answer, case.context, language) >= least
        for kind, count in made.items():
            print(f"{language} {kind:32} {kept[kind] / count:6.1%} of {count}", flush=True)


if __name__ == "__main__":
    main()
