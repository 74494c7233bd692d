"""Killed with -9 in the middle, then run again: no recorded call twice, and the same tables."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from sdg_assets.commands.run import run_stages
from sdg_assets.corpora.keys import Partition
from sdg_assets.workspace import Workspace, open_workspace
from sdg_tests.factory import register, register_folder, write_profile, write_speech
from sdg_tests.worlds import passages

CHUNK = 2
CONTEXTS = 30  # seconds of each stage: time to be killed in


@pytest.fixture
def talks(tmp_path: Path) -> Path:
    write_speech(tmp_path / "talks" / "en", passages("en", CONTEXTS))
    return tmp_path


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    lines = [
        f'{{"context": "{text}", "question": "What happened?", "answer": "{text.split()[0]}"}}'
        for text in passages("en", 4 * CONTEXTS)
    ]
    (tmp_path / "questions.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


def make_home(home: Path, corpora: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new home folder with the corpora registered; the path of its profile."""
    home.mkdir()
    monkeypatch.setenv("SDG_HOME", str(home))
    if (corpora / "talks").exists():
        register_folder(corpora, "talks", "unlabelled_speech", ["en"])
    if (corpora / "questions.jsonl").exists():
        register(
            corpora,
            name="questions",
            kind="text_qa",
            languages=["en"],
            reader={"layout": "jsonl_qa", "path": "questions.jsonl"},
        )
    return write_profile(home / "profile.yaml", chunk=CHUNK)


def run_until_killed(partition: Partition, stage: str, profile: str, home: Path) -> int:
    """Run a stage in a process that is killed once two chunks are recorded; how many calls were."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from sdg_assets.cli import main; main()", "run",
         f"{partition.corpus}/{partition.language}", "--only", stage, "--profile", profile],
        env={**os.environ, "SDG_HOME": str(home)},
        start_new_session=True,
    )  # fmt: skip
    lake = open_workspace(home).lake
    try:
        while process.poll() is None:
            if lake.read("model_calls", where={"stage": stage}).num_rows >= 2 * CHUNK:
                break
            time.sleep(0.02)
        assert process.poll() is None, f"{stage} ended before it could be killed"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return lake.read("model_calls", where={"stage": stage}).num_rows


def read(workspace: Workspace, table: str) -> pa.Table:
    return workspace.lake.read(table, order_by=["corpus", "language", *_second(table)])


def _second(table: str) -> list[str]:
    from sdg_assets.storage.tables import identity_column

    return [identity_column(table)]


CASES = [
    ("talks", ["raw_audio"], "pseudo_labels"),
    ("talks", ["raw_audio", "pseudo_labels"], "generated_qa"),
    ("questions", ["text_qa"], "synthesized_speech"),
]


@pytest.mark.parametrize(("corpus", "before", "stage"), CASES, ids=[case[2] for case in CASES])
def test_a_killed_stage_resumes(
    corpus: str,
    before: list[str],
    stage: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    corpora = request.getfixturevalue(corpus)
    partition = Partition(corpus, "en")

    disturbed = tmp_path / "disturbed"
    profile = make_home(disturbed, corpora, monkeypatch)
    assert run_stages(partition, before, profile=profile).failed == {}
    recorded = run_until_killed(partition, stage, profile, disturbed)
    assert run_stages(partition, [stage], profile=profile).failed == {}
    resumed = open_workspace(disturbed)

    undisturbed = tmp_path / "undisturbed"
    profile = make_home(undisturbed, corpora, monkeypatch)
    assert run_stages(partition, [*before, stage], profile=profile).failed == {}
    whole = open_workspace(undisturbed)

    calls = resumed.lake.read("model_calls", where={"stage": stage}).to_pylist()
    assert set(Counter(call["key"] for call in calls).values()) == {1}
    assert len({call["run_id"] for call in calls}) == 2
    assert recorded % CHUNK == 0
    assert recorded < len(calls)
    assert read(resumed, stage).equals(read(whole, stage))
    assert read(resumed, stage).num_rows > 0
    shards = {blob.key for blob in resumed.blobs.find()}
    assert len(shards - {blob.key for blob in whole.blobs.find()}) <= 1
