"""Runs that are killed, and runs on several processes, give what an undisturbed one gives."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from safetensors.torch import load_file

from sdg_tests.training.dummies import encode_flac, noise, write_examples
from sdg_training.states import find_state

TRAIN = ["-m", "sdg_training.train"]
TRAIN_WITH_FSDP = [str(Path(__file__).with_name("fsdp_on_cpu.py"))]
UPDATES = 40


@pytest.fixture
def table(tmp_path: Path) -> pa.Table:
    recordings = [encode_flac(noise(0.5 + 0.1 * seed, seed)) for seed in range(8)]
    rows = [
        {"duration": 0.5 + 0.1 * number, "answer": f"answer {number}", "context": f"words {number}"}
        for number in range(8)
    ]
    rows[5]["answer"] = ""  # a bad one: it must be counted once, kill or no kill
    return write_examples(tmp_path, recordings, rows)


def write_config(
    folder: Path, table: pa.Table, name: str, encoder: Path, llm: Path, **how: Any
) -> Path:
    pq.write_table(table, folder / "examples.parquet")
    recipe = {
        "encoder": str(encoder),
        "llm": str(llm),
        "adapter": {"hidden_size": 32, "dropout": 0.2},
        "lora": {"rank": 4, "dropout": 0.2},
        "tasks": {"qa": 1, "asr": 0.5, "text": 0.5},
        "batch_size": 3,
        "accumulate": 2,
        "epochs": 100,
        "max_steps": UPDATES,
        "learning_rate": 1e-2,
        "precision": "float32",
        "save_every": 7,
        **how,
    }
    config = {
        "examples": str(folder / "examples.parquet"),
        "validation": str(folder / "examples.parquet") if how.get("early_stopping") else None,
        "blobs": str(folder),
        "output": str(folder / name),
        "recipe": recipe,
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def start(
    config: Path, *launcher: str, program: Sequence[str] = TRAIN, **variables: str
) -> subprocess.Popen[str]:
    command = [sys.executable, *launcher, *program, "--config", str(config)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}  # one order of sums
    return subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )


def finish(process: subprocess.Popen[str]) -> str:
    errors = process.communicate(timeout=300)[1]
    assert process.returncode == 0, errors[-20000:]
    return errors


def read_metrics(folder: Path) -> dict[str, Any]:
    metrics: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return metrics


@pytest.mark.parametrize(
    "how",
    [
        {"freeze_encoder": True},
        pytest.param({"freeze_encoder": False}, marks=pytest.mark.slow),
        {"freeze_encoder": False, "augment": {}, "optimizer": "muon"},
        {"early_stopping": {"every": 7, "patience": 3}, "max_steps": 300},
    ],
    ids=["frozen", "trained", "augmented", "stopped early"],
)
def test_a_killed_run_goes_on_as_if_nothing_had_been(
    tmp_path: Path, table: pa.Table, encoder: Path, llm: Path, how: dict[str, Any]
) -> None:
    undisturbed = write_config(tmp_path, table, "undisturbed", encoder, llm, **how)
    killed = write_config(tmp_path, table, "killed", encoder, llm, **how)
    finish(start(undisturbed))
    work = tmp_path / ".killed.run"
    process = start(killed)
    kill_after = random.Random(str(tmp_path)).choice((7, 14, 21))
    while not (work / f"checkpoint-{kill_after}" / "meter-0.json").exists():
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.01)
    time.sleep(random.uniform(0, 0.15))  # between two states, and in the middle of an update
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed").exists()
    newest = find_state(work, 1)
    assert newest is not None
    (work / "checkpoint-39").mkdir()  # as a kill in the middle of writing leaves it
    (work / "checkpoint-39" / "trainer_state.json").write_text('{"epoch": 0.')
    assert find_state(work, 1) == newest
    assert f"going on from {newest}" in finish(start(killed))
    one, other = read_metrics(tmp_path / "undisturbed"), read_metrics(tmp_path / "killed")
    for name in ("loss", "learning_rate", "validation", "updates", "skipped", "examples"):
        assert one[name] == other[name], name
    assert len(one["loss"]) == one["updates"]
    assert one["updates"] < 300 if "early_stopping" in how else one["updates"] == UPDATES
    assert one["skipped"] == {"empty_answer": 1}
    weights = [
        load_file(tmp_path / name / "model.safetensors") for name in ("undisturbed", "killed")
    ]
    assert weights[0].keys() == weights[1].keys()
    assert all(weights[0][name].equal(weights[1][name]) for name in weights[0])
    assert not work.exists()
    assert list((tmp_path / "killed" / "tensorboard").glob("events*"))


TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
STRATEGIES = {
    "ddp": {},
    "fsdp": {  # what `accelerate launch --use_fsdp --fsdp_version 2` sets; it wants a GPU itself
        "ACCELERATE_USE_FSDP": "true",
        "FSDP_VERSION": "2",
        "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
        "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
        "FSDP_RESHARD_AFTER_FORWARD": "true",
    },
}


FROZEN = {"freeze_encoder": True}
TRAINED = {"freeze_encoder": False}
ROUNDED = {"freeze_encoder": False, "precision": "bfloat16", "learning_rate": 1e-3}


def copy_encoder(encoder: Path, folder: Path, layerdrop: float) -> Path:
    """Without dropout, which is another in each process."""
    shutil.copytree(encoder, folder)
    config = json.loads((folder / "config.json").read_text())
    without = {name: 0.0 for name in config if name.endswith("dropout")}
    (folder / "config.json").write_text(json.dumps(config | without | {"layerdrop": layerdrop}))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("fusion", ["concat", "cross_attention"])
@pytest.mark.parametrize("how", [FROZEN, TRAINED, ROUNDED], ids=["frozen", "trained", "rounded"])
def test_two_processes_do_what_one_does(
    tmp_path: Path,
    table: pa.Table,
    encoder: Path,
    llm: Path,
    strategy: str,
    fusion: str,
    how: dict[str, Any],
) -> None:
    """The same updates, as the same recipe; what differs is the order of some sums.

    FSDP leaves no layer of the encoder out, whatever the encoder's own habit.
    """
    settings = {
        "fusion": {"type": fusion, "num_attention_heads": 2},
        "adapter": {"hidden_size": 32},
        "lora": {"rank": 4},
        "max_steps": 12,
        "save_every": 100,
        "cache_encoder": False,  # in float16, and by one process alone
        **how,
    }
    steady = copy_encoder(encoder, tmp_path / "steady", layerdrop=0.0)
    finish(start(write_config(tmp_path, table, "one", steady, llm, **settings)))
    dropping = copy_encoder(encoder, tmp_path / "dropping", layerdrop=0.5)
    heard_by = dropping if strategy == "fsdp" else steady
    config = write_config(tmp_path, table, "two", heard_by, llm, **settings)
    program = TRAIN_WITH_FSDP if strategy == "fsdp" else TRAIN
    errors = finish(start(config, *TORCHRUN, program=program, **STRATEGIES[strategy]))
    assert errors.count("training: 12/12 updates") == 1  # one process speaks for all
    one, two = read_metrics(tmp_path / "one"), read_metrics(tmp_path / "two")
    assert (one["processes"], two["processes"]) == (1, 2)
    assert two["distributed"] == {"ddp": "MULTI_CPU", "fsdp": "FSDP"}[strategy]
    tolerance = 0.03 if how is ROUNDED else 1e-3
    assert two["loss"] == pytest.approx(one["loss"], rel=tolerance)
    for name in ("updates", "skipped", "examples", "audio_hours", "trained_parameters"):
        assert one[name] == two[name], name


@pytest.mark.slow
def test_accelerate_starts_as_many_processes(
    tmp_path: Path, table: pa.Table, encoder: Path, llm: Path
) -> None:
    config = write_config(tmp_path, table, "two", encoder, llm, max_steps=3)
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1"]
    settings = ["--num_processes", "2", "--mixed_precision", "no", "--dynamo_backend", "no"]
    errors = finish(start(config, *launch, *settings, ACCELERATE_USE_CPU="true"))
    metrics = read_metrics(tmp_path / "two")
    assert (metrics["processes"], metrics["updates"]) == (2, 3)
    assert "FutureWarning" not in errors


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("epochs", "updates"), [(3, 5), (1, 1)])
def test_a_last_update_with_too_few_batches_is_made_all_the_same(
    tmp_path: Path,
    table: pa.Table,
    encoder: Path,
    llm: Path,
    strategy: str,
    epochs: int,
    updates: int,
) -> None:
    """Nine batches, or one, of a Conformer adapter; where none is left a process hears noise."""
    how: dict[str, Any] = {
        **TRAINED,
        "adapter": {"type": "conformer", "hidden_size": 32, "num_attention_heads": 2},
        "lora": {"rank": 4},
        "tasks": {"qa": 1},
        "batch_size": 3 if epochs > 1 else 8,
        "epochs": epochs,
        "max_steps": None,
    }
    steady = copy_encoder(encoder, tmp_path / "steady", layerdrop=0.0)
    finish(start(write_config(tmp_path, table, "one", steady, llm, **how)))
    config = write_config(tmp_path, table, "two", steady, llm, **how)
    program = TRAIN_WITH_FSDP if strategy == "fsdp" else TRAIN
    finish(start(config, *TORCHRUN, program=program, **STRATEGIES[strategy]))
    one, two = read_metrics(tmp_path / "one"), read_metrics(tmp_path / "two")
    assert one["updates"] == two["updates"] == updates
    assert two["learning_rate"] == one["learning_rate"]
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-3)


def test_processes_that_cannot_share_an_update_are_an_error(
    tmp_path: Path, table: pa.Table, encoder: Path, llm: Path
) -> None:
    config = write_config(tmp_path, table, "odd", encoder, llm, accumulate=3)
    process = start(config, *TORCHRUN)
    assert "which 2 processes cannot share" in process.communicate(timeout=300)[1]
    assert process.returncode != 0
