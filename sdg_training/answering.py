"""A model's answers to all examples of a table."""

import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from sdg_training.batches import build_pool, plan_batches
from sdg_training.examples import Example, Examples, Key, Skip
from sdg_training.generate import generate_answers
from sdg_training.recipe import Recipe
from sdg_training.recordings import Sample
from sdg_training.reporting import Progress, Reporter
from sdg_training.salm import SALMForConditionalGeneration, SALMProcessor


class Source(Protocol):
    """Samples of examples."""

    def __len__(self) -> int: ...

    def __getitems__(self, indices: Sequence[int]) -> list[Sample | Skip]: ...


FEWEST_ANSWER_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Answered:
    """Answers by :attr:`Example.key`, and what has none."""

    answers: dict[Key, str]
    skips: list[Skip]


def plan_answers(
    examples: Examples, processor: SALMProcessor, recipe: Recipe
) -> list[NDArray[np.int64]]:
    """The rows of each batch, the same under whatever condition they are asked."""
    pool = build_pool(examples, processor, "qa", 1.0, recipe.asr_question)
    return plan_batches(pool.lengths, recipe.batch_size, recipe.batch_tokens)


def limit_answers(examples: Iterable[Example], processor: SALMProcessor) -> int:
    """Tokens that an answer may have, so that none is cut because of its script."""
    longest = max(
        len(processor.tokenizer.encode(example.answer, add_special_tokens=False))
        for example in examples
    )
    return max(FEWEST_ANSWER_TOKENS, math.ceil(1.25 * longest))


def answer_all(
    model: SALMForConditionalGeneration,
    processor: SALMProcessor,
    source: Source,
    plan: Sequence[NDArray[np.int64]],
    num_workers: int,
    max_new_tokens: int,
    name: str,
    reporter: Reporter,
    read: Callable[[Example], str] | None = None,
    num_beams: int = 1,
    max_tokens: int = sys.maxsize,
) -> Answered:
    """The likeliest answers, batch by batch, with progress as ``name``.

    Args:
        plan: the rows of each batch, see :func:`plan_answers`.
        num_workers: processes that read and decode audio.
        read: what stands in the audio's stead, an empty text for nothing; none: the audio.
        max_tokens: of a prompt; longer ones are skipped, as those that the LLM has no room for.
    """
    started, done = time.monotonic(), 0
    loader: DataLoader = DataLoader(
        source,  # type: ignore[arg-type]
        batch_sampler=[batch.tolist() for batch in plan],
        collate_fn=list,
        num_workers=num_workers,
    )
    answered = Answered({}, [])
    for batch in loader:
        answered.skips.extend(sample for sample in batch if isinstance(sample, Skip))
        samples = [sample for sample in batch if isinstance(sample, Sample)]
        contexts = None if read is None else [read(sample.example) for sample in samples]
        results = generate_answers(
            model, processor, samples, max_new_tokens, contexts, num_beams, max_tokens
        )
        for sample, result in zip(samples, results, strict=True):
            if isinstance(result, Skip):
                answered.skips.append(result)
            else:
                answered.answers[sample.example.key] = result
        done, seconds = done + len(batch), time.monotonic() - started
        reporter.progress(Progress(name, done, len(source), "examples", seconds))
    return answered
