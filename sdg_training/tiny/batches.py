"""Batches of like lengths, which waste little on padding."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from sdg_training.tiny.speech import Utterance

Item = TypeVar("Item")
POOL = 1000  # utterances sorted by length at once


def iterate_pools(rng: random.Random, utterances: Sequence[Utterance]) -> Iterator[list[Utterance]]:
    """All utterances once, in random pools, each of them with the shortest first."""
    shuffled = rng.sample(utterances, len(utterances))
    for start in range(0, len(shuffled), POOL):
        yield sorted(shuffled[start : start + POOL], key=lambda u: len(u.audio))


def chunk(
    pool: Sequence[Item], measure: Callable[[Item], int], budget: float
) -> Iterator[list[Item]]:
    """Batches of a pool that has its shortest first, each within ``budget`` with its padding."""
    batch: list[Item] = []
    for item in pool:  # the newest is the longest
        if batch and (len(batch) + 1) * measure(item) > budget:
            yield batch
            batch = []
        batch.append(item)
    yield batch
