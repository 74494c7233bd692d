"""The metric script that ``evaluate.load`` reads by path.

``evaluate`` copies this file into its own cache and parses its imports itself: they must be
absolute, and no statement may run over two lines.
"""

from collections.abc import Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

import datasets
import evaluate

from sdg_training.answers.score import score_answer

_DESCRIPTION = (
    "Answers to questions about speech: ROUGE-L, exact match, token F1, BLEU, and whether the "
    "answer was said, in any script."
)
_INPUTS = """
Args:
    predictions, references: one text per sample.
    contexts: what each recording says, or an empty text where that is not known.
    use_aggregator: True for the means over the samples, False for one value per sample.
Returns:
    {"rouge_l": ..., "exact_match": ..., "token_f1": ..., "bleu": ..., "in_context": ...},
    each 0..1; in_context is None where no context is known. bleu is sentence BLEU of texts in lower
    case without punctuation, and of several samples the mean of theirs.
"""


class SpokenQA(evaluate.Metric):
    """See ``inputs_description`` for the arguments."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": text, "references": text, "contexts": text}),
        )

    def _compute(
        self,
        *,
        predictions: Sequence[str],
        references: Sequence[str],
        contexts: Sequence[str],
        use_aggregator: bool = True,
    ) -> dict[str, Any]:
        samples = zip(predictions, references, contexts, strict=True)
        scores = [
            asdict(score_answer(said, right, context or None)) for said, right, context in samples
        ]
        columns = {name: [score[name] for score in scores] for name in scores[0]}
        if not use_aggregator:
            return columns
        return {name: _mean(values) for name, values in columns.items()}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
