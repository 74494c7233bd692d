"""Rows of a table that is not in memory."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdg_tests.training.dummies import write_toys
from sdg_training.examples import (
    COLUMNS,
    Examples,
    ExamplesError,
    Skip,
    SkipLog,
    open_examples,
    select_unskipped,
    select_usable,
)


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
    read = open_examples(str(path.parent if kind == "folder" else path))
    assert read.get([1, 0])[0].speaker is None
    assert list(read) == list(open_examples(table))
    assert [example.duration for example in read] == read.durations.tolist() == [0.5, 1.0]


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    table = write_toys(tmp_path, [{}]).drop_columns(["answer", "duration"])
    pq.write_table(table, tmp_path / "examples.parquet")
    with pytest.raises(ExamplesError, match="lacks the columns answer, duration"):
        open_examples(str(tmp_path / "examples.parquet"))


def test_no_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ExamplesError, match="cannot be read"):
        open_examples(str(tmp_path / "none.parquet"))


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
    usable = select_usable(open_examples(write_toys(tmp_path, rows)), "<|audio|>", 60.0, skips)
    assert [example.example_id for example in usable] == ["example-0"]
    assert skips.count() == {
        "empty_answer": 2,
        "empty_question": 1,
        "placeholder_in_text": 1,
        "audio_too_long": 1,
        "audio_too_short": 1,
    }
    assert skips.describe()[0] == "skipped 2 (empty_answer), for one example-1: the answer is empty"


def test_rows_without_a_place_or_a_duration_are_left_out(tmp_path: Path) -> None:
    rows = [
        {},
        {"duration": None},
        {"duration": math.nan},
        {"byte_offset": None},
        {"byte_length": None},
        {"shard": None, "source_corpus": None},
    ]
    table = write_toys(tmp_path, rows)
    skips = SkipLog()
    usable = select_usable(open_examples(table), "<|audio|>", 60.0, skips)
    assert [example.example_id for example in usable] == ["example-0"]
    assert usable.find_recordings().tolist() == [0]
    assert skips.count() == {"missing_value": 5}
    names = ("duration", "duration", "byte_offset", "byte_length", "shard")
    for skip, name in zip(skips.examples, names, strict=True):
        assert f"the column {name} holds no usable value" in skip.detail


def test_a_column_of_nulls_alone_is_no_error(tmp_path: Path) -> None:
    table = write_toys(tmp_path, [{"duration": None, "byte_offset": None}])
    assert table.schema.field("duration").type == pa.null()
    with pytest.raises(ExamplesError, match=r"skipped 1 \(missing_value\)"):
        select_usable(open_examples(table), "<|audio|>", 60.0, SkipLog())


def test_what_asks_nothing_serves_if_its_words_do(tmp_path: Path) -> None:
    nothing = {"question": None, "answer": None}
    rows = [{}, nothing, nothing | {"context": " "}, nothing | {"answer": "it"}]
    table = write_toys(tmp_path, rows)
    skips = SkipLog()
    usable = select_usable(open_examples(table), "<|audio|>", 60.0, skips, words_serve=True)
    assert [example.example_id for example in usable] == ["example-0", "example-1"]
    assert usable.find_questions().tolist() == [0]
    assert usable.select(np.array([1])).find_questions().tolist() == []
    assert skips.count() == {"empty_question": 2}
    select_usable(open_examples(table), "<|audio|>", 60.0, skips)
    assert skips.count() == {"empty_question": 2, "no_question": 1}


def test_no_usable_row_is_an_error_that_says_why(tmp_path: Path) -> None:
    table = write_toys(tmp_path, [{"answer": ""}])
    with pytest.raises(ExamplesError, match=r"no example to use: skipped 1 \(empty_answer\)"):
        select_usable(open_examples(table), "<|audio|>", 60.0, SkipLog())
    with pytest.raises(ExamplesError, match="the table has no rows"):
        select_usable(open_examples(table.slice(0, 0)), "<|audio|>", 60.0, SkipLog())


def test_an_example_is_skipped_once_though_its_name_is_not_unique(tmp_path: Path) -> None:
    table = write_toys(tmp_path, [{"example_id": "a"}, {"example_id": "a", "source_corpus": "b"}])
    skips = SkipLog()
    for example in open_examples(table).get([0, 1, 0]):
        skips.add([Skip(example, "unreadable_audio", "")])
    assert len(skips) == 2
    assert [skip.example_id for skip in skips.examples] == ["a", "a"]


def test_a_log_of_skips_survives_json_and_knows_little_of_each(tmp_path: Path) -> None:
    table = write_toys(tmp_path, [{"context": "x" * 4000}])
    [example] = open_examples(table)
    log = SkipLog(
        Skip(replace(example, example_id=f"{n}"), ("odd", "even")[n % 2 == 0], f"number {n}")
        for n in range(2500)
    )
    restored = SkipLog.restore(json.loads(json.dumps(log.dump())))
    assert len(json.dumps(log.dump())) < 2500 * 100
    merged = SkipLog(log.examples[:10])
    merged.merge(log)
    for again in (restored, merged):
        assert again.count() == log.count() == {"even": 1250, "odd": 1250}
        assert again.describe() == log.describe()
        assert again.describe()[1] == "skipped 1250 (odd), for one 1: number 1"
        details = {skip.example.key: skip.detail for skip in again.examples}
        assert details == {skip.example.key: skip.detail for skip in log.examples}
    assert example not in log
    assert replace(example, example_id="2499") in restored


@given(st.lists(st.integers(0, 3), max_size=6), st.data())
def test_rows_are_found_in_whichever_batch_they_are(sizes: list[int], data: st.DataObject) -> None:
    numbers = iter(range(100))
    batches = [
        pa.RecordBatch.from_pylist([make_row(next(numbers)) for _ in range(size)], SCHEMA)
        for size in sizes
    ]
    examples = Examples(batches)
    assert [example.byte_offset for example in examples] == list(range(sum(sizes)))
    wanted = data.draw(
        st.lists(st.integers(0, sum(sizes) - 1), max_size=9) if sum(sizes) else st.just([])
    )
    assert [example.byte_offset for example in examples.get(wanted)] == wanted
    some = examples.select(np.array(wanted, np.int64))
    assert [example.byte_offset for example in some] == wanted
    assert some.durations.tolist() == [float(number) for number in wanted]


SCHEMA = pa.schema(
    [
        (
            name,
            {"byte_offset": pa.int64(), "byte_length": pa.int64(), "duration": pa.float64()}.get(
                name, pa.string()
            ),
        )
        for name in COLUMNS
    ]
)


def make_row(number: int) -> dict[str, object]:
    return {"shard": "s", "byte_offset": number, "duration": float(number)}


def test_one_row_stands_for_each_recording(tmp_path: Path) -> None:
    table = write_toys(tmp_path, [{"recording": number} for number in (2, 0, 2, 1, 0)])
    assert open_examples(table).find_recordings().tolist() == [0, 1, 3]
    other = pa.Table.from_pylist([{**row, "shard": "other.tar"} for row in table.to_pylist()])
    both = open_examples(pa.concat_tables([table, other]))
    assert both.find_recordings().tolist() == [0, 1, 3, 5, 6, 8]
    assert both.select(np.array([7, 5, 2])).find_recordings().tolist() == [0, 2]


def test_what_was_skipped_is_left_out(tmp_path: Path) -> None:
    examples = open_examples(write_toys(tmp_path, [{}] * 3))
    skips = SkipLog([Skip(examples[1], "unreadable_audio", "")])
    kept = [example.example_id for example in select_unskipped(examples, skips)]
    assert kept == ["example-0", "example-2"]


def test_the_table_is_not_in_memory(tmp_path: Path) -> None:
    """A hundred thousand rows of a kilobyte: their file is read, not kept."""
    row = write_toys(tmp_path, [{"context": "x" * 1000}])
    with pq.ParquetWriter(tmp_path / "many.parquet", row.schema) as writer:
        for _ in range(20):
            writer.write_table(pa.concat_tables([row] * 5000))
    before = pa.total_allocated_bytes()
    examples = open_examples(str(tmp_path / "many.parquet"))
    assert len(examples) == 100_000
    assert examples[99_999].context == "x" * 1000
    assert pa.total_allocated_bytes() - before < 20e6  # of 100 MB
