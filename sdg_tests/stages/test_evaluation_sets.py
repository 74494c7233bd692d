"""Which test examples are asked, and what they are called."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from sdg_assets.commands.run import run_stages, stages_upto
from sdg_assets.corpora.keys import Partition
from sdg_assets.samples.app import build_app
from sdg_assets.settings import load_profile
from sdg_assets.stages.evaluation_sets import read_test_split, sample_examples
from sdg_assets.stages.run import StageRun
from sdg_assets.workspace import Workspace, open_workspace
from sdg_tests.factory import register, register_quiz

RECORD = {"id": "q1", "split": "test", "context": "The lamp is red.", "answer": "The lamp"}


def test_a_mixture_s_examples_are_asked_once_and_found_by_their_own_ids(
    home: Path, tmp_path: Path
) -> None:
    register_quiz(tmp_path, [{**RECORD, "question": "Which?"}])
    register(tmp_path, name="mix", kind="mixture", languages=["en", "mul"], members=["quiz"])
    assert not run_stages(Partition("quiz", "en"), stages_upto("training_examples")).failed
    for united in ("en", "mul"):
        assert not run_stages(Partition("mix", united), ["training_examples"]).failed
    workspace = open_workspace()
    client = TestClient(build_app(workspace))
    for language in ("en", "mul"):
        [row] = read_test_split(open_run(workspace, language), "mix").to_pylist()
        page = f"/{row['source_corpus']}/{row['source_language']}/{row['example_id']}"
        assert page == "/quiz/en/q1"
        assert client.get(page).status_code == 200


def test_a_set_without_test_examples_stands_beside_others(home: Path, tmp_path: Path) -> None:
    register_quiz(tmp_path, [{**RECORD, "question": "Which?"}])
    register_quiz(tmp_path, [{**RECORD, "question": "Which?", "split": "train"}], "trained")
    register(tmp_path, name="mix", kind="mixture", languages=["en"], members=["quiz", "trained"])
    for name in ("quiz", "trained"):
        assert not run_stages(Partition(name, "en"), stages_upto("training_examples")).failed
    run = open_run(open_workspace(), "en")
    examples = pa.concat_tables([read_test_split(run, name) for name in ("quiz", "trained")])
    assert examples["corpus"].to_pylist() == ["quiz"]


def make_examples(sizes: Mapping[str, int]) -> pa.Table:
    """So many of each language: by four speakers, each with three recordings asked about."""
    return pa.Table.from_pylist(
        [
            {
                "source_language": language,
                "source_corpus": "talks",
                "speaker": f"{language} {number % 4}",
                "audio_sha256": f"{language} {number % 12}",
                "example_id": f"{language} {number:03d}",
            }
            for language, size in sizes.items()
            for number in range(size)
        ]
    )


def count(examples: pa.Table, column: str) -> Counter[str]:
    return Counter(examples[column].to_pylist())


@pytest.mark.parametrize(
    ("limit", "shares"),
    [
        (24, {"de": 8, "hi": 8, "zh": 8}),
        (60, {"de": 26, "hi": 26, "zh": 8}),  # what zh lacks the others have
        (108, {"de": 60, "hi": 40, "zh": 8}),
    ],
)
def test_a_sample_is_spread_over_languages(limit: int, shares: dict[str, int]) -> None:
    examples = make_examples({"de": 200, "hi": 40, "zh": 8})
    sample = sample_examples(examples, limit)
    assert count(sample, "source_language") == shares
    assert sample == sample_examples(examples, limit)
    names = sample["example_id"].to_pylist()
    assert names == sorted(names)  # the order in which they stood
    assert names[:8] != [f"de {number:03d}" for number in range(8)]


def test_a_sample_is_spread_over_speakers_and_recordings() -> None:
    sample = sample_examples(make_examples({"de": 240, "zh": 24}), 2 * 12)
    assert set(count(sample, "speaker").values()) == {3}
    assert set(count(sample, "audio_sha256").values()) == {1}


def test_a_recording_of_an_unknown_speaker_is_as_good_as_a_speaker() -> None:
    rows = make_examples({"de": 48}).to_pylist()
    rows = [
        {**row, "speaker": row["speaker"] if row["speaker"] == "de 0" else None} for row in rows
    ]
    sample = sample_examples(pa.Table.from_pylist(rows), 10)  # 1 speaker, 9 recordings
    assert count(sample, "speaker") == {"de 0": 1, None: 9}
    assert len(count(sample, "audio_sha256")) == 10


@pytest.mark.parametrize("limit", [None, 32, 1000])
def test_a_limit_that_is_not_reached_takes_all(limit: int | None) -> None:
    examples = make_examples({"de": 20, "hi": 10, "zh": 2})
    assert sample_examples(examples, limit) == examples
    assert sample_examples(examples.slice(0, 0), limit).num_rows == 0


def open_run(workspace: Workspace, language: str) -> StageRun:
    return StageRun(
        stage="rouge_l_scores",
        corpus=workspace.corpus("mix"),
        language=language,
        workspace=workspace,
        version=workspace.lake.snapshot(),
        profile=load_profile("tiny"),
        run_id="",
        report=lambda progress: None,
        launch=lambda command: None,
    )
