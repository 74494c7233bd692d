"""A checkpoint through Dagster: what lies beside it, and trainings killed and on two processes."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from sdg_assets.commands.run import run_partitions, run_stages, stages_upto
from sdg_assets.corpora.keys import Partition
from sdg_assets.settings import SettingsError
from sdg_assets.trace import trace
from sdg_assets.workspace import open_workspace
from sdg_tests.factory import SENTENCES, register, register_quiz, write_speech
from sdg_tests.processes import run_sdg, start_sdg

QUIZ = Partition("quiz", "en")
RECIPE = {"epochs": 100, "max_steps": 60, "save_every": 5}
TRAIN = (
    "run", "quiz/en", "--only", "trained_checkpoints",
    "--set", f"trained_checkpoints.recipe={json.dumps(RECIPE)}",
)  # fmt: skip


def prepare(home: Path, folder: Path) -> None:
    records = [
        {
            "id": f"p{number}",
            "split": "validation" if number == 3 else "train",
            "context": f"Abigail bought {number} red lamps.",
            "questions": [{"question": "What was bought?", "answer": f"{number} red lamps"}],
        }
        for number in range(2, 6)
    ]
    register_quiz(folder, records)
    assert not run_stages(QUIZ, stages_upto("training_examples")).failed


def test_recordings_are_transcribed_without_a_question(home: Path, tmp_path: Path) -> None:
    prepare(home, tmp_path)
    texts = [f"{text} {number}" for number in "12345" for text in SENTENCES["en"]]
    write_speech(tmp_path / "talks" / "en", texts)
    split = {"by": "utterance", "train": 0.5, "validation": 0.0, "test": 0.5}
    reader = {"layout": "folder", "path": "talks/{language}"}
    kind = "labelled_speech"
    register(tmp_path, name="talks", kind=kind, languages=["en"], reader=reader, split=split)
    lists = {"members": ["quiz"], "transcribe": ["talks"], "evaluate_on": ["quiz"]}
    register(tmp_path, name="mix", kind="mixture", languages=["en"], **lists)
    mixture, talks = Partition("mix", "en"), Partition("talks", "en")
    with pytest.raises(SettingsError, match=r"mix\|en is scored on talks\|en, .* run talks/en`"):
        run_partitions(
            ["mix/en"], "rouge_l_scores", None, None, ["rouge_l_scores.evaluate_on=[talks]"]
        )
    missing = run_stages(mixture, ["training_examples"]).failed["training_examples"]
    assert "the mixture mix needs transcripts of talks|en" in missing
    assert not run_stages(talks, stages_upto("transcripts")).failed
    recipe = RECIPE | {"tasks": {"qa": 1, "asr": 1}, "max_steps": 3}
    config = {"trained_checkpoints": {"recipe": recipe}}
    stages = ["training_examples", "trained_checkpoints"]
    assert not run_stages(mixture, stages, config=config).failed
    lake = open_workspace().lake
    rows = lake.read("training_examples", where=mixture.where).to_pylist()
    heard = [row for row in rows if row["method"] == "asr"]
    train = lake.read("raw_audio", where={**talks.where, "split": "train"}).to_pylist()
    assert 0 < len(heard) == len(train) < 10
    assert {row["context"] for row in heard} <= {
        row["text"] for row in lake.read("transcripts", where=talks.where).to_pylist()
    }
    assert all(row["question"] is None and row["split"] == "train" for row in heard)
    [checkpoint] = lake.read("trained_checkpoints").to_pylist()
    trained = [row for row in rows if row["split"] == "train"]
    assert json.loads(checkpoint["metrics"])["items"]["asr"] == len(trained) > len(heard)
    assert json.loads(checkpoint["composition"])["method"]["asr"] == len(heard)
    steps = trace(lake, f"talks/en/{heard[0]['utterance_id']}")
    assert [step.stage for step in steps] == [
        "raw_audio", "transcripts", "training_examples", "trained_checkpoints",
    ]  # fmt: skip
    assert steps[-1].facts["trained_on"] == [heard[0]["example_id"]]
    assert [step.stage for step in trace(lake, f"mix/en/{heard[0]['example_id']}")] == [
        step.stage for step in steps
    ]

    config = {"trained_checkpoints": {"recipe": RECIPE | {"max_steps": 3}}}
    assert not run_stages(mixture, ["trained_checkpoints"], config=config).failed
    [checkpoint] = lake.read("trained_checkpoints").to_pylist()
    assert json.loads(checkpoint["metrics"])["skipped"] == {"no_question": len(heard)}
    assert json.loads(checkpoint["composition"])["method"] == {"tts": len(trained) - len(heard)}
    steps = trace(lake, f"talks/en/{heard[0]['utterance_id']}")
    assert steps[-1].stage == "training_examples"


def test_a_killed_training_goes_on_and_the_checkpoint_knows_its_data(
    home: Path, tmp_path: Path
) -> None:
    prepare(home, tmp_path)
    process = start_sdg(home, *TRAIN)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "training: " in line and list(home.glob("training/*/checkpoint-*/meter-0.json")):
                break
    finally:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    again = run_sdg(home, *TRAIN)
    assert again.returncode == 0, again.stdout
    assert "going on from " in again.stdout
    workspace = open_workspace()
    [row] = workspace.lake.read("trained_checkpoints").to_pylist()
    with workspace.blobs.local_folder(row["uri"]) as folder:
        metrics = json.loads((folder / "metrics.json").read_text())
        lineage = json.loads((folder / "lineage.json").read_text())
        card = (folder / "README.md").read_text()
        assert list((folder / "tensorboard").glob("events*"))
    assert metrics["updates"] == len(metrics["loss"]) == 60
    assert metrics["examples"] == 3
    assert lineage["snapshot"] == row["data_snapshot"]
    assert metrics["composition"]["method"] == {"tts": 3}
    assert f"`quiz|en`, at version {row['data_snapshot']}" in card
    assert not any(home.glob("training/*"))  # nothing is left of the way there

    # Its run was killed when the checkpoint was made, and half of it was stored.
    shutil.copytree(folder, home / "training" / f"{row['checkpoint_id']}-checkpoint")
    (folder / "model.safetensors").unlink()
    outcome = run_stages(
        QUIZ, ["trained_checkpoints"], config={"trained_checkpoints": {"recipe": RECIPE}}
    )
    assert not outcome.failed
    assert (folder / "model.safetensors").exists()
    assert not any(home.glob("training/*"))


@pytest.mark.slow
def test_processes_train_together(home: Path, tmp_path: Path) -> None:
    prepare(home, tmp_path)
    train = ("run", "quiz/en", "--only", "trained_checkpoints")
    together = ("--set", "trained_checkpoints.processes=2")
    refused = run_sdg(
        home, *train, *together, "--set", "trained_checkpoints.recipe={accumulate: 1}"
    )
    assert refused.returncode == 1
    assert "which 2 processes cannot share" in refused.stdout
    recipe = "trained_checkpoints.recipe={accumulate: 2, batch_size: 1, epochs: 2}"
    assert run_sdg(home, *train, *together, "--set", recipe).returncode == 0
    workspace = open_workspace()
    [row] = workspace.lake.read("trained_checkpoints").to_pylist()
    with workspace.blobs.local_folder(row["uri"]) as folder:
        metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["processes"] == 2
    assert metrics["examples"] == 3
    assert metrics["updates"] == 3  # 2 epochs of 3 examples, 2 to an update
