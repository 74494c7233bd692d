"""Which test examples are asked, and what they are called."""

from pathlib import Path

import pyarrow as pa
from starlette.testclient import TestClient

from sdg_assets.commands.run import run_stages, stages_upto
from sdg_assets.corpora.keys import Partition
from sdg_assets.samples.app import build_app
from sdg_assets.settings import load_profile
from sdg_assets.stages.evaluation_sets import read_test_split
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
