"""What early stopping measures, and what it says of examples that it cannot use."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sdg_tests.training.dummies import write_toys
from sdg_tests.training.salm.test_modeling_salm import build
from sdg_tests.training.test_encoder_cache import Recorder
from sdg_training.examples import ExamplesError
from sdg_training.recipe import EarlyStopping, Recipe, TrainConfig
from sdg_training.validation import build_validation


class Listener(Recorder):
    """A reporter that keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def log(self, message: str) -> None:
        self.lines.append(message)


def open_validation(
    folder: Path, encoder: Path, llm: Path, rows: list[dict[str, Any]], **recipe: Any
) -> tuple[Callable[[], float], list[str]]:
    table: pa.Table = write_toys(folder, rows)
    pq.write_table(table, folder / "validation.parquet")
    config = TrainConfig(
        examples="",
        validation=str(folder / "validation.parquet"),
        blobs=str(folder),
        output=folder / "out",
        recipe=Recipe(early_stopping=EarlyStopping(), **recipe),
    )
    listener = Listener()
    validate = build_validation(*build(encoder, llm), config, listener)
    assert validate is not None
    return validate, listener.lines


def test_what_cannot_be_used_is_told_once(tmp_path: Path, encoder: Path, llm: Path) -> None:
    rows = [{}, {"answer": ""}, {"shard": "absent.tar"}, {"question": "w" * 90}]
    validate, lines = open_validation(tmp_path, encoder, llm, rows, max_tokens=80)
    assert [line.split(", for")[0] for line in lines] == ["validation: skipped 1 (empty_answer)"]
    assert validate() == validate()
    assert sorted(line.split(", for")[0] for line in lines[1:]) == [
        "validation: skipped 1 (missing_audio)",
        "validation: skipped 1 (too_many_tokens)",
    ]


def test_no_recording_that_can_be_heard_is_an_error(
    tmp_path: Path, encoder: Path, llm: Path
) -> None:
    validate, _ = open_validation(tmp_path, encoder, llm, [{"shard": "absent.tar"}] * 3)
    with pytest.raises(ExamplesError, match=r"no validation example to use: skipped 3 \(missing"):
        validate()
