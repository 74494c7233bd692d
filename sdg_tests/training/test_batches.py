"""Plans of batches."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import ParakeetFeatureExtractor

from sdg_tests.training.dummies import byte_tokenizer, write_toys
from sdg_training.batches import (
    Pool,
    RankSampler,
    build_pools,
    count_batches,
    iterate_plan,
    measure_padding,
    plan_batches,
    plan_epoch,
    split_item,
)
from sdg_training.examples import open_examples
from sdg_training.recipe import Recipe, TaskWeights
from sdg_training.salm import SALMProcessor

LENGTHS = st.lists(st.floats(0.1, 60), min_size=1, max_size=60).map(np.array)


@pytest.fixture(scope="module")
def processor() -> SALMProcessor:
    extractor = ParakeetFeatureExtractor(feature_size=16)
    return SALMProcessor(extractor, byte_tokenizer(), [(3, 2, 2)] * 3, [(1, 1, 0)])


@given(LENGTHS, st.integers(1, 9), st.floats(1, 200), st.none() | st.integers(0, 9))
def test_a_plan_holds_each_row_once_within_its_bounds(
    lengths: np.ndarray, batch_size: int, max_length: float, seed: int | None
) -> None:
    generator = None if seed is None else np.random.default_rng(seed)
    plan = plan_batches(lengths, batch_size, max_length, generator)
    assert sorted(np.concatenate(plan)) == list(range(len(lengths)))
    for batch in plan:
        assert 1 <= len(batch) <= batch_size
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= max_length
    assert 0 <= measure_padding([lengths[batch] for batch in plan]) < 1


def test_like_lengths_share_a_batch() -> None:
    lengths = np.random.default_rng(0).uniform(1, 30, 2000)
    plan = plan_batches(lengths, 16, 600, np.random.default_rng(1))
    at_random = np.random.default_rng(1).permutation(2000).reshape(-1, 16)
    assert measure_padding([lengths[batch] for batch in plan]) < 0.05
    assert measure_padding([lengths[batch] for batch in at_random]) > 0.4


def test_the_seed_decides_the_order() -> None:
    lengths = np.random.default_rng(0).uniform(1, 30, 200)
    plans = [plan_batches(lengths, 8, 600, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    first, again, other = (np.concatenate(plan).tolist() for plan in plans)
    assert first == again != other


RECIPE = Recipe(batch_size=3, epochs=4, accumulate=2)


def make_pools(
    weights: TaskWeights, rows: int, folder: Path, processor: SALMProcessor
) -> list[Pool]:
    examples = open_examples(write_toys(folder, [{"recording": n // 2} for n in range(rows)]))
    return build_pools(examples, processor, RECIPE.model_copy(update={"tasks": weights}))


def test_tasks_share_an_epoch_by_their_weights(tmp_path: Path, processor: SALMProcessor) -> None:
    pools = make_pools(TaskWeights(qa=2, asr=1, text=0.5), 10, tmp_path, processor)
    plan = plan_epoch(pools, RECIPE, epoch=0)
    tasks = [[split_item(int(item), 10) for item in batch] for batch in plan]
    flat = [part for batch in tasks for part in batch]
    assert [sum(task == name for _, task, _ in flat) for name in ("qa", "asr", "text")] == [
        20,
        5,
        5,
    ]
    assert sorted(row for _, task, row in flat if task == "asr") == [0, 2, 4, 6, 8]  # per recording
    for batch in tasks:  # audio or text, never both
        assert len({task == "text" for _, task, _ in batch}) == 1
    assert {epoch for epoch, _, _ in flat} == {0}
    again = plan_epoch(pools, RECIPE, epoch=0)
    assert [batch.tolist() for batch in plan] == [batch.tolist() for batch in again]
    other = plan_epoch(pools, RECIPE, epoch=1)
    assert [batch.tolist() for batch in plan] != [batch.tolist() for batch in other]
    assert {split_item(int(item), 10)[0] for batch in other for item in batch} == {1}


def test_what_asks_nothing_is_for_transcribing_alone(
    tmp_path: Path, processor: SALMProcessor
) -> None:
    nothing = {"question": "", "answer": ""}
    examples = open_examples(write_toys(tmp_path, [{}, nothing, nothing | {"recording": 0}]))
    recipe = RECIPE.model_copy(update={"tasks": TaskWeights(asr=1, text=1)})
    rows = {
        pool.task: [split_item(int(item), 3)[2] for item in pool.items]
        for pool in build_pools(examples, processor, recipe)
    }
    assert rows == {"qa": [0], "asr": [0, 1], "text": [0]}


def test_lengths_are_those_of_the_tokens(tmp_path: Path, processor: SALMProcessor) -> None:
    examples = open_examples(write_toys(tmp_path, [{"question": "谁?", "answer": "she"}] * 2))
    recipe = RECIPE.model_copy(update={"tasks": TaskWeights(asr=1, text=1)})
    qa, asr, text = build_pools(examples, processor, recipe)
    seconds, template = [0.5, 1.0], processor.template_tokens
    assert template == 5  # <|user|>, a line for the audio, the end of the line, <|assistant|>, </s>
    assert qa.lengths.tolist() == [
        template + 7 + math.ceil(s * processor.audio_tokens_per_second) for s in seconds
    ]
    assert text.lengths.tolist() == [template + 7 + len("nothing is said")] * 2
    assert asr.lengths.tolist() == [
        template
        + len("Transcribe the speech.nothing is said")
        + math.ceil(s * processor.audio_tokens_per_second)
        for s in seconds
    ]


@pytest.mark.parametrize("world", [1, 2, 3])
def test_processes_share_the_plan_of_one(
    tmp_path: Path, processor: SALMProcessor, world: int
) -> None:
    pools = make_pools(TaskWeights(), 16, tmp_path, processor)
    total = count_batches(pools, RECIPE) - 1  # what two or three cannot share evenly
    whole = [batch.tolist() for batch in iterate_plan(pools, RECIPE)][:total]
    shares = [list(RankSampler(pools, RECIPE, total, rank, world)) for rank in range(world)]
    assert [len(RankSampler(pools, RECIPE, total, 0, world))] * world == [len(s) for s in shares]
    turns = [batch for turn in zip(*shares, strict=True) for batch in turn]
    assert turns[:total] == whole
    assert turns[total:] == [[]] * (-total % world)
    assert total % 6 == 5


def test_steps_may_end_a_plan_early(tmp_path: Path, processor: SALMProcessor) -> None:
    pools = make_pools(TaskWeights(), 16, tmp_path, processor)
    assert count_batches(pools, RECIPE.model_copy(update={"max_steps": 3})) == 6
    never = RECIPE.model_copy(update={"max_steps": 3, "epochs": 10**12})
    assert count_batches(pools, never) == 6  # no more is planned than is used


def test_a_task_that_no_weight_is_given_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one of qa, asr and text"):
        TaskWeights(qa=0)
