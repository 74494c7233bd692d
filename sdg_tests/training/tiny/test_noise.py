import random

from hypothesis import given
from hypothesis import strategies as st

from sdg_training.tiny.noise import mishear, strip_casing
from sdg_training.tiny.world import list_languages, sample_passage

seeds = st.integers(0, 2**32)
languages = st.sampled_from(list_languages())


def test_strips_casing_and_punctuation():
    assert strip_casing("Úrsula llamó,  a las dos. ¿No?") == " úrsula llamó a las dos no"


@given(seeds, languages, st.integers(1, 4))
def test_answers_stay_grounded_in_what_was_misheard(seed: int, language: str, errors: int):
    rng = random.Random(seed)
    passage = sample_passage(rng, language)
    heard = mishear(rng, passage, errors)
    assert len(heard.questions) == len(passage.questions)
    for question in heard.questions:
        assert question.answer in heard.text


@given(seeds, languages)
def test_mostly_changes_the_text(seed: int, language: str):
    rng = random.Random(seed)
    passage = sample_passage(rng, language)
    assert any(mishear(rng, passage, 1).text != passage.text for _ in range(20))
