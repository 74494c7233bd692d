"""How right one answer is, beside ROUGE-L: exact match, token F1, BLEU; in any script.

All of them compare the tokens of :func:`sdg_training.rouge.tokenize_or_keep`: words without case
and punctuation, characters where a script has no spaces, and an answer like "+" as it is.
"""

import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cache

from sacrebleu.metrics.bleu import BLEU

from sdg_training.rouge import rouge_l, tokenize, tokenize_or_keep


@dataclass(frozen=True, slots=True)
class AnswerScores:
    """Each 0..1."""

    rouge_l: float
    exact_match: float
    token_f1: float
    bleu: float
    in_context: float | None  # null where it is not known what the recording says


def score_answer(prediction: str, reference: str, context: str | None = None) -> AnswerScores:
    """All scores of one answer."""
    return AnswerScores(
        rouge_l(prediction, reference).fmeasure,
        score_exact_match(prediction, reference),
        score_token_f1(prediction, reference),
        score_bleu(prediction, reference),
        None if context is None else score_in_context(prediction, context),
    )


def score_exact_match(prediction: str, reference: str) -> float:
    """1 where the tokens are the same (SQuAD's, arXiv 1606.05250, without its English articles).

    >>> score_exact_match("In Zürich.", "in Zürich")
    1.0
    """
    return float(tokenize_or_keep(prediction) == tokenize_or_keep(reference))


def score_token_f1(prediction: str, reference: str) -> float:
    """The harmonic mean of precision and recall of tokens, in whatever order (arXiv 1606.05250).

    >>> score_token_f1("the red car", "a red car")
    0.6666666666666666
    """
    said, wanted = Counter(tokenize_or_keep(prediction)), Counter(tokenize_or_keep(reference))
    common = (said & wanted).total()
    if common == 0:
        return float(said == wanted)
    precision, recall = common / said.total(), common / wanted.total()
    return 2 * precision * recall / (precision + recall)


def score_bleu(prediction: str, reference: str) -> float:
    """Sentence BLEU (Papineni et al., 2002), of phrases no longer than the answer; by sacrebleu.

    Its mean over the answers of a set is what is called ``bleu`` here. It is no corpus BLEU, which
    sums n-grams over the set first, and it is of texts in lower case and without punctuation.
    """
    said, wanted = tokenize_or_keep(prediction), tokenize_or_keep(reference)
    if not said or not wanted:
        return float(said == wanted)
    score = _bleu().sentence_score(" ".join(said), [" ".join(wanted)])
    return min(float(score.score) / 100, 1.0)  # 100.00000000000004 is among what sacrebleu gives


def score_in_context(prediction: str, context: str) -> float:
    """1 where the answer's tokens stand in the context, one after the other.

    >>> score_in_context("die Lampe", "Anna kauft die Lampe.")
    1.0
    """
    said, heard = tokenize_or_keep(prediction), tokenize_or_keep(context)
    if not said:
        return 0.0
    places = range(len(heard) - len(said) + 1)
    if any(heard[place : place + len(said)] == said for place in places):
        return 1.0
    # A sign is none of the context's tokens.
    signs = "" if tokenize(prediction) else "".join(filter(_is_sign, prediction))
    return float(bool(signs) and signs in unicodedata.normalize("NFKC", context))


def _is_sign(char: str) -> bool:
    """A symbol, and no punctuation, which is in every context."""
    return unicodedata.category(char)[0] == "S" or char in "%‰"


@cache
def _bleu() -> BLEU:
    """On tokens as they are; short answers have no 4-grams, which must not make them worthless."""
    return BLEU(tokenize="none", effective_order=True)
