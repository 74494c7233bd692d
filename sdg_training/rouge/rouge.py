"""The metric script that ``evaluate.load`` reads by path.

``evaluate`` copies this file into its own cache and parses its imports itself: they must be
absolute, and no statement may run over two lines.
"""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import datasets
import evaluate

from sdg_training.rouge.score import Tokenizer, rouge_l

_DESCRIPTION = (
    "ROUGE-L, the share of the longest common subsequence of words, for text in any script."
)
_INPUTS = """
Args:
    predictions: one text per sample.
    references: one text, or a list of texts, per sample; of several the best f-measure counts.
    use_aggregator: True for the mean over the samples, False for one value per sample.
    tokenizer: a function from a text to its list of tokens, in place of our own.
Returns:
    {"rougeL": f-measure, "rougeL_precision": ..., "rougeL_recall": ...}, each 0..1.
"""
_CITATION = """
@inproceedings{lin-2004-rouge,
    title = "{ROUGE}: A Package for Automatic Evaluation of Summaries",
    author = "Lin, Chin-Yew",
    booktitle = "Text Summarization Branches Out",
    year = "2004",
    url = "https://aclanthology.org/W04-1013",
}
"""


class RougeL(evaluate.Metric):
    """ROUGE-L with a Unicode tokenizer; see ``inputs_description`` for its arguments."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=[
                datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
                datasets.Features({"predictions": text, "references": text}),
            ],
            reference_urls=["https://aclanthology.org/W04-1013"],
        )

    def _compute(
        self,
        *,
        predictions: Sequence[str],
        references: Sequence[str | Sequence[str]],
        use_aggregator: bool = True,
        tokenizer: Tokenizer | None = None,
    ) -> dict[str, Any]:
        scores = [
            rouge_l(prediction, reference, tokenizer)
            for prediction, reference in zip(predictions, references, strict=True)
        ]
        columns = {
            "rougeL": [score.fmeasure for score in scores],
            "rougeL_precision": [score.precision for score in scores],
            "rougeL_recall": [score.recall for score in scores],
        }
        if not use_aggregator:
            return columns
        return {name: fmean(values) for name, values in columns.items()}
