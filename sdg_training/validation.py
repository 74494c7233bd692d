"""ROUGE-L of a model in training, on validation examples."""

from collections.abc import Callable
from statistics import fmean

import numpy as np

from sdg_training.answering import answer_all, limit_answers, plan_answers
from sdg_training.batches import open_usable
from sdg_training.examples import ExamplesError, SkipLog
from sdg_training.recipe import TrainConfig
from sdg_training.recordings import Recordings
from sdg_training.reporting import Reporter
from sdg_training.rouge import rouge_l
from sdg_training.salm import SALMForConditionalGeneration, SALMProcessor


def build_validation(
    model: SALMForConditionalGeneration,
    processor: SALMProcessor,
    config: TrainConfig,
    reporter: Reporter,
) -> Callable[[], float] | None:
    """A function that measures the model as it is; none where nothing is to be stopped early.

    Raises:
        ExamplesError: the validation table cannot be used, or none of its examples can; the
            function raises it where none can be answered.
    """
    stopping = config.recipe.early_stopping
    if stopping is None or config.validation is None:
        return None
    skips = SkipLog()
    usable = open_usable(config.validation, processor, config.recipe, skips)
    report_skips(skips, reporter)
    chosen = np.random.default_rng(config.recipe.seed).permutation(len(usable))[: stopping.limit]
    examples = usable.select(np.sort(chosen))
    source = Recordings(examples, config.blobs)
    plan = plan_answers(examples, processor, config.recipe)
    most = limit_answers(examples, processor)
    unanswered = SkipLog()

    def validate() -> float:
        model.eval()
        answered = answer_all(
            model,
            processor,
            source,
            plan,
            config.recipe.num_workers,
            most,
            "validation",
            reporter,
            max_tokens=config.recipe.max_tokens,
        )
        answers, known = answered.answers, len(unanswered)
        unanswered.add(answered.skips)
        if not answers:
            reasons = "; ".join(unanswered.describe())
            raise ExamplesError(f"there is no validation example to use: {reasons}")
        if len(unanswered) > known:
            report_skips(unanswered, reporter)
        return fmean(
            rouge_l(answers[ex.key], ex.answer).fmeasure for ex in examples if ex.key in answers
        )

    return validate


def report_skips(skips: SkipLog, reporter: Reporter) -> None:
    """A line per reason, which says that it is about validation."""
    for line in skips.describe():
        reporter.log(f"validation: {line}")
