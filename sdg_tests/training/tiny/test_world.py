import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdg_training.tiny.world import (
    Passage,
    list_languages,
    load_language,
    sample_passage,
    sample_unanswerable,
)

LANGUAGES = ("de", "en", "es")
DOMAINS = ("shopping", "travel", "work")
seeds = st.integers(0, 2**32)
languages = st.sampled_from(LANGUAGES)
sides = st.sampled_from(["train", "test"])


def sentences(passage: Passage) -> list[str]:
    return [sentence.rstrip(".") for sentence in passage.text.split(". ")]


def test_has_three_languages_with_the_same_domains():
    assert list_languages() == LANGUAGES
    for language in LANGUAGES:
        assert tuple(load_language(language).domains) == DOMAINS


@pytest.mark.parametrize("language", LANGUAGES)
def test_vocabularies_are_large_and_without_duplicates(language: str):
    phrases = load_language(language).phrases
    for slot, values in phrases.items():
        texts = [phrase.text for phrase in values]
        assert len(set(texts)) == len(texts), slot
        assert all(text == text.strip() and "  " not in text for text in texts), slot
    assert len(phrases["person"]) >= 40
    assert len(phrases["place"]) >= 30
    assert len(phrases["city"]) >= 30
    assert len(phrases["goods"]) >= 200


@given(seeds, languages, sides)
def test_passage_is_two_or_three_sentences_with_spans_for_answers(seed, language, side):
    passage = sample_passage(random.Random(seed), language, side=side)
    assert 2 <= len(sentences(passage)) <= 3
    assert passage.text.endswith(".")
    assert "{" not in passage.text
    assert len({question.question for question in passage.questions}) == len(passage.questions)
    for question in passage.questions:
        assert question.question.endswith("?")
        assert "{" not in question.question
        assert question.answer in passage.text


@given(seeds, languages, sides)
def test_same_seed_gives_the_same_passage(seed, language, side):
    first = sample_passage(random.Random(seed), language, side=side)
    assert sample_passage(random.Random(seed), language, side=side) == first


@given(seeds, languages, st.lists(st.sampled_from(DOMAINS), min_size=1))
def test_only_the_domains_asked_for(seed, language, domains):
    assert sample_passage(random.Random(seed), language, domains).domain in domains


@given(seeds, languages)
@settings(max_examples=50)
def test_unanswerable_question_names_what_the_passage_does_not_say(seed, language):
    rng = random.Random(seed)
    passage = sample_passage(rng, language)
    question = sample_unanswerable(rng, passage)
    assert question.answer == load_language(language).refusal
    assert question.question not in {known.question for known in passage.questions}


@pytest.mark.parametrize("language", LANGUAGES)
def test_train_and_test_share_no_sentence(language: str):
    rng = random.Random(0)
    train = {s for _ in range(3000) for s in sentences(sample_passage(rng, language))}
    test = {s for _ in range(1000) for s in sentences(sample_passage(rng, language, side="test"))}
    assert len(train) > 5000
    assert not train & test


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_answer_can_be_guessed_from_the_kind_of_question(language: str):
    """The commonest answer to questions with the same opening is seldom right."""
    rng = random.Random(0)
    answers: dict[str, Counter[str]] = {}
    for _ in range(2000):
        for question in sample_passage(rng, language).questions:
            opening = question.question.split()[0]
            answers.setdefault(opening, Counter())[question.answer] += 1
    common = sum(counter.most_common(1)[0][1] for counter in answers.values())
    total = sum(counter.total() for counter in answers.values())
    assert common / total < 0.06


def test_says_what_it_does_not_know():
    with pytest.raises(ValueError, match="speaks de, en, es, not 'fr'"):
        load_language("fr")
    with pytest.raises(ValueError, match="no domain \\['cooking'\\] in 'en'; it has: shopping"):
        sample_passage(random.Random(0), "en", ["cooking"])
    with pytest.raises(ValueError, match="it has: shopping"):
        sample_passage(random.Random(0), "en", [])
