"""Which items make each batch: of like lengths, within a budget of tokens, in a seeded order.

An *item* is an example for one task in one epoch, as one number. A batch holds items with audio or
items without, and the plan of a run is the same on however many processes it goes.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from torch.utils.data import Sampler

from sdg_training.examples import (
    Examples,
    SkipLog,
    has_context,
    open_examples,
    select_usable,
)
from sdg_training.recipe import Recipe
from sdg_training.salm import SALMProcessor
from sdg_training.tasks import TASKS, Task, write_turn

# (epoch * number of tasks + the task's place in TASKS) * number of examples + the example's row
Items = NDArray[np.int64]
Lengths = NDArray[np.int64]  # tokens, audio embeddings among them
_SORTED_TOGETHER = 64  # batches
_CHUNK = 4096  # rows whose texts are tokenized at once


@dataclass(frozen=True, slots=True)
class Pool:
    """The items of one task."""

    task: Task
    items: Items  # of epoch 0
    lengths: Lengths
    stride: int  # from an item to the same in the next epoch
    weight: float  # how often an epoch goes through them

    def sample(self, generator: np.random.Generator) -> NDArray[np.int64]:
        """Positions in ``items`` that an epoch uses: all, as often as the weight says in whole
        numbers, and its fraction of them at random."""
        whole, rest = divmod(self.weight, 1)
        some = generator.permutation(len(self.items))[: round(rest * len(self.items))]
        return np.concatenate([np.tile(np.arange(len(self.items)), int(whole)), some])


def split_item(item: int, num_examples: int) -> tuple[int, Task, int]:
    """The epoch, the task and the row that an item is made of."""
    place, row = divmod(item, num_examples)
    epoch, task = divmod(place, len(TASKS))
    return epoch, TASKS[task], row


def open_usable(
    source: str | pa.Table,
    processor: SALMProcessor,
    recipe: Recipe,
    skips: SkipLog,
    *,
    to_train: bool = False,
) -> Examples:
    """The examples whose rows have no fault; the others are counted.

    Args:
        to_train: recordings that nothing is asked about are of use too, where the recipe has the
            task ``asr``.

    Raises:
        ExamplesError: the table cannot be used, or no row of it can.
    """
    limit = min(recipe.max_audio_seconds, processor.max_seconds)
    words_serve = to_train and recipe.tasks.asr > 0
    return select_usable(
        open_examples(source), processor.audio_token, limit, skips, words_serve=words_serve
    )


def build_pools(examples: Examples, processor: SALMProcessor, recipe: Recipe) -> list[Pool]:
    """A pool for each task to which ``recipe.tasks`` gives a weight."""
    weights = recipe.tasks.model_dump()
    return [
        build_pool(examples, processor, task, weights[task], recipe.asr_question)
        for task in TASKS
        if weights[task]
    ]


def build_pool(
    examples: Examples, processor: SALMProcessor, task: Task, weight: float, asr_question: str
) -> Pool:
    """The examples that can serve ``task``: of each recording one for ``asr``."""
    rows = examples.find_recordings() if task == "asr" else examples.find_questions()
    if task != "qa":
        known = np.fromiter(map(has_context, examples.select(rows)), bool, len(rows))
        rows = rows[known]
    used = examples.select(rows)
    lengths = count_text_tokens(used, processor, task, asr_question)
    if task != "text":
        lengths += np.ceil(used.durations * processor.audio_tokens_per_second).astype(np.int64)
    items = TASKS.index(task) * len(examples) + rows
    return Pool(task, items, lengths, len(TASKS) * len(examples), weight)


def count_text_tokens(
    examples: Examples, processor: SALMProcessor, task: Task, asr_question: str
) -> Lengths:
    """Tokens of each example's texts, and of the chat template around them."""
    counts = np.full(len(examples), processor.template_tokens, np.int64)
    for start in range(0, len(examples), _CHUNK):
        part = examples.get(range(start, min(start + _CHUNK, len(examples))))
        turns = [write_turn(example, task, asr_question) for example in part]
        for texts in (
            [turn.question for turn in turns],
            [turn.answer for turn in turns],
            [turn.context or "" for turn in turns],
        ):
            encoded = processor.tokenizer(texts, add_special_tokens=False)["input_ids"]
            counts[start : start + len(part)] += [len(ids) for ids in encoded]
    return counts


def plan_epoch(pools: Sequence[Pool], recipe: Recipe, epoch: int) -> list[Items]:
    """The items of each batch, in an order that only the seed and the epoch decide."""
    generator = np.random.default_rng((recipe.seed, epoch))
    batches: list[Items] = []
    for items, lengths in _sample_kinds(pools, epoch, generator):
        plan = plan_batches(lengths, recipe.batch_size, recipe.batch_tokens, generator)
        batches += [items[batch] for batch in plan]
    generator.shuffle(batches)  # type: ignore[arg-type]
    return batches


def measure_plan(pools: Sequence[Pool], recipe: Recipe) -> tuple[float, float]:
    """The share of padding in the first epoch's batches, and in as large ones drawn at random."""
    generator = np.random.default_rng((recipe.seed, 0))
    planned: list[Lengths] = []
    at_random: list[Lengths] = []
    for _, lengths in _sample_kinds(pools, 0, generator):
        plan = plan_batches(lengths, recipe.batch_size, recipe.batch_tokens, generator)
        planned += [lengths[batch] for batch in plan]
        shuffled = generator.permutation(lengths)
        at_random += np.split(shuffled, range(recipe.batch_size, len(shuffled), recipe.batch_size))
    return measure_padding(planned), measure_padding(at_random)


def _sample_kinds(
    pools: Sequence[Pool], epoch: int, generator: np.random.Generator
) -> Iterator[tuple[Items, Lengths]]:
    """What an epoch uses of the items with audio, and of those without."""
    for with_audio in (True, False):
        kin = [pool for pool in pools if (pool.task != "text") == with_audio]
        if kin:
            yield _sample_pools(kin, epoch, generator)


def _sample_pools(
    pools: Sequence[Pool], epoch: int, generator: np.random.Generator
) -> tuple[Items, Lengths]:
    used = [(pool, pool.sample(generator)) for pool in pools]
    return (
        np.concatenate([pool.items[each] + epoch * pool.stride for pool, each in used]),
        np.concatenate([pool.lengths[each] for pool, each in used]),
    )


def iterate_plan(pools: Sequence[Pool], recipe: Recipe) -> Iterator[Items]:
    """The batches of all epochs."""
    for epoch in range(recipe.epochs):
        yield from plan_epoch(pools, recipe, epoch)


def count_batches(pools: Sequence[Pool], recipe: Recipe) -> int:
    """Batches of all epochs, or those of ``max_steps`` updates where that is less."""
    most = math.inf if recipe.max_steps is None else recipe.max_steps * recipe.accumulate
    total = 0
    for epoch in range(recipe.epochs):
        total += len(plan_epoch(pools, recipe, epoch))
        if total >= most:
            return int(most)
    return total


class RankSampler(Sampler[list[int]]):
    """One process's share of a run's batches: each ``world``-th, from the ``rank``-th on.

    All processes have as many: where the last round has none left for some, theirs is empty.
    """

    def __init__(
        self, pools: Sequence[Pool], recipe: Recipe, total: int, rank: int = 0, world: int = 1
    ) -> None:
        self.pools, self.recipe = pools, recipe
        self.rank, self.world, self.total = rank, world, total

    def __len__(self) -> int:
        return math.ceil(self.total / self.world)

    def __iter__(self) -> Iterator[list[int]]:
        batches = islice(iterate_plan(self.pools, self.recipe), self.total)
        own = (b.tolist() for n, b in enumerate(batches) if n % self.world == self.rank)
        for _ in range(len(self)):
            yield next(own, [])


def plan_batches(
    lengths: NDArray,
    batch_size: int,
    max_length: float,
    generator: np.random.Generator | None = None,
) -> list[NDArray[np.int64]]:
    """Indices in batches of like ``lengths``, each at most ``max_length`` long with its padding.

    With a generator the order is random: what is sorted together, and which batch comes when. One
    item longer than ``max_length`` is a batch of its own.
    """
    order = np.arange(len(lengths))
    window = len(lengths)
    if generator is not None:
        generator.shuffle(order)
        window = batch_size * _SORTED_TOGETHER
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order), max(1, window)):
        part = order[start : start + window]
        longest_first = part[np.argsort(-lengths[part], kind="stable")]
        batches += _cut(longest_first, lengths, batch_size, max_length)
    if generator is not None:
        generator.shuffle(batches)  # type: ignore[arg-type]
    return batches


def _cut(
    order: NDArray[np.int64], lengths: NDArray, batch_size: int, max_length: float
) -> list[NDArray[np.int64]]:
    """Batches of neighbours in ``order``, whose lengths fall."""
    batches = []
    start = 0
    while start < len(order):
        fit = int(max_length // max(lengths[order[start]], 1e-6))
        end = start + max(1, min(batch_size, fit))
        batches.append(order[start:end])
        start = end
    return batches


def measure_padding(batches: Iterable[NDArray]) -> float:
    """The share of the total length of batches, of these lengths, that is padding: 0..1"""
    real = padded = 0.0
    for lengths in batches:
        real += float(lengths.sum())
        padded += len(lengths) * float(lengths.max())
    return 1 - real / padded if padded else 0.0
