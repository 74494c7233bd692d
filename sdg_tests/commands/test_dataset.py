"""`sdg dataset`: examples as files, read again by others' readers and by our training."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import soundfile
from datasets import load_dataset

from sdg_assets.commands.dataset import DatasetError, write_dataset
from sdg_assets.commands.run import run_stages, stages_upto
from sdg_assets.corpora.base import SourceUtterance
from sdg_assets.corpora.keys import Partition
from sdg_assets.corpora.nemo import NeMoManifest
from sdg_tests.factory import register_quiz
from sdg_tests.homes import live_in
from sdg_training.examples import open_examples
from sdg_training.recordings import Recordings, Sample

QUESTIONS = [
    {"question": "What did Abigail buy?", "answer": "a red lamp"},
    {"question": "Was kauft Abigail?", "answer": "北京"},
]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The files of a corpus; its home is in use."""
    folder = tmp_path_factory.mktemp("dataset")
    records = [
        {
            "id": f"p{number}",
            "split": "test" if number == 3 else "train",
            "context": f"Abigail bought {number} red lamps.",
            "questions": QUESTIONS,
        }
        for number in range(2, 5)
    ]
    with pytest.MonkeyPatch.context() as patch:
        live_in(folder / "home", patch)
        register_quiz(folder, records)
        assert not run_stages(Partition("quiz", "en"), stages_upto("training_examples")).failed
        write_dataset("quiz/en", folder / "out")
        yield folder / "out"


def test_a_recording_is_one_file_and_manifests_lead_to_it(written: Path) -> None:
    assert len(list((written / "audio").iterdir())) == 3
    found = [*NeMoManifest(path=str(written / "train.jsonl")).read("en")]
    assert len(found) == 4
    for utterance in found:
        assert isinstance(utterance, SourceUtterance)
        assert soundfile.info(utterance.audio.path).samplerate == 16_000
        assert "red lamps" in str(utterance.text)
    lines = [json.loads(line) for line in (written / "train.jsonl").read_text().splitlines()]
    assert {line["answer"] for line in lines} == {"a red lamp", "北京"}


def test_others_load_it(written: Path, tmp_path: Path) -> None:
    files = {split: str(written / f"{split}.jsonl") for split in ("train", "test")}
    loaded = load_dataset("json", data_files=files, cache_dir=str(tmp_path / "cache"))
    assert loaded["train"].num_rows == 4
    assert loaded["test"]["question"] == ["What did Abigail buy?", "Was kauft Abigail?"]


def test_training_reads_it_without_the_lake(written: Path) -> None:
    examples = open_examples(str(written / "train.parquet"))
    samples = Recordings(examples, f"file://{written}").__getitems__(range(len(examples)))
    for sample in samples:
        assert isinstance(sample, Sample)
        assert sample.audio is not None
        assert len(sample.audio) == pytest.approx(sample.example.duration * 16_000, abs=1)
    columns = pq.read_schema(written / "train.parquet").names
    assert {"example_id", "context", "method"} <= set(columns)


def test_what_was_written_is_told(
    written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset("quiz/en", tmp_path / "again")
    assert "6 examples (test 2, train 4) about 3 recordings, 0.00 hours" in capsys.readouterr().out


def test_nothing_is_overwritten_and_nothing_made_of_nothing(written: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="exists already"):
        write_dataset("quiz/en", written)
    with pytest.raises(DatasetError, match=r"has no training_examples: .* run quiz/de"):
        write_dataset("quiz/de", tmp_path / "other")
    assert not (tmp_path / "other").exists()
