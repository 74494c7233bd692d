"""What a run tells, and to whom."""

import json
from pathlib import Path

import pytest
from dagster_pipes import encode_param

from sdg_training.reporting import PipesReporter, PrintReporter, Progress, open_reporter


def test_a_line_has_rate_and_eta() -> None:
    progress = Progress("training", 50, 200, "updates", 10.0, {"loss": 1.23456})
    assert str(progress) == "training: 50/200 updates, 5.0/s, 30 s left (loss 1.235)"
    assert progress.to_dict()["eta"] == 30.0


def test_the_first_and_the_last_step_are_always_shown(capsys: pytest.CaptureFixture) -> None:
    reporter = PrintReporter(interval=60)
    for stage in ("encoding", "training"):
        for done in range(1, 11):
            reporter.progress(Progress(stage, done, 10, "steps", 1.0))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" steps")[0].strip() for line in lines] == [
        "encoding: 1/10",
        "encoding: 10/10",
        "training: 1/10",
        "training: 10/10",
    ]


def test_a_curve_is_not_printed(capsys: pytest.CaptureFixture) -> None:
    PrintReporter().finish({"updates": 500, "loss": [0.125] * 500, "items": {"qa": 3}})
    lines = [line.strip() for line in capsys.readouterr().err.splitlines()]
    assert lines == ["updates: 500", "loss: 500 values, see metrics.json", "items: {'qa': 3}"]


def test_without_dagster_lines_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_PIPES_CONTEXT", raising=False)
    with open_reporter() as reporter:
        assert type(reporter) is PrintReporter


def test_within_dagster_messages_are_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = tmp_path / "messages"
    context = {
        "asset_keys": None,
        "code_version_by_asset_key": None,
        "provenance_by_asset_key": None,
        "partition_key": None,
        "partition_key_range": None,
        "partition_time_window": None,
        "run_id": "run",
        "job_name": None,
        "retry_number": 0,
        "extras": {},
    }
    monkeypatch.setenv("DAGSTER_PIPES_CONTEXT", encode_param({"data": context}))
    monkeypatch.setenv("DAGSTER_PIPES_MESSAGES", encode_param({"path": str(messages)}))
    with open_reporter() as reporter:
        assert isinstance(reporter, PipesReporter)
        reporter.progress(Progress("training", 1, 2, "updates", 1.0, {"loss": 2.0}))
        reporter.finish({"checkpoint": "folder"})
        reporter.fail("no more space")
    sent = [json.loads(line) for line in messages.read_text().splitlines()]
    payloads = [m["params"]["payload"] for m in sent if m["method"] == "report_custom_message"]
    assert payloads[0]["progress"]["loss"] == 2.0
    assert payloads[1:] == [{"result": {"checkpoint": "folder"}}, {"error": "no more space"}]
    logs = [m["params"]["message"] for m in sent if m["method"] == "log"]
    assert logs == ["training: 1/2 updates, 1.0/s, 1 s left (loss 2)"]


def test_on_a_terminal_progress_is_one_line_that_is_rewritten(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    reporter = PrintReporter(interval=0)
    reporter.progress(Progress("training", 1, 2, "updates", 1.0, {"loss": 2.0}))
    reporter.log("going on")
    reporter.progress(Progress("training", 2, 2, "updates", 1.0))
    first, remark, last = capsys.readouterr().err.split("\r\x1b[K    ")[1:]
    assert first.endswith("\r")
    assert len(first) == 30 - 4  # a line that wraps could not be rewritten
    assert remark == "going on\n"
    assert last.endswith("\n")
