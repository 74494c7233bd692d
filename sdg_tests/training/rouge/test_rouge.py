"""The metric script, as a user of ``evaluate`` meets it: by path, offline, many at once."""

import os
import subprocess
import sys
from pathlib import Path

import evaluate
import pytest

from sdg_training.rouge import METRIC, load_metric, rouge_l

SCORE_IN_A_PROCESS = """
import socket, sys
def refuse(*args): raise SystemExit("the metric asked for the network")
socket.socket.connect = refuse
import evaluate
metric = evaluate.load(sys.argv[1])
print(metric.compute(predictions=["北京 很 大"] * 500, references=["北京 大"] * 500)["rougeL"])
"""


@pytest.fixture
def metric(tmp_path: Path) -> evaluate.EvaluationModule:
    return evaluate.load(str(METRIC), cache_dir=str(tmp_path))


def test_the_mean_over_the_samples(metric: evaluate.EvaluationModule) -> None:
    result = metric.compute(predictions=["a b", "नमस्ते"], references=["a c", "नमस्ते"])
    assert result == {"rougeL": 0.75, "rougeL_precision": 0.75, "rougeL_recall": 0.75}


def test_one_value_per_sample_and_many_references(metric: evaluate.EvaluationModule) -> None:
    result = metric.compute(
        predictions=["北京", "a b c"],
        references=[["上海", "北京市"], ["a b c"]],
        use_aggregator=False,
    )
    assert result["rougeL"] == [rouge_l("北京", "北京市").fmeasure, 1.0]
    assert result["rougeL_recall"] == [pytest.approx(2 / 3), 1.0]


def test_batches_add_up(metric: evaluate.EvaluationModule) -> None:
    metric.add_batch(predictions=["a"], references=["a"])
    metric.add_batch(predictions=["b"], references=["c"])
    assert metric.compute()["rougeL"] == 0.5


def test_the_folder_is_a_path_too() -> None:
    assert evaluate.load(str(METRIC.parent)).name == load_metric().name == "rouge_l"


def test_several_processes_score_at_once_offline(tmp_path: Path) -> None:
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", SCORE_IN_A_PROCESS, str(METRIC)]
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert outputs == [f"{rouge_l('北京 很 大', '北京 大').fmeasure}\n"] * 3
