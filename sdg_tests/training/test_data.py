"""Rows, recordings, batches."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader
from transformers import ParakeetFeatureExtractor

from sdg_tests.training.dummies import byte_tokenizer, encode_flac, noise, write_examples
from sdg_training.data import (
    COLUMNS,
    IGNORED,
    Batch,
    Collator,
    ExamplesError,
    Recordings,
    Sample,
    Skip,
    SkipLog,
    get_examples,
    measure_padding,
    plan_batches,
    read_examples,
    select_usable,
)
from sdg_training.salm import SALMProcessor

LENGTHS = st.lists(st.floats(0.1, 60), min_size=1, max_size=60).map(np.array)


@pytest.fixture(scope="module")
def processor() -> SALMProcessor:
    extractor = ParakeetFeatureExtractor(feature_size=16)
    return SALMProcessor(extractor, byte_tokenizer(), [(3, 2, 2)] * 3, [(1, 1, 0)])


def write_toys(folder: Path, rows: list[dict[str, Any]]) -> pa.Table:
    recordings = [encode_flac(noise(0.5 * (index + 1), index)) for index in range(len(rows))]
    durations = [{"duration": 0.5 * (index + 1)} | row for index, row in enumerate(rows)]
    return write_examples(folder, recordings, durations)


@pytest.mark.parametrize("kind", ["parquet", "folder", "arrow"])
def test_tables_are_read_from_files(tmp_path: Path, kind: str) -> None:
    table = write_toys(tmp_path, [{}, {"speaker": None}]).append_column("split", [["train"] * 2])
    if kind == "arrow":
        path = tmp_path / "examples.arrow"
        feather.write_feather(table, path)
    else:
        path = tmp_path / "examples" / "part.parquet"
        path.parent.mkdir()
        pq.write_table(table, path)
    read = read_examples(str(path.parent if kind == "folder" else path))
    assert read.column_names == list(COLUMNS)
    assert get_examples(read, [1, 0])[0].speaker is None


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    table = write_toys(tmp_path, [{}]).drop_columns(["answer", "duration"])
    pq.write_table(table, tmp_path / "examples.parquet")
    with pytest.raises(ExamplesError, match="lacks the columns answer, duration"):
        read_examples(str(tmp_path / "examples.parquet"))


def test_no_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ExamplesError, match="cannot be read"):
        read_examples(str(tmp_path / "none.parquet"))


def test_rows_with_faults_are_counted_and_left_out(tmp_path: Path) -> None:
    rows = [
        {},
        {"answer": " \n"},
        {"answer": None},
        {"question": ""},
        {"question": "what is <|audio|>?"},
        {"duration": 61.0},
        {"duration": 0.02},
    ]
    skips = SkipLog()
    table = select_usable(write_toys(tmp_path, rows), "<|audio|>", 60.0, skips)
    assert table["example_id"].to_pylist() == ["example-0"]
    assert skips.count() == {
        "empty_answer": 2,
        "empty_question": 1,
        "placeholder_in_text": 1,
        "audio_too_long": 1,
        "audio_too_short": 1,
    }
    assert skips.describe()[0] == "skipped 2 (empty_answer), for one example-1: the answer is empty"


def test_no_usable_row_is_an_error_that_says_why(tmp_path: Path) -> None:
    table = write_toys(tmp_path, [{"answer": ""}])
    with pytest.raises(ExamplesError, match=r"no example to use: skipped 1 \(empty_answer\)"):
        select_usable(table, "<|audio|>", 60.0, SkipLog())
    with pytest.raises(ExamplesError, match="the table has no rows"):
        select_usable(table.slice(0, 0), "<|audio|>", 60.0, SkipLog())


def test_an_example_is_skipped_once_though_its_name_is_not_unique(tmp_path: Path) -> None:
    table = write_toys(tmp_path, [{"example_id": "a"}, {"example_id": "a", "source_corpus": "b"}])
    skips = SkipLog()
    for example in get_examples(table, [0, 1, 0]):
        skips.add([Skip(example, "unreadable_audio", "")])
    assert len(skips) == 2
    assert [skip.example_id for skip in skips.examples] == ["a", "a"]


def test_recordings_are_read_by_their_bytes(tmp_path: Path) -> None:
    recordings = Recordings(write_toys(tmp_path, [{}] * 4), f"file://{tmp_path}")
    samples = recordings.__getitems__([2, 0])
    for sample, seconds, seed in zip(samples, (1.5, 0.5), (2, 0), strict=True):
        assert isinstance(sample, Sample)
        assert sample.audio is not None
        np.testing.assert_allclose(sample.audio, noise(seconds, seed), atol=1e-4)
    assert isinstance(pickle.loads(pickle.dumps(recordings))[3], Sample)


def test_what_cannot_be_heard_is_a_skip_with_its_reason(tmp_path: Path) -> None:
    whole = encode_flac(noise(1.0, 0))
    recordings = [
        whole,
        b"no audio at all" * 100,
        whole[: len(whole) // 3],
        encode_flac(noise(1.0, 1), rate=8_000),
        encode_flac(np.zeros((16_000, 2), np.float32)),
        encode_flac(noise(0.5, 2)),
        encode_flac(np.zeros(0, np.float32)),
        whole,
        whole,
    ]
    rows: list[dict[str, Any]] = [{} for _ in recordings]
    rows[7]["shard"] = "absent.tar"
    rows[8]["byte_offset"] = 10**9
    table = write_examples(tmp_path, recordings, rows)
    first, *others = Recordings(table, str(tmp_path)).__getitems__(range(9))
    assert isinstance(first, Sample)
    assert [skip.reason for skip in others if isinstance(skip, Skip)] == [
        "unreadable_audio",
        "unreadable_audio",
        "wrong_audio_format",
        "wrong_audio_format",
        "wrong_audio_length",
        "unreadable_audio",
        "missing_audio",
        "unreadable_audio",
    ]


def collate(
    folder: Path, processor: SALMProcessor, rows: list[dict[str, Any]], max_tokens: int = 500
) -> Batch:
    recordings = Recordings(write_toys(folder, rows), str(folder))
    return Collator(processor, max_tokens)(recordings.__getitems__(range(len(rows))))


def test_a_batch_is_padded_on_the_left_and_labels_answers_only(
    tmp_path: Path, processor: SALMProcessor
) -> None:
    answers = ["she", "北京 and more"]
    inputs = collate(tmp_path, processor, [{"answer": answer} for answer in answers]).inputs
    end = processor.end_token_id
    assert end == processor.tokenizer.pad_token_id
    rows = zip(*(inputs[name] for name in ("input_ids", "attention_mask", "labels")), strict=True)
    for (ids, mask, labels), answer, count in zip(rows, answers, (7, 13), strict=True):
        real = ids[mask.bool()]
        assert mask.tolist() == sorted(mask.tolist())  # padding comes first
        prompt = processor.build_prompt("what is said?")
        placeholders = processor.audio_token * count
        text = prompt.replace(processor.audio_token, placeholders) + f"{answer}</s>"
        assert processor.tokenizer.decode(real) == text
        learnt = labels[labels != IGNORED]
        assert processor.tokenizer.decode(learnt) == f"{answer}</s>"
        assert learnt[-1] == labels[-1] == end
        assert labels[~mask.bool()].eq(IGNORED).all()
    assert inputs["logits_to_keep"] == len("北京 and more".encode()) + 2
    assert inputs["input_features"].shape == (2, 101, 16)


def test_too_many_tokens_are_a_skip(tmp_path: Path, processor: SALMProcessor) -> None:
    rows = [{"answer": "a"}, {"answer": "b" * 400}, {"answer": "c"}]
    batch = collate(tmp_path, processor, rows, max_tokens=200)
    assert [example.answer for example in batch.examples] == ["a", "c"]
    assert [skip.reason for skip in batch.skips] == ["too_many_tokens"]
    assert len(batch.inputs["input_features"]) == len(batch.inputs["input_ids"]) == 2
    nothing = collate(tmp_path, processor, rows, max_tokens=20)
    assert (nothing.examples, len(nothing.skips)) == ([], 3)


def test_encoder_states_take_the_place_of_audio(tmp_path: Path, processor: SALMProcessor) -> None:
    examples = get_examples(write_toys(tmp_path, [{}, {}]), [0, 1])
    states = [torch.ones(4, 8), torch.ones(6, 8)]
    batch = Collator(processor, 500)(
        [Sample(*pair) for pair in zip(examples, (None, None), states, strict=True)]
    )
    assert batch.inputs["encoder_states"].shape == (2, 6, 8)
    assert batch.inputs["encoder_mask"].sum(-1).tolist() == [4, 6]
    placeholders = batch.inputs["input_ids"] == processor.audio_token_id
    assert placeholders.sum(-1).tolist() == [4, 6]


def test_processes_read_as_one_does(tmp_path: Path, processor: SALMProcessor) -> None:
    recordings = Recordings(write_toys(tmp_path, [{}] * 6), str(tmp_path))
    plan = [[0, 5], [3], [1, 2, 4]]
    loaders = [
        DataLoader(recordings, batch_sampler=plan, collate_fn=Collator(processor, 500), **how)
        for how in ({}, {"num_workers": 2, "multiprocessing_context": "fork"})
    ]
    for alone, together in zip(*loaders, strict=True):
        assert alone.examples == together.examples
        assert alone.inputs["input_features"].equal(together.inputs["input_features"])


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
    assert 0 <= measure_padding(plan, lengths) < 1


def test_like_lengths_share_a_batch() -> None:
    lengths = np.random.default_rng(0).uniform(1, 30, 2000)
    plan = plan_batches(lengths, 16, 600, np.random.default_rng(1))
    at_random = np.random.default_rng(1).permutation(2000).reshape(-1, 16)
    assert measure_padding(plan, lengths) < 0.05
    assert measure_padding(at_random, lengths) > 0.4


def test_the_seed_decides_the_order() -> None:
    lengths = np.random.default_rng(0).uniform(1, 30, 200)
    plans = [plan_batches(lengths, 8, 600, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    first, again, other = (np.concatenate(plan).tolist() for plan in plans)
    assert first == again != other
