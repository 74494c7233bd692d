"""Rules that drop a generated question-answer pair before an LLM is asked to judge it.

The defaults were set on XQuAD's 1,190 human pairs in each of English, German, Spanish, Chinese and
Hindi: they keep 98% of them in every language, and drop 99% where the context is another one.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from pydantic import BaseModel, ConfigDict, Field

from sdg_assets.quality.audio_text import syllables
from sdg_assets.quality.grounding import grounding
from sdg_assets.quality.qa_parsing import QAPair
from sdg_assets.quality.qa_phrases import is_refusal, mentions_text, strip_yes_or_no
from sdg_assets.quality.text import contains_phrase, normalise, script_share, words


class QARules(BaseModel):
    """Limits of the rules. Lengths are in spoken syllables, so that they hold in any script."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_question_syllables: float = Field(default=3.0, description="Shorter: question_too_short.")
    max_question_syllables: float = Field(default=80.0, description="Longer: question_too_long.")
    max_answer_syllables: float = Field(default=60.0, description="Longer: answer_too_long.")
    min_script_share: float = Field(
        default=0.5,
        description="wrong_language_script: below this share of the question's words in the"
        " language's scripts.",
    )
    min_grounding: float = Field(
        default=0.3,
        description="answer_not_grounded: less than this share of the answer, in syllables, stands"
        " in the context, or a word that does not is more than an article, preposition or the"
        " like.",
    )
    max_copied_share: float = Field(
        default=0.9,
        description="question_copies_context: from this share of its words on, in one run.",
    )
    keep_refusals: bool = Field(
        default=False, description="Whether an answer may say that there is no answer."
    )
    allow_mentions_of_text: bool = Field(
        default=False, description='Whether a question may speak of "the text" or "the passage".'
    )


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A pair and its context, normalised."""

    context: str
    question: str
    answer: str
    language: str


def apply_rules(
    context: str, pairs: Sequence[QAPair], language: str, rules: QARules
) -> list[str | None]:
    """For each pair the reason to drop it, or None: the first in ``REASONS`` that applies.

    Of equal questions about one context the first that nothing else speaks against is kept.
    """
    spoken = normalise(context, language)
    kept: set[str] = set()
    reasons: list[str | None] = []
    for pair in pairs:
        question = normalise(pair.question, language)
        candidate = _Candidate(spoken, question, normalise(pair.answer, language), language)
        reason = _find_reason(candidate, rules)
        if reason is None and question in kept:
            reason = "duplicate_question"
        if reason is None:
            kept.add(question)
        reasons.append(reason)
    return reasons


def find_repeated(items: Iterable[Hashable]) -> list[bool]:
    """For each item whether an equal one came before it.

    For the exact duplicates of a partition: give it (context, question), for the same words asked
    about another context are another item.
    """
    seen: set[Hashable] = set()
    repeated = []
    for item in items:
        repeated.append(item in seen)
        seen.add(item)
    return repeated


def copied_share(question: str, context: str) -> float:
    """Share of a normalised question's words, 0..1, that stand in the context in one run."""
    asked = words(question)
    matcher = SequenceMatcher(None, asked, words(context), autojunk=False)
    return matcher.find_longest_match().size / max(len(asked), 1)


def _find_reason(candidate: _Candidate, rules: QARules) -> str | None:
    return next((reason for reason, applies in _RULES if applies(candidate, rules)), None)


def _is_too_short(candidate: _Candidate, rules: QARules) -> bool:
    return syllables(candidate.question) < rules.min_question_syllables


def _is_too_long(candidate: _Candidate, rules: QARules) -> bool:
    return syllables(candidate.question) > rules.max_question_syllables


def _is_answer_too_long(candidate: _Candidate, rules: QARules) -> bool:
    return syllables(candidate.answer) > rules.max_answer_syllables


def _is_in_wrong_script(candidate: _Candidate, rules: QARules) -> bool:
    share = script_share(candidate.question, candidate.language)
    return share is not None and share < rules.min_script_share


def _mentions_text(candidate: _Candidate, rules: QARules) -> bool:
    return not rules.allow_mentions_of_text and mentions_text(candidate.question)


def _is_refusal(candidate: _Candidate, rules: QARules) -> bool:
    return not rules.keep_refusals and is_refusal(candidate.answer)


def _is_not_grounded(candidate: _Candidate, rules: QARules) -> bool:
    if is_refusal(candidate.answer):
        return False
    content = strip_yes_or_no(candidate.answer)
    if candidate.answer and not content:
        return False
    return grounding(content, candidate.context, candidate.language) < rules.min_grounding


def _is_answer_in_question(candidate: _Candidate, rules: QARules) -> bool:
    return contains_phrase(candidate.question, strip_yes_or_no(candidate.answer))


def _copies_context(candidate: _Candidate, rules: QARules) -> bool:
    return copied_share(candidate.question, candidate.context) >= rules.max_copied_share


_RULES: tuple[tuple[str, Callable[[_Candidate, QARules], bool]], ...] = (
    ("question_too_short", _is_too_short),
    ("question_too_long", _is_too_long),
    ("answer_too_long", _is_answer_too_long),
    ("wrong_language_script", _is_in_wrong_script),
    ("mentions_transcript", _mentions_text),
    ("refusal", _is_refusal),
    ("answer_not_grounded", _is_not_grounded),
    ("answer_in_question", _is_answer_in_question),
    ("question_copies_context", _copies_context),
)

REASONS = (*(reason for reason, _ in _RULES), "duplicate_question")
