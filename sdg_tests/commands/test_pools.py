"""A run that waits for a pool says so, and what it waits for."""

import threading
from pathlib import Path

import pytest
from dagster import DagsterRunStatus
from dagster._core.test_utils import create_run_for_test

from sdg_assets.commands.dagster_home import open_instance
from sdg_assets.commands.run import run_stages
from sdg_assets.corpora.keys import Partition
from sdg_tests.factory import register_folder, write_speech


def test_a_wait_is_told_once(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_speech(tmp_path / "talks" / "en", ["Abigail bought a red lamp."])
    register_folder(tmp_path, "talks", "labelled_speech", ["en"])
    with open_instance() as instance:
        holder = create_run_for_test(
            instance, tags={"dagster/partition": "other|de"}, status=DagsterRunStatus.STARTED
        )
        storage = instance.event_log_storage
        storage.initialize_concurrency_limit_to_default("audio")
        assert storage.claim_concurrency_slot("audio", holder.run_id, "raw_audio").is_claimed
        free = threading.Timer(6, storage.free_concurrency_slots_for_run, [holder.run_id])
        free.start()
        outcome = run_stages(Partition("talks", "en"), ["raw_audio"])
        free.join()
    assert outcome.materialised == ("raw_audio",)
    said = [line for line in capsys.readouterr().err.splitlines() if "waiting" in line]
    assert said == [
        f"waiting for a place in the pool audio: other|de is in it (run {holder.run_id[:8]})"
    ]
