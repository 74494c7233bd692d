"""What speech recognition does to a text: the forms of a context that the tiny LM must bear."""

import random
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache

from sdg_training.tiny.world import Passage, Question, load_language

_WORD = re.compile(r"[^\W\d_]+")
_NOT_SPOKEN = re.compile(r"[^\w\s]|_")
SHORTEST_MISHEARD = 3  # letters
SYLLABLES = (
    "ba",
    "do",
    "fi",
    "gu",
    "ka",
    "le",
    "mo",
    "nu",
    "pi",
    "ro",
    "sa",
    "te",
    "vi",
    "zo",
    "er",
)


def strip_casing(text: str) -> str:
    """Lower case without punctuation, as a CTC model writes: ``" maria met paul at nine"``.

    Begins with a space, so that the first word is the same token as any other.
    """
    return " " + " ".join(_NOT_SPOKEN.sub(" ", text.lower()).split())


def mishear(rng: random.Random, passage: Passage, errors: int) -> Passage:
    """Change ``errors`` words of the text, and the same words in its questions and answers.

    A word of no answer (a verb, say) changes in the text alone, or is lost or said twice. Each
    answer is still a span of the text.
    """
    for _ in range(errors):
        passage = _mishear_word(rng, passage)
    return passage


def invent_word(rng: random.Random) -> str:
    """A word of no language: ``zomoka``."""
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(2, 4)))


def _mishear_word(rng: random.Random, passage: Passage) -> Passage:
    words = [word for word in _WORD.findall(passage.text) if len(word) >= SHORTEST_MISHEARD]
    word = rng.choice(words)
    answered = {w for question in passage.questions for w in _WORD.findall(question.answer)}
    if word in answered:
        heard = _replace_word(rng, word, passage.language)
        return replace(
            passage,
            text=_substitute(passage.text, word, heard),
            questions=tuple(
                Question(
                    _substitute(question.question, word, heard),
                    _substitute(question.answer, word, heard),
                )
                for question in passage.questions
            ),
        )
    heard = rng.choice(["", f"{word} {word}", _replace_word(rng, word, passage.language)])
    return replace(passage, text=" ".join(_substitute(passage.text, word, heard).split()))


def _substitute(text: str, word: str, heard: str) -> str:
    return re.sub(rf"\b{re.escape(word)}\b", heard, text)


def _replace_word(rng: random.Random, word: str, language: str) -> str:
    change: Callable[[random.Random, str, str], str] = rng.choice([_confuse, _misspell, _invent])
    heard = change(rng, word, language)
    return heard.capitalize() if word[0].isupper() else heard


def _confuse(rng: random.Random, word: str, language: str) -> str:
    return rng.choice(_vocabulary(language))


def _misspell(rng: random.Random, word: str, language: str) -> str:
    place = rng.randrange(len(word))
    letter = rng.choice("abcdefghijklmnoprstuvwz")
    return word[:place] + rng.choice(["", letter, word[place] + letter]) + word[place + 1 :]


def _invent(rng: random.Random, word: str, language: str) -> str:
    return invent_word(rng)


@cache
def _vocabulary(language: str) -> tuple[str, ...]:
    phrases = load_language(language).phrases.values()
    words = {word for kind in phrases for phrase in kind for word in _WORD.findall(phrase.text)}
    return tuple(sorted(word for word in words if len(word) >= SHORTEST_MISHEARD))
