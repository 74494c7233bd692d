"""How local engines run a batch: failures stay in place, the rest goes in chunks of like size."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from sdg_assets.engines.base import ASRResult, Failure, LLMResult, TTSResult

Input = TypeVar("Input")
Result = TypeVar("Result", ASRResult, LLMResult, TTSResult)


def run_in_chunks(
    inputs: Sequence[Input | Failure],
    run: Callable[[list[Input]], Iterable[Result | Failure]],
    size: int,
    length: Callable[[Input], int],
) -> list[Result | Failure]:
    """One result per input, in order; an input that is a failure already is its own result.

    Chunks hold inputs of similar ``length``, so that little is padded. Each result's
    ``usage.seconds`` becomes its equal share of its chunk's wall time.
    """
    results: dict[int, Result | Failure] = {}
    waiting: list[tuple[int, Input]] = []
    for index, item in enumerate(inputs):
        if isinstance(item, Failure):
            results[index] = item
        else:
            waiting.append((index, item))
    waiting.sort(key=lambda pair: length(pair[1]))
    for start in range(0, len(waiting), size):
        chunk = waiting[start : start + size]
        outputs = run_timed(run, [item for _, item in chunk])
        results.update(zip((index for index, _ in chunk), outputs, strict=True))
    return [results[index] for index in range(len(inputs))]


def run_timed(
    run: Callable[[list[Input]], Iterable[Result | Failure]], chunk: list[Input]
) -> list[Result | Failure]:
    """What ``run`` returns, each result with its equal share of the wall time."""
    started = time.perf_counter()
    outputs = list(run(chunk))
    seconds = (time.perf_counter() - started) / max(len(chunk), 1)
    return [
        output
        if isinstance(output, Failure)
        else replace(output, usage=replace(output.usage, seconds=seconds))
        for output in outputs
    ]
